package io.lrt4j.reasoning;

import io.lrt4j.GenerationOptions;
import io.lrt4j.Tool;
import io.lrt4j.ToolChoice;
import io.lrt4j.schedule.Cutoff;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.LongStream;
import org.jspecify.annotations.Nullable;

/**
 * What is to be answered, and what has been measured of it so far.
 *
 * @param tools that it may call
 * @param toolChoice how
 * @param seeds one for each answer wanted
 */
@SuppressWarnings("ArrayRecordComponent") // nobody changes it
record Job(
    int[] prompt,
    GenerationOptions options,
    long[] seeds,
    Stopwatch watch,
    Cutoff cutoff,
    List<Tool> tools,
    ToolChoice toolChoice) {
  private static final long MAX_DRAWN_SEED = 1L << 52; // exact in any JSON reader

  /** The seed that answer {@code i} was sampled with; null of a greedy one. */
  @Nullable Long seed(int i) {
    return options.temperature() == 0 ? null : seeds[i];
  }

  static Job of(int[] prompt, GenerationOptions options, int count, Stopwatch watch) {
    Long given = options.seed();
    long first = given == null ? ThreadLocalRandom.current().nextLong(MAX_DRAWN_SEED) : given;
    long[] seeds = LongStream.range(0, count).map(i -> first + i).toArray();
    Cutoff cutoff = new Cutoff(options, watch.start);
    return new Job(prompt, options, seeds, watch, cutoff, List.of(), ToolChoice.AUTO);
  }

  Job withTools(List<Tool> some, ToolChoice choice) {
    return new Job(prompt, options, seeds, watch, cutoff, some, choice);
  }

  Job withSeeds(long[] some) {
    return new Job(prompt, options, some, watch, cutoff, tools, toolChoice);
  }
}
