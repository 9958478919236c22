package io.lrt4j.decode;

import io.lrt4j.BackendException;
import io.lrt4j.GenerationOptions;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Draw;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Tensor;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * Chooses tokens from logits, as transformers does: penalties ({@link #penalize}), temperature,
 * top-k, top-p, min-p, then a draw from what is left. Scores are float, probabilities whole numbers
 * ({@link Mass}), so that whatever is passed over or added in another order changes nothing. All
 * filters keep the best tokens, up to some one. All buffers are made once, a call allocates
 * nothing. For one thread, all samplers of which may share {@link Buffers}.
 */
public final class Sampler {
  /** Of the histogram over distances from the largest score. */
  private static final int BUCKETS = 2048;

  private static final float BUCKETS_PER_UNIT = 32;

  /** Logits of a block, of which the largest is known before anything else is looked at. */
  private static final int BLOCK = Mass.BLOCK;

  /** How far scores stay on the safe side of where a mass is passed over. */
  private static final double MARGIN = 1e-5;

  /** What min-p must be for {@link #MARGIN} to be more than the rounding of a mass. */
  private static final double LEAST_BOUND = 1e-3;

  private final GenerationOptions options;
  private final @Nullable CounterRandom random; // null: no seed, greedy only
  private float[] scores; // [vocab] logits / temperature
  private double[] masses; // [vocab] of the kept tokens, or of all
  private long[] sums; // [vocab / BLOCK] of them, if of all
  private double unit; // of the masses
  private int[] kept; // [vocab] token ids, ascending
  private long[] keys; // [vocab] tokens of one bucket, to be ranked
  private long[] bins; // [BUCKETS]
  private float[] maxima; // [vocab / BLOCK], of each block of logits
  private float[] sorted; // the same, ascending
  private final boolean[] wasSeen; // [vocab], or empty without a penalty
  private final int[] seen; // the tokens of wasSeen
  private int seenCount;
  private final int[] times; // [vocab] that a token was written, or empty without a penalty
  private final int[] written; // the tokens of times
  private int writtenCount;
  private final Draw draw = new Draw(); // for backends that choose

  /**
   * @param options temperature, top-k, top-p, min-p, penalties and, unless greedy, seed
   * @param vocabSize most logits that will ever come
   */
  public Sampler(GenerationOptions options, int vocabSize) {
    this(options, vocabSize, new Buffers(vocabSize));
  }

  /** With buffers that others have too. */
  Sampler(GenerationOptions options, int vocabSize, Buffers buffers) {
    this.options = options;
    this.random = options.seed() == null ? null : new CounterRandom(options.seed());
    int penalized = options.repetitionPenalty() == 1 ? 0 : vocabSize;
    this.wasSeen = new boolean[penalized];
    this.seen = new int[penalized];
    boolean counts = options.presencePenalty() != 0 || options.frequencyPenalty() != 0;
    this.times = new int[counts ? vocabSize : 0];
    this.written = new int[counts ? vocabSize : 0];
    draw.temperature = options.temperature();
    draw.topK = options.topK();
    draw.topP = options.topP();
    draw.minP = options.minP();
    draw.repetitionPenalty = options.repetitionPenalty();
    draw.seed = options.seed() == null ? 0 : options.seed();
    draw.seen = seen;
    draw.presencePenalty = options.presencePenalty();
    draw.frequencyPenalty = options.frequencyPenalty();
    draw.written = written;
    draw.times = times;
    use(buffers);
  }

  /** What one choice needs and the next one need not find again: some MB for a large vocabulary. */
  static final class Buffers {
    /** No room for any logits. */
    static final Buffers NONE = new Buffers(0);

    final float[] logits; // [vocab] for whoever has them elsewhere
    private final float[] scores;
    private final double[] masses;
    private final long[] sums;
    private final int[] kept;
    private final long[] keys;
    private final long[] bins = new long[BUCKETS];
    private final float[] maxima;
    private final float[] sorted;

    Buffers(int vocabSize) {
      logits = new float[vocabSize];
      scores = new float[vocabSize];
      masses = new double[vocabSize];
      kept = new int[vocabSize];
      keys = new long[vocabSize];
      maxima = new float[Math.ceilDiv(vocabSize, BLOCK)];
      sorted = new float[maxima.length];
      sums = new long[maxima.length];
    }
  }

  /** Takes other buffers, for the calls that follow. */
  void use(Buffers buffers) {
    scores = buffers.scores;
    masses = buffers.masses;
    sums = buffers.sums;
    kept = buffers.kept;
    keys = buffers.keys;
    bins = buffers.bins;
    maxima = buffers.maxima;
    sorted = buffers.sorted;
  }

  /** Whether {@link #penalize} changes logits. */
  static boolean penalizes(GenerationOptions options) {
    return options.repetitionPenalty() != 1
        || options.presencePenalty() != 0
        || options.frequencyPenalty() != 0;
  }

  /** Adds a token of the answer to those that {@link #penalize} holds down. */
  public void wrote(int id) {
    seen(id);
    if (id >= 0 && id < times.length && times[id]++ == 0) {
      written[writtenCount++] = id;
    }
  }

  /** Adds a token of the prompt to those that the repetition penalty holds down. */
  public void seen(int id) {
    if (id >= 0 && id < wasSeen.length && !wasSeen[id]) {
      wasSeen[id] = true;
      seen[seenCount++] = id;
    }
  }

  /** Forgets all tokens seen. */
  public void forget() {
    for (int i = 0; i < seenCount; i++) {
      wasSeen[seen[i]] = false;
    }
    seenCount = 0;
    for (int i = 0; i < writtenCount; i++) {
      times[written[i]] = 0;
    }
    writtenCount = 0;
  }

  /**
   * Applies the penalties in place. The repetition penalty, once to each token of prompt and
   * answer: positive logits are divided by it, negative ones multiplied (CTRL, Keskar et al. 2019).
   * Then those of OpenAI's interface, to each token of the answer: the presence penalty is
   * subtracted once, the frequency penalty once for each time.
   *
   * @param logits [n]
   */
  public void penalize(float[] logits, int n) {
    float penalty = options.repetitionPenalty();
    for (int i = 0; i < seenCount; i++) { // none without a penalty
      int id = seen[i];
      if (id < n) {
        logits[id] = logits[id] < 0 ? logits[id] * penalty : logits[id] / penalty;
      }
    }
    for (int i = 0; i < writtenCount; i++) {
      int id = written[i];
      if (id < n) {
        logits[id] -= options.presencePenalty() + times[id] * options.frequencyPenalty();
      }
    }
  }

  /**
   * Chooses a token; temperature 0 takes the largest logit, the lowest id of equal ones.
   *
   * @param logits [n], unchanged
   * @param n at most the vocabulary's size
   * @param stream which of several samples of one seed
   * @param position of the token in its sequence; the same seed, stream and position draw the same
   * @throws BackendException if a logit is NaN or +infinity, or all are -infinity
   */
  public int sample(float[] logits, int n, long stream, long position) {
    int best = argmax(logits, n);
    if (options.temperature() == 0) {
      return best;
    }
    float largest = score(logits[best]);
    if (Float.isInfinite(largest)) { // a temperature so low that nothing else has a chance
      return best;
    }
    double share = Objects.requireNonNull(random, "seed").uniform(stream, position);
    unit = Mass.unit(n);
    if (options.topK() == 0 && options.topP() >= 1 && options.minP() == 0) {
      return draw((long) (share * weighAll(logits, n, largest)));
    }
    int count = keep(logits, n, largest);
    return draw((long) (share * sum(count)), count);
  }

  /** The token with which the masses, added by id, pass {@code target}, which is less than all. */
  private int draw(long target) {
    int block = 0;
    long before = 0;
    while (before + sums[block] <= target) {
      before += sums[block++];
    }
    int id = block * BLOCK;
    before += (long) masses[id];
    while (before <= target) {
      before += (long) masses[++id];
    }
    return id;
  }

  /** The same of the first {@code count} kept ones. */
  private int draw(long target, int count) {
    long before = 0;
    for (int i = 0; i < count; i++) {
      before += (long) masses[kept[i]];
      if (before > target) {
        return kept[i];
      }
    }
    throw new AssertionError("the target is below the sum of all");
  }

  /**
   * Lets the backend do all that {@link #penalize} and {@link #sample(float[], int, long, long)}
   * do, and sum up the row; null if it leaves that to the host.
   */
  public @Nullable Draw sample(
      Backend ops, Tensor logits, int row, long stream, long position, LogitSummary summary) {
    draw.seenCount = seenCount;
    draw.writtenCount = writtenCount;
    draw.stream = stream;
    draw.position = position;
    return ops.sample(logits, row, draw, summary) ? draw : null;
  }

  /** The ids that may be drawn, for tests. */
  int[] keptTokens(float[] logits, int n) {
    int best = argmax(logits, n);
    float largest = score(logits[best]);
    unit = Mass.unit(n);
    return Float.isInfinite(largest)
        ? new int[] {best}
        : Arrays.copyOf(kept, keep(logits, n, largest));
  }

  private int argmax(float[] logits, int n) {
    if (n < 1 || n > scores.length) {
      throw new IllegalArgumentException(
          "expected 1 to " + scores.length + " logits to sample from, found " + n);
    }
    int first = 0; // block with the largest
    boolean sound = true;
    float largest = Float.NEGATIVE_INFINITY;
    for (int block = 0; block * BLOCK < n; block++) {
      float max = largest(logits, block * BLOCK, Math.min(n, (block + 1) * BLOCK));
      maxima[block] = max;
      sound &= max < Float.POSITIVE_INFINITY; // false for NaN too
      if (max > largest) {
        largest = max;
        first = block;
      }
    }
    if (!sound || largest == Float.NEGATIVE_INFINITY) {
      throw broken(logits, n);
    }
    int best = first * BLOCK;
    while (logits[best] != largest) {
      best++;
    }
    return best;
  }

  /** NaN if one is. */
  private static float largest(float[] logits, int from, int to) {
    float max = Float.NEGATIVE_INFINITY;
    for (int i = from; i < to; i++) {
      float logit = logits[i];
      if (!(logit <= max)) { // which is seldom: Math.max, with its care for zeros, takes longer
        if (Float.isNaN(logit)) {
          return logit;
        }
        max = logit;
      }
    }
    return max;
  }

  /**
   * What no score of the k best is less than: as many blocks have a largest one that is at least
   * that.
   */
  private float bound(int n, int k) {
    int blocks = Math.ceilDiv(n, BLOCK);
    if (k < 1 || k > blocks) {
      return Float.NEGATIVE_INFINITY;
    }
    System.arraycopy(maxima, 0, sorted, 0, blocks);
    Arrays.sort(sorted, 0, blocks);
    return score(sorted[blocks - k]);
  }

  private float score(float logit) {
    return logit / options.temperature() + 0f; // + 0: -0 ranks as 0
  }

  private static BackendException broken(float[] logits, int n) {
    for (int i = 0; i < n; i++) {
      if (Float.isNaN(logits[i]) || logits[i] == Float.POSITIVE_INFINITY) {
        return new BackendException(
            "the model's logits are broken: expected finite numbers, found "
                + logits[i]
                + " for token "
                + i);
      }
    }
    return new BackendException(
        "the model's logits are broken: all " + n + " of them are -Infinity");
  }

  /** Fills {@link #kept} with the tokens that all filters leave, and returns how many. */
  private int keep(float[] logits, int n, float largest) {
    boolean someBest = options.topK() > 0 && options.topK() < n;
    boolean someMass = options.topP() < 1;
    float bound = someBest ? bound(n, options.topK()) : Float.NEGATIVE_INFINITY;
    if (!someMass && options.minP() > LEAST_BOUND) {
      bound = Math.max(bound, bound(largest, options.minP()));
    }
    boolean all = bound == Float.NEGATIVE_INFINITY;
    long total = all ? weighAll(logits, n, largest) : 0;
    if (all && someMass && !someBest) {
      long little = (total - needed(total)) / n; // all that have no more can be missing together
      bound = bound(largest, little / unit);
    }
    int count = 0;
    for (int block = 0; block * BLOCK < n; block++) {
      if (score(maxima[block]) >= bound) {
        int from = block * BLOCK;
        int to = Math.min(n, from + BLOCK);
        if (!all) {
          score(logits, from, to);
        }
        count = candidates(from, to, bound, count);
      }
    }
    if (someBest && options.topK() < count) {
      count = topK(count, largest);
    }
    for (int i = 0; i < count && (someBest || !all); i++) {
      masses[kept[i]] = Mass.of((double) scores[kept[i]] - largest, unit);
    }
    if (someMass) {
      count = topP(count, largest, needed(all && !someBest ? total : sum(count)));
    }
    return options.minP() > 0 ? minP(count) : count;
  }

  /** What no token with at least this probability, relative to the best one's, scores less than. */
  private static float bound(float largest, double probability) {
    return Math.nextDown((float) (largest + Math.log(probability) - MARGIN));
  }

  /** Mass at which top-p is reached. */
  private long needed(long total) {
    return (long) Math.ceil(options.topP() * (double) total);
  }

  /** Scores and masses of all; returns the sum of these. */
  private long weighAll(float[] logits, int n, float largest) {
    long total = 0;
    for (int block = 0; block * BLOCK < n; block++) {
      int from = block * BLOCK;
      int to = Math.min(n, from + BLOCK);
      score(logits, from, to);
      Mass.fill(scores, from, to, largest, unit, masses);
      sums[block] = Mass.sum(masses, from, to);
      total += sums[block];
    }
    return total;
  }

  private void score(float[] logits, int from, int to) {
    float temperature = options.temperature();
    for (int i = from; i < to; i++) { // becomes vectors
      scores[i] = logits[i] / temperature + 0f; // as the other does
    }
  }

  private long sum(int count) {
    long sum = 0;
    for (int i = 0; i < count; i++) {
      sum += (long) masses[kept[i]];
    }
    return sum;
  }

  /**
   * Puts those from … to-1 that may be kept behind {@code count} others; how many there are then.
   */
  private int candidates(int from, int to, float bound, int count) {
    float least = Math.max(bound, -Float.MAX_VALUE); // never one of -infinity
    for (int i = from; i < to; i++) {
      if (scores[i] >= least) {
        kept[count++] = i;
      }
    }
    return count;
  }

  /** The k best, and all that are as good as the last of them. */
  private int topK(int count, float largest) {
    for (int i = 0; i < count; i++) {
      masses[kept[i]] = 1;
    }
    float least = scores[id(cut(count, largest, options.topK()))];
    int left = 0;
    for (int i = 0; i < count; i++) {
      if (scores[kept[i]] >= least) {
        kept[left++] = kept[i];
      }
    }
    return left;
  }

  /** The best until they have that mass, the one that crosses included. */
  private int topP(int count, float largest, long needed) {
    long last = cut(count, largest, needed);
    int left = 0;
    for (int i = 0; i < count; i++) {
      if (key(kept[i]) >= last) {
        kept[left++] = kept[i];
      }
    }
    return left;
  }

  private int minP(int count) {
    double least = options.minP() * unit;
    int left = 0;
    for (int i = 0; i < count; i++) {
      if (masses[kept[i]] >= least) {
        kept[left++] = kept[i];
      }
    }
    return left;
  }

  /** Orders tokens by score; of equal ones the lower id ranks higher, as in greedy decoding. */
  private long key(int id) {
    int bits = Float.floatToRawIntBits(scores[id]);
    return ((long) (bits ^ ((bits >> 31) & Integer.MAX_VALUE)) << 32) | Integer.toUnsignedLong(~id);
  }

  private static int id(long key) {
    return ~(int) key;
  }

  /**
   * The key of the token at which the masses, added from the best token down, reach {@code target},
   * which they do. A histogram finds the bucket, selection the place in it.
   */
  private long cut(int count, float largest, long target) {
    Arrays.fill(bins, 0);
    for (int i = 0; i < count; i++) {
      bins[bucket(kept[i], largest)] += (long) masses[kept[i]];
    }
    int crossing = 0;
    long above = 0;
    while (above + bins[crossing] < target) {
      above += bins[crossing++];
    }
    int size = 0;
    for (int i = 0; i < count; i++) {
      if (bucket(kept[i], largest) == crossing) {
        keys[size++] = key(kept[i]);
      }
    }
    return select(size, above, target);
  }

  private int bucket(int id, float largest) {
    return Math.min((int) ((largest - scores[id]) * BUCKETS_PER_UNIT), BUCKETS - 1);
  }

  /** Quickselect by mass over {@code keys[0 … size)}, which reach the target together. */
  private long select(int size, long start, long target) {
    long above = start;
    int from = 0;
    int to = size;
    int pivots = 1;
    while (to - from > 1) {
      pivots = pivots * 1664525 + 1013904223; // no input is slow for every sequence of pivots
      int at = from + (int) ((Integer.toUnsignedLong(pivots) * (to - from)) >>> 32);
      long pivot = keys[at];
      keys[at] = keys[from];
      keys[from] = pivot;
      int better = from;
      long mass = 0;
      for (int i = from + 1; i < to; i++) {
        long key = keys[i];
        if (key > pivot) {
          mass += (long) masses[id(key)];
          keys[i] = keys[++better];
          keys[better] = key;
        }
      }
      keys[from] = keys[better];
      keys[better] = pivot;
      long with = above + mass + (long) masses[id(pivot)];
      if (better > from && above + mass >= target) {
        to = better;
      } else if (with >= target) {
        return pivot;
      } else {
        above = with;
        from = better + 1;
      }
    }
    return keys[from];
  }
}
