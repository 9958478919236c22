package io.lrt4j.reasoning;

import io.lrt4j.checkpoint.Fusion;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Weights;
import io.lrt4j.model.Workspace;
import io.lrt4j.schedule.Rows;
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

  /** Buffers for the passes of one thread. */
  public Pass newPass() {
    return backbone.store().memory().allocate("a network's activations", Pass::new);
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
      Input input = new Input(hidden, n);
      try (KvCache cache = backbone.newCache()) {
        boolean done =
            turn.read(backbone, w, cache, input.asked + latents(), input)
                && turn.take(() -> ops.project(last, latents(), out, z));
        return done ? z : null;
      }
    }

    /** U: in the append fusion the question, H W_in^T + b_in, and in both the queries. */
    private final class Input implements Rows {
      private final Tensor hidden;
      private final int n;
      private final int asked; // rows before the queries

      Input(Tensor hidden, int n) {
        this.hidden = hidden;
        this.n = n;
        asked = config.fusion() == Fusion.APPEND ? n : 0;
      }

      /** How many of these rows are queries: the last. */
      private int queries(int from, int rows) {
        return Math.clamp((long) from + rows - asked, 0, rows);
      }

      @Override
      public void write(Tensor x, int at, int from, int rows) {
        int asking = queries(from, rows);
        int before = rows - asking;
        if (before > 0) {
          ops.copyRows(hidden, from, question, 0, before);
          ops.project(question, before, in, w.x);
          copy(x, at, before);
        }
        if (asking == 0) {
          return;
        }
        int first = from + before - asked;
        if (config.fusion() == Fusion.HADAMARD) {
          ops.copyRows(hidden, n - 1, question, 0, 1);
          ops.project(question, 1, in, projected);
          ops.copyRows(queries, first, w.x, 0, asking);
          ops.multiplyRow(projected, 0, w.x, asking, w.x);
          copy(x, at, asking);
        } else {
          ops.copyRows(queries, first, x, at + before, asking);
        }
      }

      @Override
      public int wanted(int from, int rows) {
        return Math.max(1, queries(from, rows));
      }

      @Override
      public void take(Tensor states, int at, int from, int rows) {
        if (from >= asked) {
          ops.copyRows(states, at, last, from - asked, rows);
        }
      }

      /** From this pass's own rows to those of a step that it may share. */
      @SuppressWarnings("ReferenceEquality") // comparing records links a method for each of them
      private void copy(Tensor x, int at, int rows) {
        if (x != w.x) {
          ops.copyRows(w.x, 0, x, at, rows);
        }
      }
    }

    @Override
    public void close() {
      try (memory) {
        w.close();
      }
    }
  }
}
