package io.lrt4j.compute;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What training needs of compute beyond {@link Backend}: every operation of the transformer with
 * its activations kept, and the gradient of every operation, by hand. All tensors are f32, and of
 * the memory of the {@link Backend} that this one belongs to. A name such as {@code dx} is the
 * gradient of the loss with respect to x. Gradients of parameters are added to what is there, as
 * several batches make up one step; those of activations are set, or added where {@code add} says
 * so. Operations work on the first {@code rows} rows. Results are the same for every number of
 * threads. One caller at a time.
 */
public interface TrainingBackend {
  /** Where the tensors come from. */
  Backend backend();

  /** A part of a tensor, as a matrix of its own over the same numbers, from element {@code at}. */
  Tensor view(Tensor of, long at, int rows, int cols);

  /**
   * A projection that reads these tensors, as they are at the time, wherever it is used; it lives
   * as long as they do.
   *
   * @param w [out, in]
   * @param bias [out], or null
   */
  Linear linear(Tensor w, @Nullable Tensor bias);

  // --- linear ---------------------------------------------------------------------------------

  /**
   * y = x w^T + bias + plus.
   *
   * @param x [rows, in]
   * @param w [out, in]
   * @param bias [out], or null
   * @param plus [rows, out], or null; may be y
   * @param y [rows, out]
   */
  void project(
      Tensor x, int rows, Tensor w, @Nullable Tensor bias, @Nullable Tensor plus, Tensor y);

  /** dx = dy w, or dx += that. */
  void projectInput(Tensor dy, int rows, Tensor w, boolean add, Tensor dx);

  /** dw += dy^T x, and dBias += the sum of dy's rows. */
  void projectWeights(Tensor dy, Tensor x, int rows, Tensor dw, @Nullable Tensor dBias);

  // --- norm -----------------------------------------------------------------------------------

  /** y = x / sqrt(mean(x²) + eps) * w (Zhang and Sennrich, 2019). */
  void norm(Tensor x, int rows, Tensor w, float eps, Tensor y);

  /**
   * With r = 1 / sqrt(mean(x²) + eps): dx = r (dy w - x r² mean(dy w x)), or dx += that, and dw +=
   * the sum over rows of dy x r.
   */
  void normBackward(
      Tensor dy,
      Tensor x,
      int rows,
      Tensor w,
      float eps,
      boolean add,
      Tensor dx,
      @Nullable Tensor dw);

  // --- attention ------------------------------------------------------------------------------

  /** How an attention layer's rows fall into heads: [heads, kvHeads, kvHeads] × headDim. */
  record Heads(int heads, int kvHeads, int headDim) {
    /** Columns of queries, keys and values together. */
    public int columns() {
      return (heads + 2 * kvHeads) * headDim;
    }
  }

  /**
   * Norms query and key heads if asked to, rotates them to their positions, and copies the values.
   *
   * @param raw [rows, heads.columns()]
   * @param rope [positions, headDim]: cosines of all pairs, then sines; pair i is elements i and i
   *     + headDim/2 of a head
   * @param qkv as raw, another tensor
   */
  void rotate(
      Tensor raw,
      PackedBatch batch,
      Heads heads,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope,
      Tensor qkv);

  /**
   * Turns the gradient of {@link #rotate}'s result into that of its input, in place.
   *
   * @param dqkv gradient of the result on entry, of {@code raw} on return
   * @param raw the input of {@link #rotate}
   * @param dQueryNorm added to; null where the norm is or where its gradient is not wanted
   * @param dKeyNorm likewise
   */
  void rotateBackward(
      Tensor dqkv,
      Tensor raw,
      PackedBatch batch,
      Heads heads,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope,
      @Nullable Tensor dQueryNorm,
      @Nullable Tensor dKeyNorm);

  /**
   * Causal grouped-query attention of every row over its own context, as {@link PackedBatch} has
   * it: softmax(q k^T / sqrt(headDim)) v.
   *
   * @param qkv rotated queries, keys and values, [rows, heads.columns()]
   * @param prefix the same of the constant prefixes, or null where no run has one
   * @param window how many positions a row sees, itself included
   * @param wanted rows whose results are wanted, ascending, each once; null for all
   * @param out of the wanted rows, [wanted, heads headDim]
   * @param logSumExp likewise, [wanted, heads], for the backward pass: of each head's scaled scores
   */
  void attend(
      Tensor qkv,
      @Nullable Tensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      int @Nullable [] wanted,
      Tensor out,
      Tensor logSumExp);

  /**
   * The gradient of {@link #attend}: P = exp(scores - logSumExp) is computed again (Dao et al.,
   * 2022), dP = dOut v^T, dScores = P (dP - rowsum(dOut out)).
   *
   * @param dOut gradient of {@code out}
   * @param dqkv set: queries (0 where a row is not wanted), keys and values; prefixes get none
   */
  void attendBackward(
      Tensor dOut,
      Tensor qkv,
      @Nullable Tensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      int @Nullable [] wanted,
      Tensor out,
      Tensor logSumExp,
      Tensor dqkv);

  // --- gated MLP ------------------------------------------------------------------------------

  /**
   * hidden = silu(gate) up, with silu(g) = g / (1 + exp(-g)).
   *
   * @param gateUp [rows, 2 intermediate], gate and up
   * @param hidden [rows, intermediate]
   */
  void gate(Tensor gateUp, int rows, Tensor hidden);

  /** The gradient of {@link #gate}; {@code dGateUp} is set. */
  void gateBackward(Tensor dHidden, Tensor gateUp, int rows, Tensor dGateUp);

  // --- rows -----------------------------------------------------------------------------------

  /** dTable[ids[offset + i], :] += dx[i, :] for i in 0 … rows-1. */
  void embedBackward(Tensor dx, int[] ids, int offset, int rows, Tensor dTable);

  /** to[i, :] = from[at[offset + i], :] for i in 0 … rows-1. */
  void gather(Tensor from, int[] at, int offset, int rows, Tensor to);

  /** to[at[offset + i], :] += from[i, :] for i in 0 … rows-1. */
  void scatterAdd(Tensor from, int[] at, int offset, int rows, Tensor to);

  /** to[toRow + i, :] += from[fromRow + i, :] for i in 0 … rows-1. */
  void addRows(Tensor from, int fromRow, Tensor to, int toRow, int rows);

  /** out[outRow + i, :] = row[fromRow, :] by[i, :] (the {@code hadamard} fusion). */
  void multiplyRow(Tensor row, int fromRow, Tensor by, int rows, Tensor out, int outRow);

  /**
   * The gradient of {@link #multiplyRow}: dRow[toRow, :] = the sum over i of dOut[outRow + i, :]
   * by[i, :], and dBy[i, :] += dOut[outRow + i, :] row[fromRow, :].
   */
  void multiplyRowBackward(
      Tensor dOut,
      int outRow,
      Tensor row,
      int fromRow,
      Tensor by,
      int rows,
      Tensor dRow,
      int toRow,
      Tensor dBy);

  /** Sets the first {@code rows} rows to 0. */
  void zero(Tensor x, int rows);

  // --- loss -----------------------------------------------------------------------------------

  /**
   * What a language model says of the tokens that came: log softmax(logits)[target].
   *
   * @param logits [rows, vocab]
   * @param targets from {@code offset} on, one a row
   * @param logprobs log-probability of each target, from {@code offset} on
   * @param logSumExp of each row, from {@code offset} on, for the backward pass
   * @param entropies of each row's distribution, in nats, from {@code offset} on; or null
   */
  void logProbabilities(
      Tensor logits,
      int rows,
      int[] targets,
      int offset,
      float[] logprobs,
      float[] logSumExp,
      float @Nullable [] entropies);

  /**
   * Turns logits into their gradient, in place: coefficient (1[c = target] - softmax(logits)[c]),
   * where the coefficient is the derivative of the loss by the target's log-probability.
   */
  void logProbabilitiesBackward(
      Tensor logits, int rows, int[] targets, int offset, float[] logSumExp, float[] coefficients);

  // --- optimiser ------------------------------------------------------------------------------

  /** The sum of squares of all elements, summed in f64; NaN or infinite if one of them is. */
  double sumOfSquares(Tensor x);

  /**
   * One step of AdamW (Loshchilov and Hutter, 2019) on all elements: g' = gradientScale g; m =
   * beta1 m + (1 - beta1) g'; v = beta2 v + (1 - beta2) g'²; p = p (1 - lr decay) - lr m / (1 -
   * beta1^step) / (sqrt(v / (1 - beta2^step)) + eps).
   *
   * @param step from 1
   */
  void adamw(
      Tensor p,
      Tensor g,
      Tensor m,
      Tensor v,
      AdamW settings,
      float learningRate,
      float gradientScale,
      int step);

  /** What stays the same over the steps of {@link #adamw}. */
  record AdamW(float beta1, float beta2, float eps, float decay) {}

  /**
   * One step of Muon (Jordan et al., 2024) on each of some matrices. With g' = gradientScale g and
   * momentum beta, m = beta m + (1 - beta) g'. The Nesterov momentum U = beta m + (1 - beta) g' is
   * replaced by the nearest matrix with all singular values near 1, which five Newton–Schulz steps
   * approach from X = U / |U|: X = a X + (b A + c A²) X with A = X X^T. Then p = p (1 - lr decay) -
   * lr sqrt(max(1, rows / columns)) X.
   */
  void muon(List<Matrix> matrices, Muon settings, float learningRate, float gradientScale);

  /** A matrix in {@link #muon}, its gradient and its momentum, all of one shape. */
  record Matrix(Tensor p, Tensor g, Tensor m) {}

  /** What stays the same over the steps of {@link #muon}. */
  record Muon(float momentum, float decay) {
    /** Newton–Schulz steps. */
    public static final int ITERATIONS = 5;

    /** Coefficients of a step. */
    public static final float A = 3.4445f;

    /** Likewise. */
    public static final float B = -4.7750f;

    /** Likewise. */
    public static final float C = 2.0315f;

    /** Added to the norm of a matrix. */
    public static final double EPS = 1e-7;
  }

  /** to = from, each element rounded to the nearest bf16 number, ties to even. */
  void roundToBf16(Tensor from, Tensor to);
}
