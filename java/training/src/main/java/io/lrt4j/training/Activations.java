package io.lrt4j.training;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.model.ModelConfig;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What a pass through a {@link Decoder} leaves for the way back. It grows to the largest batch that
 * it has seen and stays.
 */
final class Activations implements AutoCloseable {
  /** How much of a pass is kept. */
  enum Keep {
    /** All that the backward pass needs. */
    ALL,
    /** The layers' inputs; the rest is computed again, layer by layer, on the way back. */
    INPUTS,
    /** Queries, keys and values, for others to attend to; there is no way back. */
    KEYS_AND_VALUES
  }

  /**
   * What one layer computes, in the order in which it does.
   *
   * @param normed [rows, hidden]
   * @param raw queries, keys and values before norm and RoPE, [rows, qkv]
   * @param qkv after, [rows, qkv]
   * @param logSumExp [rows, heads]
   * @param mixed the heads' outputs, [rows, heads headDim]
   * @param middle x after attention, [rows, hidden]
   * @param postNormed [rows, hidden]
   * @param gateUp [rows, 2 intermediate]
   * @param inner silu(gate) up, [rows, intermediate]
   */
  record Layer(
      Tensor normed,
      Tensor raw,
      Tensor qkv,
      Tensor logSumExp,
      Tensor mixed,
      Tensor middle,
      Tensor postNormed,
      Tensor gateUp,
      Tensor inner) {}

  private final Backend backend;
  private final ModelConfig config;
  private final Keep keep;
  private int capacity;
  private @Nullable Memory memory;
  private Tensor[] x; // of every layer's input, and of the last one's output
  private Layer[] layers;
  private @Nullable Tensor hidden;
  private @Nullable Gradients gradients;
  private int pickedRows;
  private @Nullable Memory pickedMemory;
  private @Nullable Tensor picked;
  private @Nullable Tensor pickedGradient;

  /**
   * The same on the way back, shared by all layers.
   *
   * @param x [rows, hidden]
   * @param normed [rows, hidden]
   * @param qkv [rows, qkv]
   * @param mixed [rows, heads headDim]
   * @param gateUp [rows, 2 intermediate]
   * @param inner [rows, intermediate]
   */
  record Gradients(
      Tensor x, Tensor normed, Tensor qkv, Tensor mixed, Tensor gateUp, Tensor inner) {}

  Activations(Backend backend, ModelConfig config, Keep keep) {
    this.backend = backend;
    this.config = config;
    this.keep = keep;
    x = new Tensor[0];
    layers = new Layer[0];
  }

  /** Makes room for {@code rows} rows; what was there before is gone if there was less. */
  void ensure(int rows) {
    if (rows <= capacity) {
      return;
    }
    close();
    // A multiple of 16, so that every tensor begins at a cache line.
    int room = Math.ceilDiv(Math.max(rows, (int) Math.min(1 << 30, capacity * 5L / 4)), 16) * 16;
    Memory fresh = backend.newMemory();
    memory = fresh;
    int n = config.layers();
    boolean back = keep != Keep.KEYS_AND_VALUES;
    var block = new Block(fresh.allocate(room, columns()), room);
    x = new Tensor[n + 1];
    x[0] = block.take(config.hiddenSize());
    layers = new Layer[n];
    for (int l = 0; l < n; l++) {
      x[l + 1] = back ? block.take(config.hiddenSize()) : x[0];
      boolean share = l > 0 && keep != Keep.ALL;
      layers[l] = share ? sharing(block, layers[0]) : layer(block);
    }
    hidden = block.take(config.hiddenSize());
    if (back) {
      gradients =
          new Gradients(
              block.take(config.hiddenSize()),
              block.take(config.hiddenSize()),
              block.take(qkvDim()),
              block.take(config.queryDim()),
              block.take(2 * config.intermediateSize()),
              block.take(config.intermediateSize()));
    }
    capacity = room;
  }

  /**
   * All tensors' memory in one: a large block comes in large pages where the system has them, and
   * the way through all of it is as long as the table of its pages matters.
   */
  private final class Block {
    private final Tensor all;
    private final int rows;
    private long at;

    Block(Tensor all, int rows) {
      this.all = all;
      this.rows = rows;
    }

    Tensor take(int cols) {
      Tensor part = backend.training().view(all, at, rows, cols);
      at += (long) rows * cols;
      return part;
    }
  }

  /** Columns of all tensors together. */
  private int columns() {
    int n = config.layers();
    int hidden = config.hiddenSize();
    int inner = 3 * config.intermediateSize();
    int layer = 3 * hidden + 2 * qkvDim() + config.heads() + config.queryDim() + inner;
    if (keep == Keep.KEYS_AND_VALUES) {
      return hidden + (layer - hidden) + (n - 1) * qkvDim() + hidden;
    }
    int gradients = 2 * hidden + qkvDim() + config.queryDim() + inner;
    return (n + 1) * hidden + (keep == Keep.ALL ? n : 1) * layer + hidden + gradients;
  }

  private int qkvDim() {
    return config.queryDim() + 2 * config.kvDim();
  }

  private Layer layer(Block b) {
    return new Layer(
        b.take(config.hiddenSize()),
        b.take(qkvDim()),
        b.take(qkvDim()),
        b.take(config.heads()),
        b.take(config.queryDim()),
        keep == Keep.KEYS_AND_VALUES ? x[0] : b.take(config.hiddenSize()),
        b.take(config.hiddenSize()),
        b.take(2 * config.intermediateSize()),
        b.take(config.intermediateSize()));
  }

  /** Another layer in the memory of the first, but for keys and values where they are wanted. */
  private Layer sharing(Block b, Layer first) {
    if (keep == Keep.INPUTS) {
      return first;
    }
    return new Layer(
        first.normed,
        first.raw,
        b.take(qkvDim()),
        first.logSumExp,
        first.mixed,
        first.middle,
        first.postNormed,
        first.gateUp,
        first.inner);
  }

  /** Makes room for {@code rows} rows of {@link #picked}. */
  void ensurePicked(int rows) {
    if (rows <= pickedRows) {
      return;
    }
    closePicked();
    Memory fresh = backend.newMemory();
    pickedMemory = fresh;
    picked = fresh.allocate(rows, config.queryDim());
    pickedGradient = fresh.allocate(rows, config.queryDim());
    pickedRows = rows;
  }

  /** The heads' outputs of those rows of the last layer that are wanted, [rows, heads headDim]. */
  Tensor picked() {
    return Objects.requireNonNull(picked);
  }

  Tensor pickedGradient() {
    return Objects.requireNonNull(pickedGradient);
  }

  boolean recomputes() {
    return keep == Keep.INPUTS;
  }

  /** Input of layer {@code l}; of the one after the last, what goes into the final norm. */
  Tensor x(int l) {
    return x[l];
  }

  Layer layer(int l) {
    return layers[l];
  }

  /** Final hidden states, after the norm, [rows, hidden]. */
  Tensor hidden() {
    return Objects.requireNonNull(hidden);
  }

  Gradients gradients() {
    return Objects.requireNonNull(gradients);
  }

  /** Bytes in use. */
  long bytes() {
    return (memory == null ? 0 : memory.bytes())
        + (pickedMemory == null ? 0 : pickedMemory.bytes());
  }

  private void closePicked() {
    if (pickedMemory != null) {
      pickedMemory.close();
      pickedMemory = null;
      pickedRows = 0;
    }
  }

  @Override
  public void close() {
    closePicked();
    if (memory != null) {
      memory.close();
      memory = null;
      capacity = 0;
      Arrays.fill(layers, null);
    }
  }
}
