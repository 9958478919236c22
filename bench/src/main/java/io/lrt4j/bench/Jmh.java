package io.lrt4j.bench;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.evaluation.speed.Table;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.profile.GCProfiler;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;
import org.openjdk.jmh.util.SingletonStatistics;
import org.openjdk.jmh.util.Statistics;

/**
 * Runs JMH benchmarks and sets their scores against the machine's limits.
 *
 * @param effort how long to measure
 * @param log directory for JMH's own output, a file for every class
 */
record Jmh(Effort effort, Path log) {

  /**
   * How long to measure.
   *
   * @param forks fresh Java processes for each benchmark; 0 runs it in this one, without warming up
   * @param iterations after twice as many to warm up: vector code is slow to compile
   * @param millis of one iteration
   */
  record Effort(int forks, int iterations, int millis) {
    /** Iterations that much longer. */
    Effort times(int factor) {
      return new Effort(forks, iterations, factor * millis);
    }
  }

  /**
   * What the machine can do at best, all threads together; 0 is not known.
   *
   * @param gigabytes read from memory per second
   * @param gigaflops in f32 per second
   */
  record Limits(double gigabytes, double gigaflops) {
    static final Limits UNKNOWN = new Limits(0, 0);

    /** The same with the best that {@link PeakFlops} reached. */
    Limits withFlops(List<Score> scores) {
      double best = scores.stream().mapToDouble(Score::gigaflops).max().orElse(0);
      return new Limits(gigabytes, best);
    }
  }

  /**
   * One benchmark's result.
   *
   * @param benchmark class and method
   * @param params by name
   * @param operations per second
   * @param error half the width of the 99.9 % interval of that
   * @param gigabytes read per second; 0 if it does not say
   * @param gigaflops per second; 0 if it does not say
   * @param allocated bytes on the Java heap per operation, in the median iteration
   */
  record Score(
      String benchmark,
      Map<String, String> params,
      double operations,
      double error,
      double gigabytes,
      double gigaflops,
      double allocated) {

    private static Score of(RunResult result) {
      String name = result.getParams().getBenchmark();
      int method = name.lastIndexOf('.');
      Map<String, String> params = new TreeMap<>();
      for (String key : result.getParams().getParamsKeys()) {
        params.put(key, result.getParams().getParam(key));
      }
      return new Score(
          name.substring(name.lastIndexOf('.', method - 1) + 1),
          params,
          result.getPrimaryResult().getScore(),
          result.getPrimaryResult().getScoreError(),
          secondary(result, "gigabytes").getMean(),
          secondary(result, "gigaflops").getMean(),
          // Not the mean: JMH tears a benchmark down within its last iteration.
          secondary(result, "gc.alloc.rate.norm").getPercentile(50));
    }

    private static Statistics secondary(RunResult result, String name) {
      for (String key : result.getSecondaryResults().keySet()) {
        if (key.endsWith(name)) {
          return result.getSecondaryResults().get(key).getStatistics();
        }
      }
      return new SingletonStatistics(0);
    }

    ObjectNode json(Limits limits) {
      ObjectNode node = JsonNodeFactory.instance.objectNode();
      node.put("benchmark", benchmark);
      params.forEach(node.putObject("params")::put);
      node.put("operations_per_second", operations);
      if (Double.isFinite(error)) {
        node.put("error", error);
      }
      if (gigabytes > 0) {
        node.put("gigabytes_per_second", gigabytes);
      }
      if (gigaflops > 0) {
        node.put("gigaflops_per_second", gigaflops);
      }
      if (gigabytes > 0 && limits.gigabytes > 0) {
        node.put("share_of_read_bandwidth", gigabytes / limits.gigabytes);
      }
      if (gigaflops > 0 && limits.gigaflops > 0) {
        node.put("share_of_peak_flops", gigaflops / limits.gigaflops);
      }
      node.put("allocated_bytes_per_operation", allocated);
      return node;
    }

    private String[] cells(Limits limits) {
      return new String[] {
        benchmark,
        String.join(" ", params.values()),
        text("%.2f", 1e6 / operations),
        gigabytes > 0 ? text("%.1f", gigabytes) : "",
        gigabytes > 0 && limits.gigabytes > 0
            ? text("%.0f %%", 100 * gigabytes / limits.gigabytes)
            : "",
        gigaflops > 0 ? text("%.1f", gigaflops) : "",
        gigaflops > 0 && limits.gigaflops > 0
            ? text("%.0f %%", 100 * gigaflops / limits.gigaflops)
            : "",
        text("%.2f", allocated)
      };
    }

    private static String text(String format, double value) {
      return String.format(Locale.ROOT, format, value);
    }
  }

  /**
   * Runs all benchmarks of a class.
   *
   * @param threads that run the benchmark itself, as opposed to a backend's
   * @param params values that replace those in the annotations
   */
  List<Score> run(Class<?> benchmark, int threads, Map<String, String[]> params)
      throws IOException, RunnerException {
    Files.createDirectories(log);
    ChainedOptionsBuilder options =
        new OptionsBuilder()
            .include("\\." + benchmark.getSimpleName() + "\\.")
            .mode(Mode.Throughput)
            .timeUnit(TimeUnit.SECONDS)
            .threads(threads)
            .forks(effort.forks)
            .warmupIterations(effort.forks == 0 ? 0 : 2 * effort.iterations)
            .warmupTime(TimeValue.milliseconds(effort.millis))
            .measurementIterations(effort.iterations)
            .measurementTime(TimeValue.milliseconds(effort.millis))
            .addProfiler(GCProfiler.class)
            .shouldFailOnError(true)
            .output(log.resolve(benchmark.getSimpleName() + ".log").toString());
    params.forEach(options::param);
    Collection<RunResult> results = new Runner(options.build()).run();
    List<Score> scores = new ArrayList<>();
    results.forEach(result -> scores.add(Score.of(result)));
    return scores;
  }

  /** The scores, a line each. */
  static Table table(List<Score> scores, Limits limits) {
    Table table =
        new Table(
            "benchmark", "parameters", "µs/op", "GB/s", "of limit", "GFLOP/s", "of limit", "B/op");
    scores.forEach(score -> table.add(score.cells(limits)));
    return table;
  }
}
