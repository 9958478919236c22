package io.lrt4j.cuda;

import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR;
import static jcuda.driver.CUdevice_attribute.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR;

import io.lrt4j.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.charset.StandardCharsets;
import java.util.Locale;
import java.util.Optional;
import jcuda.driver.CUdevice;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;
import org.jspecify.annotations.Nullable;

/** Whether there is a CUDA driver with a device, and what its error codes mean. */
final class Driver {
  private static final String LIBRARY = "libcuda.so.1";
  private static final String KERNELS = "kernels.fatbin"; // beside this class

  private Driver() {}

  /** What keeps the first device from being used; empty if nothing does. */
  static Optional<String> missing() {
    try {
      if (!hasLibrary()) {
        return Optional.of("there is no NVIDIA driver here (" + LIBRARY + " cannot be loaded)");
      }
      if (Driver.class.getResource(KERNELS) == null) {
        return Optional.of(
            "this build of lrt4j has no CUDA kernels: build it where nvcc (the CUDA toolkit) is");
      }
      int code = JCudaDriver.cuInit(0);
      int[] count = new int[1];
      if (code == CUresult.CUDA_SUCCESS) {
        code = JCudaDriver.cuDeviceGetCount(count);
      }
      if (code == CUresult.CUDA_ERROR_NO_DEVICE || (code == 0 && count[0] == 0)) {
        return Optional.of("the NVIDIA driver finds no GPU");
      }
      return code == CUresult.CUDA_SUCCESS
          ? Optional.empty()
          : Optional.of("the NVIDIA driver does not start: " + text(code));
    } catch (LinkageError e) {
      return Optional.of("JCuda cannot be loaded: " + e.getMessage());
    }
  }

  @SuppressWarnings("restricted") // this is what --enable-native-access allows
  private static boolean hasLibrary() {
    try (var arena = Arena.ofConfined()) {
      SymbolLookup.libraryLookup(LIBRARY, arena);
      return true;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  /** The kernels, as the build made them. */
  static byte[] kernels() {
    try (InputStream in = Driver.class.getResourceAsStream(KERNELS)) {
      if (in == null) {
        throw new BackendException("this build of lrt4j has no CUDA kernels");
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The first device, after {@link #missing} found nothing missing. */
  static CUdevice device() {
    check(JCudaDriver.cuInit(0), "starting the driver");
    var device = new CUdevice();
    check(JCudaDriver.cuDeviceGet(device, 0), "finding the first GPU");
    return device;
  }

  /** Its name, architecture, memory, and the CUDA version of the driver. */
  static String describe(CUdevice device) {
    byte[] name = new byte[256];
    check(JCudaDriver.cuDeviceGetName(name, name.length, device), "asking a GPU for its name");
    int length = 0;
    while (length < name.length && name[length] != 0) {
      length++;
    }
    long[] memory = new long[1];
    check(JCudaDriver.cuDeviceTotalMem(memory, device), "asking a GPU for its memory");
    int[] version = new int[1];
    check(JCudaDriver.cuDriverGetVersion(version), "asking the driver for its version");
    return String.format(
        Locale.ROOT,
        "%s (%s, %.1f GiB), driver for CUDA %d.%d",
        new String(name, 0, length, StandardCharsets.UTF_8),
        architecture(device),
        memory[0] / 0x1p30,
        version[0] / 1000,
        version[0] % 1000 / 10);
  }

  /** As nvcc calls it: sm_90. */
  static String architecture(CUdevice device) {
    return "sm_"
        + attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)
        + attribute(device, CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR);
  }

  static int attribute(CUdevice device, int attribute) {
    int[] value = new int[1];
    check(JCudaDriver.cuDeviceGetAttribute(value, attribute, device), "asking what a GPU can do");
    return value[0];
  }

  /**
   * Does nothing for success.
   *
   * @throws BackendException if a call failed
   */
  static void check(int code, String what) {
    if (code != CUresult.CUDA_SUCCESS) {
      throw new BackendException("CUDA: " + what + " failed: " + text(code));
    }
  }

  /** An error code in words. */
  static String text(int code) {
    @Nullable String[] name = new @Nullable String[1];
    @Nullable String[] text = new @Nullable String[1];
    JCudaDriver.cuGetErrorName(code, name);
    JCudaDriver.cuGetErrorString(code, text);
    return name[0] == null ? "error " + code : text[0] + " (" + name[0] + ")";
  }
}
