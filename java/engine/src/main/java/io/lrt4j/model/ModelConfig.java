package io.lrt4j.model;

import java.util.List;

/**
 * Everything that tells one decoder-only transformer from another. A family (Qwen2, Qwen3, Llama)
 * is a set of flags here, never a class of its own.
 *
 * @param architecture the Hugging Face name, {@code Qwen3ForCausalLM} say
 * @param vocabSize rows of the embedding; 0 for a backbone without one (a reasoning network's)
 * @param hiddenSize width of the residual stream, d
 * @param intermediateSize width of the gated MLP
 * @param layers number of decoder layers
 * @param heads query heads
 * @param kvHeads key/value heads; divides {@code heads}
 * @param headDim width of one head; even; not always hiddenSize / heads
 * @param rmsNormEps epsilon of every RMS norm
 * @param tiedEmbeddings whether the output head is the embedding
 * @param qkvBias biases on the query, key and value projections
 * @param outputBias a bias on the attention's output projection
 * @param mlpBias biases on the gate, up and down projections
 * @param qkNorm RMS norm over every query and key head before RoPE (Qwen3)
 * @param rope rotary position embedding
 * @param slidingWindow how many positions a windowed layer sees, itself included; 0 when no layer
 *     is windowed
 * @param windowed which layers are windowed, one entry a layer
 * @param maxPositions the longest sequence that the checkpoint was made for
 */
public record ModelConfig(
    String architecture,
    int vocabSize,
    int hiddenSize,
    int intermediateSize,
    int layers,
    int heads,
    int kvHeads,
    int headDim,
    float rmsNormEps,
    boolean tiedEmbeddings,
    boolean qkvBias,
    boolean outputBias,
    boolean mlpBias,
    boolean qkNorm,
    Rope rope,
    int slidingWindow,
    List<Boolean> windowed,
    int maxPositions) {

  public ModelConfig {
    windowed = List.copyOf(windowed);
  }

  /** Width of all query heads together. */
  public int queryDim() {
    return heads * headDim;
  }

  /** Width of all key (or value) heads together. */
  public int kvDim() {
    return kvHeads * headDim;
  }

  /**
   * The window of layer {@code l}: how many positions it sees, itself included, or {@link
   * Integer#MAX_VALUE} for all.
   */
  public int window(int l) {
    return windowed.get(l) ? slidingWindow : Integer.MAX_VALUE;
  }

  /**
   * Rotary position embedding (Su et al., 2021).
   *
   * @param theta base of the geometric sequence of wavelengths
   * @param scaling how the frequencies are changed for contexts longer than those of pre-training
   */
  public record Rope(double theta, Scaling scaling) {}

  /**
   * Changes of the RoPE frequencies for long contexts; parameters are named as in Hugging Face
   * configs.
   */
  public sealed interface Scaling {
    /** Frequencies as they are. */
    record None() implements Scaling {}

    /** All frequencies divided by {@code factor} (position interpolation, Chen et al., 2023). */
    record Linear(double factor) implements Scaling {}

    /**
     * Llama 3.1's piecewise scaling: low frequencies divided, high ones kept, a smooth step
     * between.
     */
    record Llama3(
        double factor, double lowFreqFactor, double highFreqFactor, int originalMaxPositions)
        implements Scaling {}

    /**
     * YaRN (Peng et al., 2023): a ramp between interpolated and kept frequencies, and {@code
     * attentionFactor} multiplied into cosine and sine.
     */
    record Yarn(
        double factor,
        int originalMaxPositions,
        double betaFast,
        double betaSlow,
        double attentionFactor,
        boolean truncate)
        implements Scaling {}
  }
}
