package io.lrt4j.cli;

import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import jdk.incubator.vector.FloatVector;

/** What this process finds itself on; no vectors are 0 bits. */
record Machine(
    String java,
    String javaHome,
    String processor,
    int threads,
    long memoryBytes,
    long heapBytes,
    int vectorBits) {

  static Machine here() {
    return new Machine(
        System.getProperty("java.runtime.version", "") + vendor(),
        System.getProperty("java.home", ""),
        processorName(),
        Runtime.getRuntime().availableProcessors(),
        memory(),
        Runtime.getRuntime().maxMemory(),
        preferredVectorBits());
  }

  /** Processes that want to run, in the last minute; negative where nobody counts them. */
  static double loadAverage() {
    return ManagementFactory.getOperatingSystemMXBean().getSystemLoadAverage();
  }

  private static String vendor() {
    String vendor = System.getProperty("java.vendor.version", "");
    return vendor.isEmpty() ? "" : ", " + vendor;
  }

  private static long memory() {
    return ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system
        ? system.getTotalMemorySize()
        : 0;
  }

  /** Its name as Linux knows it, else its architecture. */
  private static String processorName() {
    Path file = Path.of("/proc/cpuinfo");
    try (var lines = Files.lines(file)) {
      return lines
          .filter(line -> line.startsWith("model name"))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse(System.getProperty("os.arch", ""));
    } catch (IOException e) {
      return System.getProperty("os.arch", "");
    }
  }

  private static int preferredVectorBits() {
    return ModuleLayer.boot().findModule("jdk.incubator.vector").isPresent() ? Vectors.bits() : 0;
  }

  /** Apart, so that it is linked only where the module is there. */
  private static final class Vectors {
    static int bits() {
      return FloatVector.SPECIES_PREFERRED.vectorBitSize();
    }
  }
}
