package io.lrt4j.cli;

import com.sun.management.OperatingSystemMXBean;
import io.lrt4j.compute.Backends;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import jdk.incubator.vector.FloatVector;
import org.apache.commons.cli.Options;

/** {@code lrt info}: what this machine and this Java can do for us. */
final class InfoCommand implements Command {
  private static final Runtime.Version SOUND = Runtime.Version.parse("25.0.3");

  @Override
  public String name() {
    return "info";
  }

  @Override
  public String summary() {
    return "what this machine can do: Java, processor, memory, vectors, backends";
  }

  @Override
  public String usage() {
    return "";
  }

  @Override
  public Options options() {
    return CommonOptions.general();
  }

  @Override
  public void run(Arguments arguments, Console console) {
    Machine machine = Machine.here();
    List<Backends.Status> backends = Backends.survey();
    List<String> advice = advice(Runtime.version());
    if (arguments.has("json")) {
      console
          .out()
          .println(
              Reports.line(
                  Reports.fields(
                      "lrt", Lrt.version(),
                      "java", machine.java,
                      "java_home", machine.javaHome,
                      "processor", machine.processor,
                      "threads", machine.threads,
                      "memory_bytes", machine.memoryBytes,
                      "heap_bytes", machine.heapBytes,
                      "vector_bits", machine.vectorBits,
                      "backends", backends,
                      "advice", advice)));
      return;
    }
    var out = console.out();
    out.println("lrt        " + Lrt.version());
    out.println("java       " + machine.java + " in " + machine.javaHome);
    out.println("processor  " + machine.processor);
    out.println("threads    " + machine.threads);
    out.println("memory     " + Reports.size(machine.memoryBytes));
    out.println("java heap  at most " + Reports.size(machine.heapBytes));
    out.println(
        "vectors    "
            + (machine.vectorBits > 0
                ? machine.vectorBits + " bits"
                : "none: module jdk.incubator.vector is not there"));
    for (Backends.Status b : backends) {
      out.println(
          String.format(
              "backend    %-8s %s (%s)",
              b.name(), b.available() ? "available" : "not available", b.detail()));
    }
    advice.forEach(line -> out.println("advice     " + line));
  }

  /** What this process finds itself on; no vectors are 0 bits. */
  private record Machine(
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

  /** What a user should change. */
  static List<String> advice(Runtime.Version version) {
    return version.compareToIgnoreOptional(SOUND) >= 0
        ? List.of()
        : List.of(
            "Java "
                + version.feature()
                + "."
                + version.interim()
                + "."
                + version.update()
                + " can corrupt memory handed to native code under its G1 collector (JDK-8377811,"
                + " SPARK-55852): install 25.0.3 or later, or keep to -XX:+UseSerialGC, which the"
                + " launcher sets");
  }
}
