package io.lrt4j.model;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.Closing;
import io.lrt4j.compute.DecoderLayers;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.KvStore;
import io.lrt4j.compute.LayerShape;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * A decoder-only transformer of the Llama kind: embed, layers, norm, head. One class for all
 * families; what differs is in {@link ModelConfig}. It takes token ids or embeddings and hands out
 * final hidden states and logits, as latent reasoning needs all four. Immutable and shared by
 * threads: what a step changes is in its {@link Workspace} and {@link KvCache}s.
 */
public final class Transformer implements AutoCloseable {
  /**
   * Most rows of one step: enough for weights to be read once for many rows, few enough for their
   * activations to stay in cache.
   */
  public static final int CHUNK = 256;

  private final ModelConfig config;
  private final Weights weights;
  private final DecoderLayers layers;
  private final Backend ops;
  private final List<Memory> ropeMemory =
      new ArrayList<>(); // outgrown tables may still be read; they go with the model
  private final float[] ropeFrequencies;
  private final KvStore store;
  private volatile Tensor rope;

  /** With as much memory for keys and values as there is. */
  public Transformer(ModelConfig config, Weights weights, Backend backend) {
    this(config, weights, backend, CacheMemory.unlimited());
  }

  /** With this memory for keys and values. */
  public Transformer(
      ModelConfig config, Weights weights, Backend backend, CacheMemory cacheMemory) {
    this(
        config,
        weights,
        backend,
        cacheMemory,
        RopeFrequencies.inverse(config.rope(), config.headDim()));
  }

  /** With RoPE frequencies other than the config's, [headDim / 2]. */
  Transformer(
      ModelConfig config,
      Weights weights,
      Backend backend,
      CacheMemory cacheMemory,
      float[] ropeFrequencies) {
    this.config = config;
    this.ropeFrequencies = ropeFrequencies;
    this.weights = weights;
    ops = backend;
    layers = backend.decoderLayers(weights.layers(), shapes(config));
    store = new KvStore(backend, config.layers(), config.kvHeads(), config.headDim(), cacheMemory);
    rope = newRope(Math.min(config.maxPositions(), CHUNK));
  }

  private static List<LayerShape> shapes(ModelConfig c) {
    return IntStream.range(0, c.layers())
        .mapToObj(l -> new LayerShape(l, c.heads(), c.window(l), c.rmsNormEps()))
        .toList();
  }

  public ModelConfig config() {
    return config;
  }

  public Backend backend() {
    return ops;
  }

  /**
   * Room for steps of up to {@code rows} rows, {@code logitRows} of which can go through the head
   * at once.
   */
  public Workspace newWorkspace(int rows, int logitRows) {
    return store
        .memory()
        .allocate("an answer's activations", () -> new Workspace(ops, config, rows, logitRows));
  }

  /** An empty sequence; it takes memory as it is written. */
  public KvCache newCache() {
    return store.newCache();
  }

  /** Where its sequences are. */
  public KvStore store() {
    return store;
  }

  /** Cosines and sines of at least {@code positions} positions. */
  private Tensor rope(int positions) {
    Tensor table = rope;
    return table.rows() < positions ? longerRope(positions) : table;
  }

  private synchronized Tensor longerRope(int positions) {
    if (rope.rows() < positions) {
      long doubled = Math.min(2L * rope.rows(), Math.max(config.maxPositions(), positions));
      int rows = (int) Math.max(positions, doubled);
      rope = store.memory().allocate("longer sequences", () -> newRope(rows));
    }
    return rope;
  }

  private Tensor newRope(int positions) {
    Memory memory = ops.newMemory();
    ropeMemory.add(memory);
    Tensor table = memory.allocate(positions, config.headDim());
    float factor = RopeFrequencies.attentionFactor(config.rope());
    ops.write(RopeFrequencies.table(ropeFrequencies, factor, positions), table, 0, positions);
    return table;
  }

  /** x = embeddings of {@code rows} ids from {@code offset} on. */
  public void embed(int[] ids, int offset, int rows, Tensor x) {
    ops.embed(Objects.requireNonNull(weights.embedding()), ids, offset, rows, x);
  }

  /**
   * Runs the layers over w.x, appends to the batch's caches, and leaves the final hidden states of
   * its wanted rows in w.hidden, side by side.
   */
  public void forward(Batch batch, Workspace w) {
    Tensor rope = rope(batch.positions());
    ops.layers(layers, batch, rope, w.layers);
    ops.norm(w.x, batch.wantedRows(), weights.norm(), config.rmsNormEps(), w.hidden);
    batch.advance();
  }

  /** w.logits = head of the first {@code rows} rows of w.headInput. */
  public void logits(int rows, Workspace w) {
    Linear head = Objects.requireNonNull(weights.head());
    ops.project(w.headInput, rows, head, w.logits);
  }

  /** w.logits = head of every run's last row: what follows each sequence, in the batch's order. */
  public void logitsOfLastRows(Batch batch, Workspace w) {
    Batch wanted = batch.wanted();
    for (int run = 0; run < batch.runs(); run++) {
      toHead(wanted, run, run, w);
    }
    logits(batch.runs(), w);
  }

  /** w.logits = head of every wanted row, side by side. */
  public void logitsOfWantedRows(Batch batch, Workspace w) {
    int rows = batch.wantedRows();
    ops.copyRows(w.hidden, 0, w.headInput, 0, rows);
    logits(rows, w);
  }

  /** Row {@code at} of w.headInput = final hidden state of a run's last one of the wanted rows. */
  public void toHead(Batch wanted, int run, int at, Workspace w) {
    ops.copyRows(w.hidden, wanted.firstRow(run + 1) - 1, w.headInput, at, 1);
  }

  @Override
  public synchronized void close() {
    try (store) {
      Closing.each(ropeMemory, Memory::close);
    }
  }
}
