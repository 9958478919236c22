package io.lrt4j.training;

import io.lrt4j.checkpoint.Fusion;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import io.lrt4j.training.DecoderWeights.Linear;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The reasoning network of {@code io.lrt4j.reasoning.ReasoningNetwork} for many questions at once,
 * with the way back from the gradient of the latents to that of every parameter.
 */
final class TrainableNetwork implements AutoCloseable {
  private final NetworkConfig config;
  private final Backend backend;
  private final TrainingBackend ops;
  private final boolean append;
  private final Linear in;
  private final Tensor queries; // [t, g]
  private final Linear out;
  private final Linear inGradient;
  private final Tensor queriesGradient;
  private final Linear outGradient;
  private final Decoder backbone;
  private final Activations activations;
  private final PackedBatch batch = new PackedBatch();
  private int[] lastRows = {}; // where each latent comes from
  private final Buffers buffers;

  // Of the pass under way.
  private @Nullable Tensor hidden;
  private @Nullable PackedBatch questions;

  /**
   * A network over these parameters.
   *
   * @param trained whether there will be a way back
   */
  TrainableNetwork(
      NetworkConfig config,
      Parameters parameters,
      Backend backend,
      boolean trained,
      boolean recompute) {
    this.config = config;
    this.backend = backend;
    ops = backend.training();
    append = config.fusion() == Fusion.APPEND;
    DecoderWeights.Source values = parameters::value;
    DecoderWeights.Source gradients = parameters::gradient;
    in = values.linear(true, "in_proj");
    out = values.linear(true, "out_proj");
    queries = values.get("queries");
    inGradient = gradients.linear(true, "in_proj");
    outGradient = gradients.linear(true, "out_proj");
    queriesGradient = gradients.get("queries");
    backbone =
        new Decoder(
            config.backbone(),
            DecoderWeights.of(config.backbone(), "backbone.", values),
            trained ? DecoderWeights.of(config.backbone(), "backbone.", gradients) : null,
            backend);
    activations =
        backbone.newActivations(
            !trained
                ? Activations.Keep.KEYS_AND_VALUES
                : recompute ? Activations.Keep.INPUTS : Activations.Keep.ALL);
    buffers = new Buffers();
  }

  NetworkConfig config() {
    return config;
  }

  /** Buffers besides the backbone's. */
  private final class Buffers implements AutoCloseable {
    private int rows;
    private int count;
    private @Nullable Memory memory;
    private @Nullable Tensor projected; // [rows, g], of the questions, and its gradient
    private @Nullable Tensor lastOnes; // [count, d]: hadamard's hidden states
    private @Nullable Tensor dProjected; // [count, g]: hadamard's
    private @Nullable Tensor z; // [count t, d]

    void ensure(int questionRows, int questions) {
      if (questionRows <= rows && questions <= count) {
        return;
      }
      close();
      rows = Math.max(questionRows, rows * 5 / 4);
      count = Math.max(questions, count);
      Memory fresh = backend.newMemory();
      memory = fresh;
      int g = config.backbone().hiddenSize();
      int t = config.latents();
      projected = fresh.allocate(append ? rows : count, g);
      lastOnes = fresh.allocate(append ? 1 : count, config.baseHiddenSize());
      dProjected = fresh.allocate(append ? 1 : count, g);
      z = fresh.allocate(count * t, config.baseHiddenSize());
    }

    @Override
    public void close() {
      if (memory != null) {
        memory.close();
        memory = null;
      }
    }
  }

  /**
   * z = G(H) of every question.
   *
   * @param hidden final hidden states of the questions, [rows, d]
   * @param questions which rows belong to which question
   * @return the latents, question after question, [questions t, d]; good until the next pass
   */
  Tensor forward(Tensor hidden, PackedBatch questions) {
    this.hidden = hidden;
    this.questions = questions;
    int t = config.latents();
    int count = questions.runs();
    buffers.ensure(questions.rows(), count);
    batch.clear();
    if (lastRows.length != count * t) {
      lastRows = new int[count * t];
    }
    for (int q = 0; q < count; q++) {
      batch.add((append ? questions.length(q) : 0) + t);
      for (int i = 0; i < t; i++) {
        lastRows[q * t + i] = batch.rows() - t + i;
      }
    }
    activations.ensure(batch.rows());
    Tensor x = activations.x(0);
    Tensor projected = Objects.requireNonNull(buffers.projected);
    if (append) {
      ops.project(hidden, questions.rows(), in.weight(), in.bias(), null, projected);
      for (int q = 0; q < count; q++) {
        int at = batch.firstRow(q);
        int n = questions.length(q);
        backend.copyRows(projected, questions.firstRow(q), x, at, n);
        backend.copyRows(queries, 0, x, at + n, t);
      }
    } else {
      Tensor lastOnes = Objects.requireNonNull(buffers.lastOnes);
      int[] at = new int[count];
      for (int q = 0; q < count; q++) {
        at[q] = questions.firstRow(q + 1) - 1;
      }
      ops.gather(hidden, at, 0, count, lastOnes);
      ops.project(lastOnes, count, in.weight(), in.bias(), null, projected);
      for (int q = 0; q < count; q++) {
        ops.multiplyRow(projected, q, queries, t, x, batch.firstRow(q));
      }
    }
    backbone.forward(batch, activations, null, lastRows);
    Tensor z = Objects.requireNonNull(buffers.z);
    ops.project(activations.hidden(), count * t, out.weight(), out.bias(), null, z);
    return z;
  }

  /**
   * Adds the gradients of all parameters, of the latest pass.
   *
   * @param dz gradient of the latents, [questions t, d]
   */
  void backward(Tensor dz) {
    PackedBatch questions = Objects.requireNonNull(this.questions);
    Tensor projected = Objects.requireNonNull(buffers.projected);
    Tensor dHidden = activations.gradients().normed();
    int t = config.latents();
    int count = questions.runs();
    ops.projectWeights(
        dz, activations.hidden(), count * t, outGradient.weight(), outGradient.bias());
    ops.projectInput(dz, count * t, out.weight(), false, dHidden);
    backbone.backward(dHidden, batch, activations, null);
    Tensor dx = activations.gradients().x();
    if (append) {
      for (int q = 0; q < count; q++) {
        int at = batch.firstRow(q);
        int n = questions.length(q);
        backend.copyRows(dx, at, projected, questions.firstRow(q), n);
        ops.addRows(dx, at + n, queriesGradient, 0, t);
      }
      Tensor hidden = Objects.requireNonNull(this.hidden);
      ops.projectWeights(
          projected, hidden, questions.rows(), inGradient.weight(), inGradient.bias());
    } else {
      Tensor dProjected = Objects.requireNonNull(buffers.dProjected);
      for (int q = 0; q < count; q++) {
        ops.multiplyRowBackward(
            dx, batch.firstRow(q), projected, q, queries, t, dProjected, q, queriesGradient);
      }
      ops.projectWeights(
          dProjected,
          Objects.requireNonNull(buffers.lastOnes),
          count,
          inGradient.weight(),
          inGradient.bias());
    }
  }

  @Override
  public void close() {
    buffers.close();
    activations.close();
    backbone.close();
  }
}
