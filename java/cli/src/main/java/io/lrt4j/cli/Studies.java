package io.lrt4j.cli;

import io.lrt4j.evaluation.report.Report;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What every report says of how it came about. */
final class Studies {
  private Studies() {}

  /** Writes a report with the facts that a reader needs to repeat it. */
  static void report(
      String title,
      String command,
      Map<String, String> setting,
      List<Report.Section> sections,
      Path out) {
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("command", command);
    facts.putAll(setting);
    facts.put("lrt4j", Lrt.version());
    facts.put("Java", System.getProperty("java.vm.name") + " " + Runtime.version());
    facts.put(
        "machine",
        System.getProperty("os.name")
            + " "
            + System.getProperty("os.arch")
            + ", "
            + Runtime.getRuntime().availableProcessors()
            + " processors"
            + ofProc("/proc/cpuinfo", "model name", ", "));
    String peak = ofProc("/proc/self/status", "VmHWM", "");
    if (!peak.isEmpty()) {
      facts.put("peak memory of the process", peak);
    }
    facts.put("date", Instant.now().truncatedTo(ChronoUnit.SECONDS).toString());
    new Report(title, facts, sections).write(out, "report");
  }

  /** A line of a file of Linux; "" elsewhere. */
  private static String ofProc(String file, String key, String before) {
    try {
      for (String line : Files.readString(Path.of(file), StandardCharsets.UTF_8).split("\n", -1)) {
        if (line.startsWith(key)) {
          return before + line.substring(line.indexOf(':') + 1).strip();
        }
      }
    } catch (java.io.IOException e) {
      // not Linux: it is left out
    }
    return "";
  }
}
