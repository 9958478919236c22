package io.lrt4j.cuda;

import io.lrt4j.BackendException;
import io.lrt4j.compute.DeviceMemoryException;
import java.util.HashSet;
import java.util.Locale;
import java.util.Set;
import java.util.concurrent.locks.ReentrantLock;
import jcuda.driver.CUcontext;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.CUstream;
import jcuda.driver.CUstream_flags;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;

/**
 * A GPU in the hands of one backend: its context, the stream that everything is done in, the
 * kernels, and what is allocated. Whoever uses it holds the turn ({@link #begin} to {@link #end}).
 */
final class Device implements AutoCloseable {
  private final ReentrantLock turn = new ReentrantLock();
  private final CUdevice device;
  private final CUcontext context = new CUcontext();
  private final CUstream stream = new CUstream();
  private final Set<DevicePointer> allocated = new HashSet<>();
  private final String description;
  private Kernels kernels;
  private Staging staging;
  private Slots slots;
  private Commands commands;
  private @Nullable Cublas cublas; // null: there is none here, or it does not start
  private boolean streaming; // there is a stream
  private boolean lost; // after an error that, as CUDA has it, only a new process gets over
  private boolean closed;

  @SuppressWarnings("NullAway.Init") // what is opened below
  private Device(CUdevice device) {
    this.device = device;
    description = Driver.describe(device);
  }

  /** Opens the first device. */
  static Device open() {
    Device opened = new Device(Driver.device());
    opened.start();
    return opened;
  }

  private void start() {
    Driver.check(JCudaDriver.cuDevicePrimaryCtxRetain(context, device), "opening " + description);
    boolean started = false;
    turn.lock();
    try {
      enter();
      int flags = CUstream_flags.CU_STREAM_NON_BLOCKING;
      check(JCudaDriver.cuStreamCreate(stream, flags), "making a stream");
      streaming = true;
      kernels = new Kernels(this);
      staging = new Staging(this);
      slots = new Slots(this);
      commands = new Commands(this);
      if (CublasLibrary.here().missing().isEmpty()) {
        cublas = Cublas.open(this);
      }
      started = true;
    } finally {
      turn.unlock();
      if (!started) {
        close();
      }
    }
  }

  /** What it is, for people. */
  String describe() {
    return description;
  }

  String architecture() {
    return Driver.architecture(device);
  }

  CUstream stream() {
    return stream;
  }

  Kernels kernels() {
    return kernels;
  }

  Staging staging() {
    return staging;
  }

  Slots slots() {
    return slots;
  }

  Commands commands() {
    return commands;
  }

  @Nullable Cublas cublas() {
    return cublas;
  }

  /** Waits for the turn; {@link #end} must follow. */
  void begin() {
    turn.lock();
    if (closed) {
      turn.unlock();
      throw new IllegalStateException("the backend is closed");
    }
  }

  /** Before the driver is called: this thread may not have called it before. */
  void enter() {
    check(JCudaDriver.cuCtxSetCurrent(context), "entering a context");
  }

  void end() {
    turn.unlock();
  }

  /**
   * Does nothing for success.
   *
   * @throws BackendException if a call failed
   */
  void check(int code, String what) {
    if (code == CUresult.CUDA_SUCCESS) {
      return;
    }
    switch (code) {
      case CUresult.CUDA_ERROR_ILLEGAL_ADDRESS,
          CUresult.CUDA_ERROR_LAUNCH_FAILED,
          CUresult.CUDA_ERROR_LAUNCH_TIMEOUT,
          CUresult.CUDA_ERROR_ECC_UNCORRECTABLE,
          CUresult.CUDA_ERROR_HARDWARE_STACK_ERROR,
          CUresult.CUDA_ERROR_ILLEGAL_INSTRUCTION,
          CUresult.CUDA_ERROR_MISALIGNED_ADDRESS,
          CUresult.CUDA_ERROR_INVALID_ADDRESS_SPACE,
          CUresult.CUDA_ERROR_INVALID_PC,
          CUresult.CUDA_ERROR_UNKNOWN -> {
        lost = true;
        throw new BackendException(
            "the GPU "
                + description
                + " is lost to this process, which must be started again: "
                + what
                + " failed: "
                + Driver.text(code));
      }
      default -> Driver.check(code, what);
    }
  }

  /**
   * Device memory with unspecified content.
   *
   * @throws DeviceMemoryException if there is not enough
   */
  DevicePointer allocate(long bytes) {
    enter();
    var pointer = new DevicePointer();
    int code = JCudaDriver.cuMemAlloc(pointer, Math.max(bytes, 16));
    if (code == CUresult.CUDA_ERROR_OUT_OF_MEMORY) {
      long[] free = new long[1];
      long[] total = new long[1];
      JCudaDriver.cuMemGetInfo(free, total);
      throw new DeviceMemoryException(
          String.format(
              Locale.ROOT,
              "no device memory for %.1f MiB more: %.1f of %.1f MiB are free on %s",
              bytes / 0x1p20,
              free[0] / 0x1p20,
              total[0] / 0x1p20,
              description));
    }
    check(code, "allocating device memory");
    allocated.add(pointer);
    return pointer;
  }

  /** Bytes of device memory that nobody has: this backend, another one or another process. */
  long freeMemory() {
    enter();
    long[] free = new long[1];
    long[] total = new long[1];
    check(JCudaDriver.cuMemGetInfo(free, total), "asking a GPU for its free memory");
    return free[0];
  }

  /** Fills memory with zeros, after everything that was asked for before. */
  void zero(DevicePointer pointer, long bytes) {
    commands.flush();
    enter();
    check(JCudaDriver.cuMemsetD8Async(pointer, (byte) 0, bytes, stream), "clearing memory");
  }

  /** Gives memory back after {@link #synchronize}: the driver need not wait for what uses it. */
  void free(DevicePointer pointer) {
    if (allocated.remove(pointer)) {
      int code = JCudaDriver.cuMemFree(pointer);
      if (!lost) {
        check(code, "freeing device memory");
      }
    }
  }

  /** Frees what a memory allocated; nothing is left to free once the backend is closed. */
  void freeAll(Iterable<DevicePointer> pointers) {
    turn.lock();
    try {
      if (!closed) {
        RuntimeException failure = null;
        try {
          synchronize("computing"); // kernels that use it
        } catch (BackendException e) {
          failure = lost ? null : e;
        }
        int _ = JCudaDriver.cuCtxSetCurrent(context);
        for (DevicePointer pointer : pointers) {
          try {
            free(pointer);
          } catch (BackendException e) {
            failure = e;
          }
        }
        if (failure != null) {
          throw failure;
        }
      }
    } finally {
      turn.unlock();
    }
  }

  /** Waits until everything asked for is done. */
  void synchronize(String what) {
    commands.flush();
    enter();
    slots.awaited();
    check(JCudaDriver.cuStreamSynchronize(stream), what);
  }

  /** Gives everything back, whatever state the device is in. */
  @Override
  public void close() {
    turn.lock();
    try {
      if (closed) {
        return;
      }
      closed = true;
      // Of a lost device nothing can be had but an end: what fails here fails for that reason.
      int _ = JCudaDriver.cuCtxSetCurrent(context);
      if (streaming) {
        int _ = JCudaDriver.cuStreamSynchronize(stream);
      }
      for (DevicePointer pointer : allocated) {
        int _ = JCudaDriver.cuMemFree(pointer);
      }
      allocated.clear();
      if (commands != null) {
        commands.forget();
      }
      if (cublas != null) {
        cublas.close();
      }
      if (slots != null) {
        slots.close();
      }
      if (staging != null) {
        staging.close();
      }
      if (kernels != null) {
        kernels.close();
      }
      if (streaming) {
        int _ = JCudaDriver.cuStreamDestroy(stream);
      }
      int _ = JCudaDriver.cuDevicePrimaryCtxRelease(device);
    } finally {
      turn.unlock();
    }
  }
}
