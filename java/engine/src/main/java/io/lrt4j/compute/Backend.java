package io.lrt4j.compute;

import io.lrt4j.BackendException;
import io.lrt4j.Quantization;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The one seam for compute: coarse, fused operations on tensors that the backend owns. {@code
 * Transformer} and {@code ReasoningNetwork} are written once against it.
 *
 * <p>Every operation works on the first {@code rows} rows of its activations (f32), which may have
 * room for more. Weights may be f32, f16 or bf16; accumulation is f32. A row's result does not
 * depend on what other rows are computed with it, nor on the number of threads, but may depend on
 * whether it is written or read ({@link Batch#read}). Operations may be called from several threads
 * at a time. Shapes are the caller's duty, checked where that costs nothing.
 */
public interface Backend extends AutoCloseable {
  /** {@code scalar}, {@code vector}, {@code native} or {@code cuda}. */
  String name();

  /** What runs here, for people: instruction set, threads, versions. */
  String describe();

  Memory newMemory();

  /**
   * Memory that quantises projections as it takes them in. {@link Quantization#BF16} is a leave to
   * round activations, no duty.
   *
   * @throws BackendException if this backend has no kernels for that
   */
  default Memory newMemory(Quantization quantization) {
    return switch (quantization) {
      case NONE, BF16 -> newMemory();
      case Q8, Q4 ->
          throw new BackendException(
              "backend " + name() + " does not quantize: use --backend native, vector or scalar");
    };
  }

  /** Whether it has kernels for keys and values of this type. */
  default boolean caches(DType type) {
    return type == DType.F32;
  }

  /**
   * Most bytes for keys and values where nobody says how many, asked once the weights are loaded:
   * half of the memory that they come from.
   */
  long cacheMemory();

  /** x[i, :] = table[ids[offset + i], :] for i in 0 … rows-1. */
  void embed(Tensor table, int[] ids, int offset, int rows, Tensor x);

  /**
   * to[toRow + i, :] = from[fromRow + i, :] for i in 0 … rows-1, converted to f32 if their types
   * differ.
   */
  void copyRows(Tensor from, int fromRow, Tensor to, int toRow, int rows);

  /** Fills rows from {@code row} on from the host. */
  void write(float[] from, Tensor to, int row, int rows);

  /** Hands rows from {@code row} on to the host, as f32. */
  void read(Tensor from, int row, float[] to, int rows);

  /** out[i, :] = row[fromRow, :] * rows[i, :], elementwise (the {@code hadamard} fusion). */
  void multiplyRow(Tensor row, int fromRow, Tensor by, int rows, Tensor out);

  /** out = rmsNorm(x) = x / sqrt(mean(x²) + eps) * weight (Zhang and Sennrich, 2019). */
  void norm(Tensor x, int rows, Tensor weight, float eps, Tensor out);

  /** out = x W^T + b. */
  void project(Tensor x, int rows, Linear p, Tensor out);

  /** out = rmsNorm(x) W^T + b. */
  void normProject(Tensor x, int rows, Tensor norm, float eps, Linear p, Tensor out);

  /** The same, of rows the first {@code written} of which are written: {@link Batch#written}. */
  default void normProject(
      Tensor x, int written, int rows, Tensor norm, float eps, Linear p, Tensor out) {
    normProject(x, rows, norm, eps, p, out);
  }

  /** y += x W^T + b. */
  void projectAdd(Tensor x, int rows, Linear p, Tensor y);

  /** The same, of rows the first {@code written} of which are written: {@link Batch#written}. */
  default void projectAdd(Tensor x, int written, int rows, Linear p, Tensor y) {
    projectAdd(x, rows, p, y);
  }

  /**
   * Splits each row of qkv into heads [heads, kvHeads, kvHeads] × headDim, norms query and key
   * heads if asked to, rotates them to their positions, leaves the queries in place and appends
   * keys and values, rounded to the nearest if their type asks for it, to the caches of the batch.
   *
   * @param qkv [rows, (heads + 2 kvHeads) headDim]
   * @param rope [positions, headDim]: cosines of all pairs, then sines; pair i is elements i and i
   *     + headDim/2 of a head
   */
  void ropeAndStore(
      Tensor qkv,
      Batch batch,
      int layer,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope);

  /**
   * Causal grouped-query attention of every row over its own sequence, itself included: softmax(q
   * k^T / sqrt(headDim)) v.
   *
   * @param qkv queries in the first heads * headDim columns
   * @param window how many positions a row sees, itself included
   * @param out [rows, heads headDim]
   */
  void attend(Tensor qkv, Batch batch, int layer, int heads, int window, Tensor out);

  /**
   * x += down(silu(gate(h)) * up(h)) with h = rmsNorm(x).
   *
   * @param gateUp two parts, gate and up
   * @param scratch [rows, 2 intermediate]
   */
  void gatedMlp(
      Tensor x, int rows, Tensor norm, float eps, Linear gateUp, Linear down, Tensor scratch);

  /** The same, of rows the first {@code written} of which are written: {@link Batch#written}. */
  default void gatedMlp(
      Tensor x,
      int written,
      int rows,
      Tensor norm,
      float eps,
      Linear gateUp,
      Linear down,
      Tensor scratch) {
    gatedMlp(x, rows, norm, eps, gateUp, down, scratch);
  }

  /** What {@link #layers} takes: made once a model. */
  default DecoderLayers decoderLayers(
      List<DecoderLayer<Tensor, Linear>> layers, List<LayerShape> shapes) {
    return new DecoderLayers.Plain(layers, shapes);
  }

  /**
   * All decoder layers of a model, one behind the other, each x += attention(norm(x)); x +=
   * mlp(norm(x)), of the operations above. Their keys and values are appended to the caches of the
   * batch. What comes out is the batch's wanted rows alone, side by side in the first rows of x;
   * the other rows of the last layer need keys and values alone.
   *
   * @param all made by this backend's {@link #decoderLayers}
   * @param rope as in {@link #ropeAndStore}
   */
  default void layers(DecoderLayers all, Batch batch, Tensor rope, Activations a) {
    int last = all.layers().size() - 1;
    for (int l = 0; l <= last; l++) {
      Batch out = l < last ? batch : batch.wanted();
      layer(all.layers().get(l), all.shapes().get(l), batch, out, rope, a);
    }
  }

  /**
   * One of them.
   *
   * @param wanted the rows that come out, side by side: {@code batch} itself, or its {@link
   *     Batch#wanted}, where the others need keys and values alone
   */
  private void layer(
      DecoderLayer<Tensor, Linear> p,
      LayerShape shape,
      Batch batch,
      Batch wanted,
      Tensor rope,
      Activations a) {
    int l = shape.index();
    float eps = shape.eps();
    normProject(a.x(), batch.written(), batch.rows(), p.inputNorm(), eps, p.qkv(), a.qkv());
    ropeAndStore(a.qkv(), batch, l, p.queryNorm(), p.keyNorm(), eps, rope);
    if (wanted != batch) {
      keep(batch, wanted, a.qkv());
      keep(batch, wanted, a.x());
    }
    int rows = wanted.rows();
    int written = wanted.written();
    attend(a.qkv(), wanted, l, shape.heads(), shape.window(), a.mixed());
    projectAdd(a.mixed(), written, rows, p.output(), a.x());
    gatedMlp(a.x(), written, rows, p.postNorm(), eps, p.gateUp(), p.down(), a.mlp());
  }

  /** Moves the wanted rows of a batch to the front. */
  private void keep(Batch batch, Batch wanted, Tensor x) {
    for (int run = 0; run < batch.runs(); run++) {
      int to = wanted.firstRow(run);
      int by = batch.firstRow(run + 1) - wanted.firstRow(run + 1);
      int end = wanted.firstRow(run + 1);
      for (int row = to; by > 0 && row < end; row += by) { // in pieces that do not overlap
        copyRows(x, row + by, x, row, Math.min(by, end - row));
      }
    }
  }

  /**
   * Largest, second largest and normaliser of each of the rows {@code from … from + rows - 1} of
   * logits, into as many of the first {@code summaries}.
   */
  void summarize(Tensor logits, int from, int rows, LogitSummary[] summaries);

  /** The same of one row. */
  default void summarize(Tensor logits, int row, LogitSummary summary) {
    summarize(logits, row, 1, new LogitSummary[] {summary});
  }

  /**
   * How many rows of a sequence a step has for little more than one costs, as it waits for weights
   * that it reads once for all of them; 1 if each row costs as much.
   */
  default int rowsPerRead() {
    return 1;
  }

  /** Whether {@link #sample} may choose tokens from so many logits. */
  default boolean samples(int logits) {
    return false;
  }

  /**
   * Chooses a token where the logits are, as {@code Sampler} does on the host, and sums up the row
   * as well, without the penalty.
   *
   * @return whether it did; if not, the host has to
   */
  default boolean sample(Tensor logits, int row, Draw draw, LogitSummary summary) {
    return false;
  }

  /**
   * Waits until all that was asked for is done, for those who take the time: a device goes on after
   * an operation has returned, until something is read from it.
   */
  default void await() {}

  /** The operations of training, on this backend's tensors and threads; always the same object. */
  default TrainingBackend training() {
    throw new UnsupportedOperationException(name());
  }

  /** Stops its threads; memory of the backend is freed by its owners. */
  @Override
  void close();
}
