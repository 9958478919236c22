package io.lrt4j.training;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Step supervision, which goes beyond the paper: while stage 1 trains a network, heads read the
 * value after step j of the reasoning from latent j, one softmax over ten digits a decimal place,
 * from the latent's RMS norm (latents are as small as the base's embeddings). Their mean negative
 * log-likelihood, weighted, is added to the loss. They are parameters of the run, not of the
 * network: what is saved at the end has none of them.
 */
final class StepHeads implements AutoCloseable {
  /** Decimal places that are read: of values up to 9,999. */
  static final int PLACES = 4;

  private static final int DIGITS = 10;
  private static final int MOST = 9_999;
  private static final float EPS = 1e-12f; // latents are small
  private static final String PREFIX = "step_heads";
  private static final Pattern VALUE = Pattern.compile("=\\s*\\$?([0-9]{1,9})(?![0-9.,/:])");

  private final Backend backend;
  private final TrainingBackend ops;
  private final float weight;
  private final int width;
  private final Tensor[] weights = new Tensor[PLACES]; // [10, d] each
  private final Tensor[] biases = new Tensor[PLACES];
  private final Tensor[] weightGradients = new Tensor[PLACES];
  private final Tensor[] biasGradients = new Tensor[PLACES];
  private final int[][] digits = new int[PLACES][];
  private int[] rows = {}; // of the latents that are read
  private int count;
  private double steps; // of the whole step of training
  private double sum;
  private float[] logprobs = {};
  private float[] logSumExp = {};
  private float[] coefficients = {};
  private @Nullable Buffers buffers;

  /** Activations of the latents that are read. */
  private record Buffers(
      Memory memory, Tensor ones, Tensor latents, Tensor normed, Tensor logits, Tensor dNormed) {
    static Buffers of(Backend backend, int rows, int width) {
      Memory memory = backend.newMemory();
      try {
        float[] ones = new float[width];
        Arrays.fill(ones, 1);
        Tensor norm = memory.allocate(1, width);
        backend.write(ones, norm, 0, 1);
        return new Buffers(
            memory,
            norm,
            memory.allocate(rows, width),
            memory.allocate(rows, width),
            memory.allocate(rows, DIGITS),
            memory.allocate(rows, width));
      } catch (RuntimeException | Error e) {
        memory.close();
        throw e;
      }
    }
  }

  /**
   * Heads over parameters that have {@link #shapes}.
   *
   * @param weight of their loss beside that of the answers
   * @param width of a latent
   */
  StepHeads(Parameters parameters, Backend backend, double weight, int width) {
    this.backend = backend;
    ops = backend.training();
    this.weight = (float) weight;
    this.width = width;
    for (int p = 0; p < PLACES; p++) {
      weights[p] = parameters.value(name(p, "weight"));
      biases[p] = parameters.value(name(p, "bias"));
      weightGradients[p] = parameters.gradient(name(p, "weight"));
      biasGradients[p] = parameters.gradient(name(p, "bias"));
      digits[p] = new int[0];
    }
  }

  private static String name(int place, String what) {
    return PREFIX + "." + place + "." + what;
  }

  /** Whether a parameter is one of the heads'. */
  static boolean owns(String name) {
    return name.startsWith(PREFIX + ".");
  }

  /** Names and shapes of their parameters, which all begin as 0. */
  static SequencedMap<String, List<Long>> shapes(long width) {
    var shapes = new LinkedHashMap<String, List<Long>>();
    for (int p = 0; p < PLACES; p++) {
      shapes.put(name(p, "weight"), List.of((long) DIGITS, width));
      shapes.put(name(p, "bias"), List.of((long) DIGITS));
    }
    return shapes;
  }

  /**
   * The value after each step of a line of reasoning: of every line that has one, the last whole
   * number behind an equals sign; -1 where it is too large to be read.
   */
  static int[] values(String reasoning) {
    return reasoning
        .lines()
        .mapToInt(
            line -> {
              Matcher matcher = VALUE.matcher(line);
              int value = -2;
              while (matcher.find()) {
                value = Integer.parseInt(matcher.group(1));
              }
              return value > MOST ? -1 : value;
            })
        .filter(value -> value != -2)
        .toArray();
  }

  /** Begins a step of training: what the examples of all of its batches are. */
  void begin(List<Example> examples, int latents) {
    steps = 0;
    sum = 0;
    for (Example e : examples) {
      int read = Math.min(latents, e.steps().length);
      for (int j = 0; j < read; j++) {
        steps += e.steps()[j] < 0 ? 0 : 1;
      }
    }
  }

  /** Mean negative log-likelihood of a step's value, over the batches so far. */
  double value() {
    return steps == 0 ? 0 : sum / steps;
  }

  /**
   * Reads the latents, and adds the gradients of the heads' parameters.
   *
   * @param z latents of the examples, one after the other, [examples latents, d]
   */
  void scoreAndDerive(Tensor z, int latents, List<Example> examples) {
    collect(latents, examples);
    if (count == 0) {
      return;
    }
    Buffers b = ensure();
    ops.gather(z, rows, 0, count, b.latents);
    ops.norm(b.latents, count, b.ones, EPS, b.normed);
    Arrays.fill(coefficients, 0, count, (float) (-weight / steps));
    for (int p = 0; p < PLACES; p++) {
      ops.project(b.normed, count, weights[p], biases[p], null, b.logits);
      ops.logProbabilities(b.logits, count, digits[p], 0, logprobs, logSumExp, null);
      for (int i = 0; i < count; i++) {
        sum -= logprobs[i];
      }
      ops.logProbabilitiesBackward(b.logits, count, digits[p], 0, logSumExp, coefficients);
      ops.projectWeights(b.logits, b.normed, count, weightGradients[p], biasGradients[p]);
      ops.projectInput(b.logits, count, weights[p], p > 0, b.dNormed);
    }
  }

  /** Adds the gradient of the latents that were read to {@code dz}, which is shaped as they are. */
  void addGradient(Tensor dz) {
    if (count > 0) {
      Buffers b = ensure();
      ops.normBackward(b.dNormed, b.latents, count, b.ones, EPS, false, b.normed, null);
      ops.scatterAdd(b.normed, rows, 0, count, dz);
    }
  }

  private void collect(int latents, List<Example> examples) {
    int most = examples.size() * latents;
    if (rows.length < most) {
      rows = new int[most];
      logprobs = new float[most];
      logSumExp = new float[most];
      coefficients = new float[most];
      for (int p = 0; p < PLACES; p++) {
        digits[p] = new int[most];
      }
    }
    count = 0;
    for (int q = 0; q < examples.size(); q++) {
      int[] values = examples.get(q).steps();
      for (int j = 0; j < Math.min(latents, values.length); j++) {
        int rest = values[j];
        if (rest < 0) {
          continue;
        }
        for (int p = 0; p < PLACES; p++) {
          digits[p][count] = rest % DIGITS;
          rest /= DIGITS;
        }
        rows[count++] = q * latents + j;
      }
    }
  }

  private Buffers ensure() {
    Buffers b = buffers;
    if (b == null || b.latents.rows() < count) {
      close();
      b = Buffers.of(backend, rows.length, width);
      buffers = b;
    }
    return b;
  }

  @Override
  public void close() {
    Buffers b = buffers;
    buffers = null;
    if (b != null) {
      b.memory.close();
    }
  }
}
