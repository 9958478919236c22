package io.lrt4j.reasoning;

import io.lrt4j.checkpoint.Fusion;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Weights;
import io.lrt4j.model.Workspace;
import io.lrt4j.schedule.Turn;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The network that does the thinking: from the final hidden states of a question, [n, d], to t
 * latent vectors, [t, d], in one forward pass. "Rethinking LLM Reasoning: From Explicit
 * Trajectories to Latent Representations" (ICLR 2026), equations 3 to 5:
 *
 * <pre>
 * append    U = [H W_in^T + b_in ; queries]           [n + t, g]
 * hadamard  U = (H[n-1] W_in^T + b_in) * queries      [t, g]
 *           z = (last t rows of backbone(U)) W_out^T + b_out
 * </pre>
 *
 * <p>Immutable and shared by threads; what a pass changes is in a {@link Pass}.
 */
public final class ReasoningNetwork implements AutoCloseable {
  private final NetworkConfig config;
  private final Transformer backbone;
  private final Linear in;
  private final Tensor queries; // [t, g]
  private final Linear out;
  private final Backend ops;

  /** Takes its parameters from {@code source}, under the names of the checkpoint layout. */
  public ReasoningNetwork(NetworkConfig config, Weights.Source source, Backend backend) {
    this(config, source, backend, CacheMemory.unlimited());
  }

  /** With this memory for keys and values. */
  public ReasoningNetwork(
      NetworkConfig config, Weights.Source source, Backend backend, CacheMemory cacheMemory) {
    this.config = config;
    ops = backend;
    in = source.linear(true, "in_proj");
    queries = source.tensor("queries");
    out = source.linear(true, "out_proj");
    backbone =
        new Transformer(
            config.backbone(),
            Weights.of(config.backbone(), "backbone.", source),
            backend,
            cacheMemory);
  }

  public NetworkConfig config() {
    return config;
  }

  /** How many latent vectors a pass gives, t. */
  public int latents() {
    return config.latents();
  }

  /** Longest question it can take, n: the backbone's positions are for question and queries. */
  public int maxQuestion() {
    return config.fusion() == Fusion.APPEND
        ? config.backbone().maxPositions() - latents()
        : Integer.MAX_VALUE;
  }

  /** Buffers for the passes of one thread. */
  public Pass newPass() {
    return new Pass();
  }

  @Override
  public void close() {
    backbone.close();
  }

  /** The activations of one thread's passes. */
  public final class Pass implements AutoCloseable {
    private final Memory memory = ops.newMemory();
    private final Workspace w;
    private final Tensor question; // [chunk, d]
    private final Tensor projected; // [1, g]
    private final Tensor last; // [t, g]
    private final Tensor z; // [t, d]
    private final Batch batch = new Batch(1);

    private Pass() {
      try {
        question = memory.allocate(Transformer.CHUNK, config.baseHiddenSize());
        projected = memory.allocate(1, config.backbone().hiddenSize());
        last = memory.allocate(latents(), config.backbone().hiddenSize());
        z = memory.allocate(latents(), config.baseHiddenSize());
        w = backbone.newWorkspace(Transformer.CHUNK, 1);
      } catch (RuntimeException | Error e) {
        memory.close();
        throw e;
      }
    }

    /** z = G(H), all at once; see the other form. */
    public Tensor run(Tensor hidden, int n) {
      return Objects.requireNonNull(run(hidden, n, Turn.ALONE));
    }

    /**
     * z = G(H).
     *
     * @param hidden final hidden states of the question; [at least n, d]
     * @param n tokens of the question
     * @param turn for every chunk of rows
     * @return the latents, [t, d], good until the next pass; null if it was called off
     */
    public @Nullable Tensor run(Tensor hidden, int n, Turn turn) {
      boolean append = config.fusion() == Fusion.APPEND;
      // Question and queries in separate steps: their inputs come from different places.
      try (KvCache cache = backbone.newCache()) {
        boolean done = true;
        for (int at = 0; append && done && at < n; at += Transformer.CHUNK) {
          int from = at;
          int rows = Math.min(Transformer.CHUNK, n - at);
          done = turn.take(() -> read(cache, hidden, from, rows));
        }
        for (int at = 0; done && at < latents(); at += Transformer.CHUNK) {
          int from = at;
          int rows = Math.min(Transformer.CHUNK, latents() - at);
          done = turn.take(() -> ask(cache, hidden, n, from, rows));
        }
        return done && turn.take(() -> ops.project(last, latents(), out, z)) ? z : null;
      }
    }

    /** Rows of the question. */
    private void read(KvCache cache, Tensor hidden, int from, int rows) {
      ops.copyRows(hidden, from, question, 0, rows);
      ops.project(question, rows, in, w.x);
      backbone.forward(batch.clear().add(cache, rows), w);
    }

    /** Rows of the queries. */
    private void ask(KvCache cache, Tensor hidden, int n, int from, int rows) {
      ops.copyRows(queries, from, w.x, 0, rows);
      if (config.fusion() == Fusion.HADAMARD) {
        ops.copyRows(hidden, n - 1, question, 0, 1);
        ops.project(question, 1, in, projected);
        ops.multiplyRow(projected, 0, w.x, rows, w.x);
      }
      backbone.forward(batch.clear().add(cache, rows), w);
      ops.copyRows(w.hidden, 0, last, from, rows);
    }

    @Override
    public void close() {
      w.close();
      memory.close();
    }
  }
}
