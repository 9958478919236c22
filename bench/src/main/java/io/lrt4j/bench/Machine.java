package io.lrt4j.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jdk.incubator.vector.FloatVector;

/** What a measurement was made on. */
final class Machine {
  private static final Path STATUS = Path.of("/proc/self/status");

  private Machine() {}

  /** Processor, memory, Java and the load at this moment. */
  static ObjectNode describe() {
    ObjectNode machine = JsonNodeFactory.instance.objectNode();
    machine.put("processor", line(Path.of("/proc/cpuinfo"), "model name"));
    machine.put("processors", Runtime.getRuntime().availableProcessors());
    machine.put("vector_bits", FloatVector.SPECIES_PREFERRED.vectorBitSize());
    if (ManagementFactory.getOperatingSystemMXBean() instanceof OperatingSystemMXBean system) {
      machine.put("memory_bytes", system.getTotalMemorySize());
      machine.put("load_average", system.getSystemLoadAverage());
    }
    machine.put(
        "system", System.getProperty("os.name") + " " + System.getProperty("os.version", ""));
    machine.put(
        "java",
        System.getProperty("java.runtime.version")
            + ", "
            + System.getProperty("java.vendor.version", ""));
    machine.put("flags", String.join(" ", flags()));
    return machine;
  }

  /** The options that this Java was started with. */
  static List<String> flags() {
    return ManagementFactory.getRuntimeMXBean().getInputArguments();
  }

  /** The most memory, in bytes, that this process had in use at once; 0 where it is not known. */
  static long peakMemory() {
    return status("VmHWM");
  }

  /** Memory, in bytes, that this process uses now and that is no mapped file. */
  static long anonymousMemory() {
    return status("RssAnon");
  }

  private static long status(String field) {
    String value = line(STATUS, field).replace(" kB", "");
    return value.isEmpty() ? 0 : Long.parseLong(value) << 10;
  }

  /** What stands behind "field:" in a file of Linux's; "" on other systems. */
  private static String line(Path file, String field) {
    try (var lines = Files.lines(file)) {
      return lines
          .filter(line -> line.startsWith(field))
          .map(line -> line.substring(line.indexOf(':') + 1).strip())
          .findFirst()
          .orElse("");
    } catch (IOException e) {
      return "";
    }
  }
}
