package io.lrt4j.training;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.DecoderLayer;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import io.lrt4j.compute.TrainingBackend.Heads;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.RopeFrequencies;
import io.lrt4j.training.Activations.Gradients;
import io.lrt4j.training.DecoderWeights.Linear;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The transformer of {@code io.lrt4j.model.Transformer} once more, with the way back: the same
 * layers, and for each the gradient of the loss with respect to its input and its parameters.
 */
final class Decoder implements AutoCloseable {
  private final ModelConfig config;
  private final DecoderWeights weights;
  private final @Nullable DecoderWeights gradients;
  private final Backend backend;
  private final TrainingBackend ops;
  private final Heads heads;
  private @Nullable Memory ropeMemory;
  private @Nullable Tensor rope;
  private int @Nullable [] wanted; // of the pass under way

  /**
   * A decoder over these weights.
   *
   * @param gradients where the gradients of the weights go; null for frozen ones
   */
  Decoder(
      ModelConfig config,
      DecoderWeights weights,
      @Nullable DecoderWeights gradients,
      Backend backend) {
    this.config = config;
    this.weights = weights;
    this.gradients = gradients;
    this.backend = backend;
    ops = backend.training();
    heads = new Heads(config.heads(), config.kvHeads(), config.headDim());
  }

  ModelConfig config() {
    return config;
  }

  Activations newActivations(Activations.Keep keep) {
    return new Activations(backend, config, keep);
  }

  /**
   * Runs the layers over the embeddings in {@code a.x(0)} and leaves the final hidden states in
   * {@code a.hidden()}.
   *
   * @param prefixes the pass that holds the batch's prefixes, or null where it has none
   */
  void forward(PackedBatch batch, Activations a, @Nullable Activations prefixes) {
    forward(batch, a, prefixes, null);
  }

  /**
   * The same where only some rows of the result are wanted: of the others the last layer needs keys
   * and values alone. {@code a.hidden()} holds the wanted rows, one after another.
   *
   * @param wanted rows of the batch, ascending, each once; null for all
   */
  void forward(
      PackedBatch batch, Activations a, @Nullable Activations prefixes, int @Nullable [] wanted) {
    prepare(batch.positions());
    this.wanted = wanted;
    if (wanted != null) {
      a.ensurePicked(wanted.length);
    }
    for (int l = 0; l < config.layers(); l++) {
      layer(l, batch, a, prefixes, true);
    }
    int rows = wanted == null ? batch.rows() : wanted.length;
    ops.norm(a.x(config.layers()), rows, weights.norm(), config.rmsNormEps(), a.hidden());
  }

  /** Rows of layer {@code l}'s result that are wanted where not all are. */
  private int @Nullable [] wanted(int l) {
    return l == config.layers() - 1 ? wanted : null;
  }

  /** One layer: x += attention(norm(x)); x += mlp(norm(x)). */
  private void layer(
      int l, PackedBatch batch, Activations a, @Nullable Activations prefixes, boolean output) {
    DecoderLayer<Tensor, Linear> w = weights.layers().get(l);
    Activations.Layer s = a.layer(l);
    int rows = batch.rows();
    float eps = config.rmsNormEps();
    Tensor x = a.x(l);
    ops.norm(x, rows, w.inputNorm(), eps, s.normed());
    project(s.normed(), rows, w.qkv(), null, s.raw());
    ops.rotate(s.raw(), batch, heads, w.queryNorm(), w.keyNorm(), eps, rope(), s.qkv());
    Tensor prefix = prefixes == null ? null : prefixes.layer(l).qkv();
    int[] picked = wanted(l);
    Tensor mixed = picked == null ? s.mixed() : a.picked();
    ops.attend(s.qkv(), prefix, batch, heads, config.window(l), picked, mixed, s.logSumExp());
    if (picked != null) {
      rows = picked.length;
      ops.gather(x, picked, 0, rows, a.hidden());
      x = a.hidden();
    }
    project(mixed, rows, w.output(), x, s.middle());
    ops.norm(s.middle(), rows, w.postNorm(), eps, s.postNormed());
    project(s.postNormed(), rows, w.gateUp(), null, s.gateUp());
    ops.gate(s.gateUp(), rows, s.inner());
    if (output) {
      project(s.inner(), rows, w.down(), s.middle(), a.x(l + 1));
    }
  }

  /**
   * The way back: from the gradient of the final hidden states, which may be overwritten, to that
   * of the embeddings, in {@code a.gradients().x()}; gradients of the weights are added to theirs.
   *
   * @param dHidden as {@code a.hidden()}; {@code a.gradients().normed()} may hold it
   */
  void backward(Tensor dHidden, PackedBatch batch, Activations a, @Nullable Activations prefixes) {
    int rows = wanted == null ? batch.rows() : wanted.length;
    int n = config.layers();
    ops.normBackward(
        dHidden,
        a.x(n),
        rows,
        weights.norm(),
        config.rmsNormEps(),
        false,
        a.gradients().x(),
        gradients == null ? null : gradients.norm());
    for (int l = n - 1; l >= 0; l--) {
      if (a.recomputes()) {
        layer(l, batch, a, prefixes, false);
      }
      mlpBackward(l, batch, a);
      attentionBackward(l, batch, a, prefixes);
    }
  }

  /** The way back through x += mlp(norm(x)), of the rows that are wanted. */
  private void mlpBackward(int l, PackedBatch batch, Activations a) {
    DecoderLayer<Tensor, Linear> w = weights.layers().get(l);
    DecoderLayer<Tensor, Linear> g = gradients == null ? null : gradients.layers().get(l);
    Activations.Layer s = a.layer(l);
    Gradients d = a.gradients();
    int[] picked = wanted(l);
    int rows = picked == null ? batch.rows() : picked.length;

    back(d.x(), s.inner(), rows, w.down(), g == null ? null : g.down(), d.inner());
    ops.gateBackward(d.inner(), s.gateUp(), rows, d.gateUp());
    back(d.gateUp(), s.postNormed(), rows, w.gateUp(), g == null ? null : g.gateUp(), d.normed());
    ops.normBackward(
        d.normed(),
        s.middle(),
        rows,
        w.postNorm(),
        config.rmsNormEps(),
        true,
        d.x(),
        g == null ? null : g.postNorm());
  }

  /** The way back through x += attention(norm(x)): from the rows that are wanted to all. */
  private void attentionBackward(
      int l, PackedBatch batch, Activations a, @Nullable Activations prefixes) {
    DecoderLayer<Tensor, Linear> w = weights.layers().get(l);
    DecoderLayer<Tensor, Linear> g = gradients == null ? null : gradients.layers().get(l);
    Activations.Layer s = a.layer(l);
    Gradients d = a.gradients();
    int[] picked = wanted(l);
    int rows = picked == null ? batch.rows() : picked.length;
    float eps = config.rmsNormEps();

    Tensor mixed = picked == null ? s.mixed() : a.picked();
    Tensor dMixed = picked == null ? d.mixed() : a.pickedGradient();
    back(d.x(), mixed, rows, w.output(), g == null ? null : g.output(), dMixed);
    if (picked != null) {
      // Back to where they were picked from; the others have no gradient from further on.
      backend.copyRows(d.x(), 0, d.normed(), 0, rows);
      rows = batch.rows();
      ops.zero(d.x(), rows);
      ops.scatterAdd(d.normed(), picked, 0, picked.length, d.x());
    }
    Tensor prefix = prefixes == null ? null : prefixes.layer(l).qkv();
    ops.attendBackward(
        dMixed,
        s.qkv(),
        prefix,
        batch,
        heads,
        config.window(l),
        picked,
        mixed,
        s.logSumExp(),
        d.qkv());
    ops.rotateBackward(
        d.qkv(),
        s.raw(),
        batch,
        heads,
        w.queryNorm(),
        w.keyNorm(),
        eps,
        rope(),
        g == null ? null : g.queryNorm(),
        g == null ? null : g.keyNorm());
    back(d.qkv(), s.normed(), rows, w.qkv(), g == null ? null : g.qkv(), d.normed());
    ops.normBackward(
        d.normed(),
        a.x(l),
        rows,
        w.inputNorm(),
        eps,
        true,
        d.x(),
        g == null ? null : g.inputNorm());
  }

  private void project(Tensor x, int rows, Linear w, @Nullable Tensor plus, Tensor y) {
    ops.project(x, rows, w.weight(), w.bias(), plus, y);
  }

  private void back(Tensor dy, Tensor x, int rows, Linear w, @Nullable Linear g, Tensor dx) {
    if (g != null) {
      ops.projectWeights(dy, x, rows, g.weight(), g.bias());
    }
    ops.projectInput(dy, rows, w.weight(), false, dx);
  }

  private Tensor rope() {
    return Objects.requireNonNull(rope);
  }

  private void prepare(int positions) {
    if (rope != null && rope.rows() >= positions) {
      return;
    }
    int room = Math.max(positions, rope == null ? 256 : 2 * rope.rows());
    close();
    Memory memory = backend.newMemory();
    ropeMemory = memory;
    Tensor table = memory.allocate(room, config.headDim());
    float[] inverse = RopeFrequencies.inverse(config.rope(), config.headDim());
    float factor = RopeFrequencies.attentionFactor(config.rope());
    backend.write(RopeFrequencies.table(inverse, factor, room), table, 0, room);
    rope = table;
  }

  @Override
  public void close() {
    if (ropeMemory != null) {
      ropeMemory.close();
      ropeMemory = null;
      rope = null;
    }
  }
}
