package io.lrt4j.training;

import io.lrt4j.training.data.ProblemSource;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Stage 1, supervised: the network learns latents behind which the frozen base says the answer.
 * Step s takes problems s · batch to (s + 1) · batch - 1 of the source.
 */
final class SftTask implements Task {
  private final LatentModel model;
  private final @Nullable StepHeads heads;
  private final ProblemSource source;
  private final List<Example> heldOut;
  private final Optimizer optimizer;
  private final int batch;
  private final int accumulate;
  private final TokenScores scores = new TokenScores(false);

  /**
   * A task on a network.
   *
   * @param heads that read the latents, or null
   * @param heldOut what it is evaluated on
   * @param batch problems of one step
   * @param accumulate how many batches they are computed in
   */
  SftTask(
      LatentModel model,
      @Nullable StepHeads heads,
      ProblemSource source,
      List<Example> heldOut,
      Optimizer optimizer,
      int batch,
      int accumulate) {
    this.model = model;
    this.heads = heads;
    this.source = source;
    this.heldOut = List.copyOf(heldOut);
    this.optimizer = optimizer;
    this.batch = batch;
    this.accumulate = accumulate;
    source.problems().forEach(model.encoder()::latent); // refuses what is too long
  }

  @Override
  public Parameters parameters() {
    return model.parameters();
  }

  @Override
  public Optimizer optimizer() {
    return optimizer;
  }

  @Override
  public SequencedMap<String, Double> step(int step, double learningRate) {
    List<Example> examples = new ArrayList<>(batch);
    int tokens = 0;
    int fed = 0;
    for (int i = 0; i < batch; i++) {
      Example example = model.encoder().latent(source.get((long) step * batch + i));
      examples.add(example);
      tokens += example.answers().getFirst().length;
      fed += example.prompt().length + example.answers().getFirst().length;
    }
    var loss = new SftLoss(tokens);
    if (heads != null) {
      heads.begin(examples, model.config().latents());
    }
    for (List<Example> part : Batches.split(examples, accumulate)) {
      model.path().encode(part);
      model.path().scoreAndDerive(model.network(), part, scores, loss, heads);
    }
    double norm = optimizer.step(learningRate);
    var metrics = new LinkedHashMap<String, Double>();
    metrics.put("loss", loss.value());
    if (heads != null) {
      metrics.put("step_loss", heads.value());
    }
    metrics.put("grad_norm", norm);
    metrics.put("num_tokens", (double) fed);
    return metrics;
  }

  /**
   * The loss on held-out problems, and how many of them would be answered exactly as they should:
   * greedy decoding says the answer if each of its tokens is the most likely one.
   */
  @Override
  public SequencedMap<String, Double> evaluate() {
    return model.evaluate(heldOut, batch);
  }

  @Override
  public String bestBy() {
    return "eval_loss";
  }

  @Override
  public void save(Path directory) {
    model.save(directory);
  }
}
