package io.lrt4j.bench;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.evaluation.speed.ReadBandwidth;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.runner.RunnerException;

/** Runs a suite of benchmarks, prints tables, writes a JSON file; see {@code bench/README.md}. */
final class Main {
  private static final String USAGE =
      "usage: bench/run kernels|decode|endtoend|all [--model DIR] [--network DIR]"
          + " [--backend B,…] [--quantize none,bf16,q8,q4] [--cache-type f32|f16|q8]"
          + " [--threads N] [--quick]";

  private static final int READ_MEBIBYTES = 1024;
  private static final int READ_MILLIS = 2000;

  private final Arguments arguments;
  private final Jmh jmh;
  private final ArrayNode scores = JsonNodeFactory.instance.arrayNode();
  private Jmh.Limits limits = Jmh.Limits.UNKNOWN;

  private Main(Arguments arguments) {
    this.arguments = arguments;
    Jmh.Effort effort = arguments.quick ? new Jmh.Effort(1, 2, 200) : new Jmh.Effort(1, 5, 1000);
    jmh = new Jmh(effort, arguments.results.resolve("../target/jmh").normalize());
  }

  /**
   * The command line.
   *
   * @param suite what to run
   * @param model checkpoint directory for whole-model measurements
   * @param network of the model's, or null to make one
   * @param settings to run the model in
   * @param threads of the backend
   * @param quick to try the benchmarks out rather than to measure
   * @param results where the JSON file goes
   * @param commit of the sources
   * @param launcher the command line's, or null
   */
  private record Arguments(
      String suite,
      @Nullable Path model,
      @Nullable Path network,
      List<Setting> settings,
      int threads,
      boolean quick,
      Path results,
      String commit,
      @Nullable Path launcher) {

    static Arguments parse(String[] args) {
      Deque<String> left = new ArrayDeque<>(List.of(args));
      String suite = next(left, "a suite");
      Path model = null;
      Path network = null;
      Path launcher = null;
      Path results = Path.of("bench/results");
      String commit = "";
      String backends = "auto";
      String quantizations = "none";
      String cacheType = "auto";
      int threads = Runtime.getRuntime().availableProcessors();
      boolean quick = false;
      while (!left.isEmpty()) {
        String option = left.pop();
        switch (option) {
          case "--model" -> model = Path.of(next(left, option));
          case "--network" -> network = Path.of(next(left, option));
          case "--backend" -> backends = next(left, option);
          case "--quantize" -> quantizations = next(left, option);
          case "--cache-type" -> cacheType = next(left, option);
          case "--launcher" -> launcher = Path.of(next(left, option));
          case "--results" -> results = Path.of(next(left, option));
          case "--commit" -> commit = next(left, option);
          case "--threads" -> threads = Integer.parseInt(next(left, option));
          case "--quick" -> quick = true;
          default -> throw new IllegalArgumentException("unknown option " + option);
        }
      }
      if (threads < 1) {
        throw new IllegalArgumentException("--threads must be at least 1, found " + threads);
      }
      List<Setting> settings = Setting.all(backends, quantizations, cacheType);
      return new Arguments(
          suite, model, network, settings, threads, quick, results, commit, launcher);
    }

    private static String next(Deque<String> left, String what) {
      String value = left.poll();
      if (value == null) {
        throw new IllegalArgumentException("nothing given for " + what);
      }
      return value;
    }
  }

  public static void main(String[] args) throws IOException, RunnerException {
    Arguments arguments;
    List<String> suites;
    try {
      arguments = Arguments.parse(args);
      suites =
          switch (arguments.suite) {
            case "kernels", "decode", "endtoend" -> List.of(arguments.suite);
            case "all" -> List.of("kernels", "decode", "endtoend");
            default -> throw new IllegalArgumentException("no suite named " + arguments.suite);
          };
      if (suites.contains("endtoend") && arguments.model == null) {
        throw new IllegalArgumentException(
            "endtoend needs --model DIR; ./lrt init --preset qwen3-0.6b --out DIR makes one");
      }
    } catch (IllegalArgumentException e) {
      System.err.println(e.getMessage());
      System.err.println(USAGE);
      System.exit(2);
      return;
    }
    new Main(arguments).run(suites);
  }

  private void run(List<String> suites) throws IOException, RunnerException {
    LocalDate date = LocalDate.now(ZoneOffset.UTC);
    ObjectNode machine = Machine.describe(); // before we are the load
    ObjectNode report = JsonNodeFactory.instance.objectNode();
    report.put("date", date.toString());
    report.put("commit", arguments.commit);
    report.put("threads", arguments.threads);
    report.put("quick", arguments.quick);
    report.set("machine", machine);
    report.set("benchmarks", scores);
    try (ReadBandwidth read = new ReadBandwidth(arguments.threads, READ_MEBIBYTES)) {
      measureLimits(read, report);
      for (String suite : suites) {
        switch (suite) {
          case "kernels" -> kernels();
          case "decode" -> decode();
          default -> report.set("end_to_end", endToEnd(read));
        }
      }
    }
    Path folder = arguments.quick ? jmh.log() : arguments.results; // never over a measurement
    Files.createDirectories(folder);
    Path file = folder.resolve(date + "-" + arguments.suite + ".json");
    ObjectMapper mapper = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    Files.writeString(file, mapper.writeValueAsString(report) + "\n");
    System.out.println("written to " + file);
  }

  private void measureLimits(ReadBandwidth read, ObjectNode report)
      throws IOException, RunnerException {
    ReadBandwidth.Best best = read.measure(arguments.quick ? 0 : READ_MILLIS);
    ObjectNode bandwidth = report.putObject("read_bandwidth");
    bandwidth.put("gigabytes_per_second", best.gigabytes());
    bandwidth.put("how", best.how());
    List<Jmh.Score> peak = jmh.run(PeakFlops.class, arguments.threads, Map.of());
    limits = new Jmh.Limits(best.gigabytes(), 0).withFlops(peak);
    System.out.printf(
        Locale.ROOT, "memory is read at %.1f GB/s (%s)%n", best.gigabytes(), best.how());
    keep(peak);
  }

  private void kernels() throws IOException, RunnerException {
    Map<String, String[]> crew = Map.of("threads", one(String.valueOf(arguments.threads)));
    keep(jmh.run(ProjectionBenchmark.class, 1, crew));
    keep(jmh.run(AttentionBenchmark.class, 1, crew));
    keep(jmh.run(SamplerBenchmark.class, 1, Map.of()));
    keep(jmh.run(TokenizerBenchmark.class, 1, Map.of()));
  }

  /** In longer iterations, among whose operations JMH's own allocations count for less. */
  private void decode() throws IOException, RunnerException {
    Jmh jmh = new Jmh(this.jmh.effort().times(4), this.jmh.log());
    String[] threads = one(String.valueOf(arguments.threads));
    keep(jmh.run(DecodeBenchmark.class, 1, Map.of("threads", threads)));
    if (arguments.model != null) {
      keep(
          jmh.run(
              DecodeBenchmark.class,
              1,
              Map.of(
                  "threads", threads,
                  "backend", one("vector"),
                  "model", one(arguments.model.toString()))));
    }
  }

  private static String[] one(String value) {
    return new String[] {value};
  }

  private void keep(List<Jmh.Score> measured) {
    measured.forEach(score -> scores.add(score.json(limits)));
    Jmh.table(measured, limits).print(System.out);
  }

  private ArrayNode endToEnd(ReadBandwidth read) throws IOException {
    int repetitions = arguments.quick ? 1 : 5;
    ArrayNode results =
        new EndToEnd(
                Objects.requireNonNull(arguments.model),
                arguments.network,
                arguments.threads,
                repetitions,
                arguments.launcher)
            .measure(arguments.settings, read);
    EndToEnd.table(results).print(System.out);
    return results;
  }
}
