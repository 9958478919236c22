package io.lrt4j.cli;

import io.lrt4j.compute.Backends;
import java.util.List;
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
                      "java", machine.java(),
                      "java_home", machine.javaHome(),
                      "processor", machine.processor(),
                      "threads", machine.threads(),
                      "memory_bytes", machine.memoryBytes(),
                      "heap_bytes", machine.heapBytes(),
                      "vector_bits", machine.vectorBits(),
                      "backends", backends,
                      "advice", advice)));
      return;
    }
    var out = console.out();
    out.println("lrt        " + Lrt.version());
    out.println("java       " + machine.java() + " in " + machine.javaHome());
    out.println("processor  " + machine.processor());
    out.println("threads    " + machine.threads());
    out.println("memory     " + Reports.size(machine.memoryBytes()));
    out.println("java heap  at most " + Reports.size(machine.heapBytes()));
    out.println(
        "vectors    "
            + (machine.vectorBits() > 0
                ? machine.vectorBits() + " bits"
                : "none: module jdk.incubator.vector is not there"));
    for (Backends.Status b : backends) {
      out.println(
          String.format(
              "backend    %-8s %s (%s)",
              b.name(), b.available() ? "available" : "not available", b.detail()));
    }
    advice.forEach(line -> out.println("advice     " + line));
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
