package io.lrt4j.model;

import io.lrt4j.compute.Activations;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;

/** The activations of one thread's steps, all allocated before the first. */
public final class Workspace implements AutoCloseable {
  private final Memory memory;

  /** Rows that one step can take. */
  public final int rows;

  /** Residual stream: input embeddings going in; [rows, hidden]. */
  public final Tensor x;

  /** Final hidden states coming out, after the final norm; [rows, hidden]. */
  public final Tensor hidden;

  /** Rows that go through the head; [logitRows, hidden]. */
  public final Tensor headInput;

  /** Before the softmax; [logitRows, vocab]. */
  public final Tensor logits;

  final Activations layers; // x, and what lies between x and x

  Workspace(Backend backend, ModelConfig c, int rows, int logitRows) {
    this.rows = rows;
    memory = backend.newMemory();
    try {
      x = memory.allocate(rows, c.hiddenSize());
      hidden = memory.allocate(rows, c.hiddenSize());
      layers =
          new Activations(
              x,
              memory.allocate(rows, c.queryDim() + 2 * c.kvDim()),
              memory.allocate(rows, c.queryDim()),
              memory.allocate(rows, 2 * c.intermediateSize()));
      headInput = memory.allocate(logitRows, c.hiddenSize());
      logits = memory.allocate(logitRows, c.vocabSize());
    } catch (RuntimeException | Error e) {
      memory.close();
      throw e;
    }
  }

  /** Bytes held. */
  public long bytes() {
    return memory.bytes();
  }

  @Override
  public void close() {
    memory.close();
  }
}
