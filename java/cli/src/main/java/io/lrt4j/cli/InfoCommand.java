package io.lrt4j.cli;

import com.sun.management.OperatingSystemMXBean;
import io.lrt4j.compute.Backends;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
    Map<String, Object> facts = facts();
    List<Backends.Status> backends = Backends.survey();
    List<String> advice = advice(Runtime.version());
    if (arguments.has("json")) {
      List<Object> statuses = new ArrayList<>();
      for (Backends.Status b : backends) {
        statuses.add(
            Reports.fields("name", b.name(), "available", b.available(), "detail", b.detail()));
      }
      facts.put("backends", statuses);
      facts.put("advice", advice);
      console.out().println(Reports.line(facts));
      return;
    }
    var out = console.out();
    out.println("lrt        " + facts.get("lrt"));
    out.println("java       " + facts.get("java") + " (" + facts.get("java_home") + ")");
    out.println("processor  " + facts.get("processor") + ", threads " + facts.get("threads"));
    out.println(
        "memory     "
            + Reports.size((long) facts.get("memory_bytes"))
            + ", Java heap at most "
            + Reports.size((long) facts.get("heap_bytes")));
    int bits = (int) facts.get("vector_bits");
    out.println(
        "vectors    "
            + (bits > 0 ? bits + " bits" : "module jdk.incubator.vector is not there"));
    for (Backends.Status b : backends) {
      out.println(
          String.format(
              "backend    %-8s %s (%s)",
              b.name(), b.available() ? "available" : "not available", b.detail()));
    }
    advice.forEach(line -> out.println("advice     " + line));
  }

  private static Map<String, Object> facts() {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("lrt", Lrt.version());
    facts.put("java", System.getProperty("java.runtime.version", "") + vendor());
    facts.put("java_home", System.getProperty("java.home", ""));
    facts.put("processor", processor());
    facts.put("architecture", System.getProperty("os.arch", ""));
    facts.put("threads", Runtime.getRuntime().availableProcessors());
    facts.put("memory_bytes", memory());
    facts.put("heap_bytes", Runtime.getRuntime().maxMemory());
    facts.put("vector_bits", vectorBits());
    return facts;
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
  private static String processor() {
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

  private static int vectorBits() {
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
                + " SPARK-55852): install 25.0.3 or later, or run with -XX:+UseSerialGC, as this"
                + " launcher does");
  }
}
