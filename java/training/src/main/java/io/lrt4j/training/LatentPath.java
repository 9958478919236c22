package io.lrt4j.training;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The way of a question through all of it, for many at once: <em>encode</em> with the frozen base,
 * <em>reason</em> with the network, <em>score</em> answers with the base again, behind the
 * question's keys and values; and the way of the gradient back to the network. The question itself
 * gets no gradient, as it comes before the latents: its pass is computed once and is constant.
 */
final class LatentPath implements AutoCloseable {
  private final FrozenBase base;
  private final int[] close;
  private final Backend backend;
  private final TrainingBackend ops;
  private final Decoder decoder;
  private final Activations encoded; // of the questions
  private final Activations answered; // of latents, closing text and answers
  private final LanguageHead head;
  private final PackedBatch questions = new PackedBatch();
  private final PackedAnswers answers = new PackedAnswers();
  private int[] latentRows = {};

  /**
   * A way through this base.
   *
   * @param close tokens between latents and answer
   */
  LatentPath(FrozenBase base, int[] close, Backend backend, boolean recompute) {
    this.base = base;
    this.close = close.clone();
    this.backend = backend;
    ops = backend.training();
    decoder = new Decoder(base.config(), base.weights(), null, backend);
    encoded = decoder.newActivations(Activations.Keep.KEYS_AND_VALUES);
    answered = decoder.newActivations(recompute ? Activations.Keep.INPUTS : Activations.Keep.ALL);
    head = new LanguageHead(base.head(), null, backend);
  }

  /** Root mean square of the base's embeddings. */
  double embeddingSize() {
    Tensor embedding = base.embedding();
    double elements = (double) embedding.rows() * embedding.cols();
    return Math.sqrt(ops.sumOfSquares(embedding) / elements);
  }

  /** Encode: runs the base over the prompts and keeps their keys, values and hidden states. */
  void encode(List<Example> examples) {
    questions.clear();
    for (Example e : examples) {
      questions.add(e.prompt().length);
    }
    int[] flat = new int[questions.rows()];
    for (int q = 0; q < examples.size(); q++) {
      int[] prompt = examples.get(q).prompt();
      System.arraycopy(prompt, 0, flat, questions.firstRow(q), prompt.length);
    }
    encoded.ensure(questions.rows());
    backend.embed(base.embedding(), flat, 0, questions.rows(), encoded.x(0));
    decoder.forward(questions, encoded, null);
  }

  /** Final hidden states of the questions, [rows, d]. */
  Tensor hidden() {
    return encoded.hidden();
  }

  /** The answers under way. */
  PackedAnswers answers() {
    return answers;
  }

  /** Reason, then run the base over latents, closing text and answers. */
  private Tensor answer(TrainableNetwork network, List<Example> examples) {
    Tensor z = network.forward(encoded.hidden(), questions);
    int t = network.config().latents();
    answers.clear();
    for (int q = 0; q < examples.size(); q++) {
      answers.add(
          t, close, false, questions.firstRow(q), questions.length(q), examples.get(q).answers());
    }
    int rows = answers.batch().rows();
    answered.ensure(rows);
    Tensor x = answered.x(0);
    backend.embed(base.embedding(), answers.ids(), 0, rows, x);
    for (int q = 0; q < examples.size(); q++) {
      backend.copyRows(z, q * t, x, answers.firstRow(q), t);
    }
    decoder.forward(answers.batch(), answered, encoded, answers.predicting());
    return z;
  }

  /** Log-probabilities of the answers' tokens; {@link #encode} has seen the same examples. */
  void score(TrainableNetwork network, List<Example> examples, TokenScores scores) {
    answer(network, examples);
    head.score(answered.hidden(), answers, scores);
  }

  /**
   * The same, and adds the gradient of the loss to that of the network's parameters.
   *
   * @param heads that read the latents, or null
   */
  void scoreAndDerive(
      TrainableNetwork network,
      List<Example> examples,
      TokenScores scores,
      LanguageHead.Loss loss,
      @Nullable StepHeads heads) {
    Tensor z = answer(network, examples);
    if (heads != null) {
      heads.scoreAndDerive(z, network.config().latents(), examples);
    }
    Tensor dHidden = answered.gradients().normed();
    head.scoreAndDerive(answered.hidden(), answers, scores, loss, dHidden);
    decoder.backward(dHidden, answers.batch(), answered, encoded);
    int t = network.config().latents();
    int count = examples.size() * t;
    if (latentRows.length < count) {
      latentRows = new int[count];
    }
    for (int i = 0; i < count; i++) {
      latentRows[i] = answers.firstRow(i / t) + i % t;
    }
    // The latents themselves are not needed any more: their gradient takes their place.
    ops.gather(answered.gradients().x(), latentRows, 0, count, z);
    if (heads != null) {
      heads.addGradient(z);
    }
    network.backward(z);
  }

  @Override
  public void close() {
    head.close();
    answered.close();
    encoded.close();
    decoder.close();
  }
}
