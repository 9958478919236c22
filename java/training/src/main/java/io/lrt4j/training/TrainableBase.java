package io.lrt4j.training;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import io.lrt4j.model.ModelConfig;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A whole language model in training: embedding, decoder, head, and the way back. */
final class TrainableBase implements AutoCloseable {
  private final Backend backend;
  private final TrainingBackend ops;
  private final Tensor embedding; // [vocab, hidden]
  private final Tensor embeddingGradient;
  private final Decoder decoder;
  private final Activations activations;
  private final LanguageHead head;
  private final PackedAnswers answers = new PackedAnswers();

  TrainableBase(ModelConfig config, Parameters parameters, Backend backend, boolean recompute) {
    this.backend = backend;
    ops = backend.training();
    DecoderWeights.Source values = parameters::value;
    DecoderWeights.Source gradients = parameters::gradient;
    embedding = values.get("model.embed_tokens.weight");
    embeddingGradient = gradients.get("model.embed_tokens.weight");
    decoder =
        new Decoder(
            config,
            DecoderWeights.of(config, "model.", values),
            DecoderWeights.of(config, "model.", gradients),
            backend);
    activations =
        decoder.newActivations(recompute ? Activations.Keep.INPUTS : Activations.Keep.ALL);
    boolean tied = config.tiedEmbeddings();
    head =
        new LanguageHead(
            tied ? embedding : values.get("lm_head.weight"),
            tied ? embeddingGradient : gradients.get("lm_head.weight"),
            backend);
  }

  /** The tokens under way. */
  PackedAnswers answers() {
    return answers;
  }

  /**
   * Log-probabilities of the answers' tokens, and of the prompts' if they are wanted.
   *
   * @param loss adds the gradient of all parameters; null for the scores alone
   */
  void score(
      List<Example> examples,
      boolean prompts,
      TokenScores scores,
      LanguageHead.@Nullable Loss loss) {
    answers.clear();
    for (Example e : examples) {
      answers.add(0, e.prompt(), prompts, 0, 0, e.answers());
    }
    int rows = answers.batch().rows();
    activations.ensure(rows);
    backend.embed(embedding, answers.ids(), 0, rows, activations.x(0));
    decoder.forward(answers.batch(), activations, null, answers.predicting());
    if (loss == null) {
      head.score(activations.hidden(), answers, scores);
      return;
    }
    Tensor dHidden = activations.gradients().normed();
    head.scoreAndDerive(activations.hidden(), answers, scores, loss, dHidden);
    decoder.backward(dHidden, answers.batch(), activations, null);
    ops.embedBackward(activations.gradients().x(), answers.ids(), 0, rows, embeddingGradient);
  }

  @Override
  public void close() {
    head.close();
    activations.close();
    decoder.close();
  }
}
