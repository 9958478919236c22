package io.lrt4j.cuda;

import java.lang.foreign.MemorySegment;
import jcuda.Pointer;
import jcuda.driver.CUdeviceptr;
import jcuda.driver.CUevent;
import jcuda.driver.JCudaDriver;

/**
 * Pinned host memory that everything large goes through on its way to the device and back, in two
 * halves: one is filled while the other is on its way. Its user holds the turn.
 */
final class Staging implements AutoCloseable {
  private static final int HALF = 4 << 20;

  private final Device device;
  private final Pointer[] pointers = {new Pointer(), new Pointer()};
  private final MemorySegment[] halves = new MemorySegment[2];
  private final CUevent[] sent = {new CUevent(), new CUevent()};
  private int half;
  private int filled;
  private int pinned; // what was made, and no more, is freed: JCuda leaves any number in the rest
  private int events;

  // Where an upload goes.
  private CUdeviceptr target = new CUdeviceptr();
  private long at;

  Staging(Device device) {
    this.device = device;
    boolean complete = false;
    try {
      for (int i = 0; i < 2; i++) {
        device.check(JCudaDriver.cuMemHostAlloc(pointers[i], HALF, 0), "allocating pinned memory");
        pinned++;
        halves[i] = MemorySegment.ofBuffer(pointers[i].getByteBuffer(0, HALF));
        device.check(JCudaDriver.cuEventCreate(sent[i], 0), "making an event");
        events++;
        device.check(JCudaDriver.cuEventRecord(sent[i], device.stream()), "marking an event");
      }
      complete = true;
    } finally {
      if (!complete) {
        close();
      }
    }
  }

  /** Begins an upload; {@link #put} and {@link #zeros} follow, then {@link #flush}. */
  void to(CUdeviceptr target) {
    device.commands().flush(); // kernels that use what is there
    device.enter();
    this.target = target;
    at = 0;
    filled = 0;
    await();
  }

  /** The next bytes. */
  void put(MemorySegment from, long offset, long bytes) {
    for (long done = 0; done < bytes; ) {
      int part = room(bytes - done);
      MemorySegment.copy(from, offset + done, halves[half], filled, part);
      filled += part;
      done += part;
    }
  }

  /** The next bytes, which are zeros. */
  void zeros(long bytes) {
    for (long done = 0; done < bytes; ) {
      int part = room(bytes - done);
      halves[half].asSlice(filled, part).fill((byte) 0);
      filled += part;
      done += part;
    }
  }

  private int room(long wanted) {
    if (filled == HALF) {
      flush();
    }
    return (int) Math.min(wanted, HALF - filled);
  }

  /** Sends what there is on its way. */
  void flush() {
    if (filled > 0) {
      device.check(
          JCudaDriver.cuMemcpyHtoDAsync(
              target.withByteOffset(at), pointers[half], filled, device.stream()),
          "copying to the device");
      device.check(JCudaDriver.cuEventRecord(sent[half], device.stream()), "marking an event");
      at += filled;
      filled = 0;
      half = 1 - half;
      await();
    }
  }

  /** Until the half that comes next may be overwritten. */
  private void await() {
    device.check(JCudaDriver.cuEventSynchronize(sent[half]), "copying to the device");
  }

  /** Receives the bytes of a device address, in pieces. */
  interface Receiver {
    void take(MemorySegment piece, long offset, int bytes);
  }

  /** Reads device memory, after everything that was asked for before. */
  void read(CUdeviceptr from, long offset, long bytes, Receiver receiver) {
    device.commands().flush();
    device.enter();
    for (long done = 0; done < bytes; ) {
      int part = (int) Math.min(bytes - done, HALF);
      await();
      device.check(
          JCudaDriver.cuMemcpyDtoHAsync(
              pointers[half], from.withByteOffset(offset + done), part, device.stream()),
          "copying from the device");
      device.synchronize("computing");
      receiver.take(halves[half], done, part);
      done += part;
    }
  }

  @Override
  public void close() {
    while (events > 0) {
      int _ = JCudaDriver.cuEventDestroy(sent[--events]);
    }
    while (pinned > 0) {
      int _ = JCudaDriver.cuMemFreeHost(pointers[--pinned]);
    }
  }
}
