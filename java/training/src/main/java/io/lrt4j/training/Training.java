package io.lrt4j.training;

import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.Backend;
import io.lrt4j.reasoning.Prompts;
import io.lrt4j.text.ChatTemplate;
import io.lrt4j.text.Tokenizer;
import io.lrt4j.training.data.Problem;
import io.lrt4j.training.data.ProblemSource;
import io.lrt4j.training.data.Reward;
import java.nio.file.Path;
import java.util.List;
import java.util.SequencedMap;

/** The three trainings, from directories to directories. */
public final class Training {
  private Training() {}

  /**
   * What all trainings need.
   *
   * @param source problems to learn from
   * @param heldOut problems to be evaluated on
   * @param optimizer of the updates
   * @param run how long, and where to
   * @param backend where it is computed; the caller closes it
   * @param progress told of every step
   */
  public record Plan(
      ProblemSource source,
      List<Problem> heldOut,
      OptimizerSettings optimizer,
      RunSettings run,
      Backend backend,
      Progress progress) {
    public Plan {
      heldOut = List.copyOf(heldOut);
      if (heldOut.isEmpty()) {
        throw new TrainingException("an evaluation needs at least one held-out problem");
      }
    }
  }

  /**
   * Trains a base model, all of it.
   *
   * @param model the checkpoint to begin with; its tokenizer goes with the result
   * @return the figures of the last evaluation
   */
  public static SequencedMap<String, Double> base(
      Path model, BaseSettings settings, boolean recompute, Plan plan) {
    Backend backend = plan.backend;
    try (Checkpoint checkpoint = Checkpoint.open(model);
        Tokenizer tokenizer = Tokenizer.load(model);
        Parameters parameters =
            new Parameters(
                TensorLayout.of(checkpoint.config(), "model."), backend, settings.bf16())) {
      parameters.load(checkpoint::tensor);
      var prompts = new Prompts(tokenizer, ChatTemplate.load(model).orElse(null));
      int context = checkpoint.config().maxPositions();
      var encoder =
          new ProblemEncoder(
              prompts,
              LatentModel.vocabulary(checkpoint, tokenizer),
              LatentModel.end(checkpoint),
              context,
              context,
              0);
      try (var trainable = new TrainableBase(checkpoint.config(), parameters, backend, recompute)) {
        var task =
            new BaseTask(
                model,
                checkpoint.config(),
                checkpoint.generation(),
                parameters,
                trainable,
                encoder,
                plan.source,
                plan.heldOut,
                new Optimizer(parameters, plan.optimizer, backend),
                settings);
        return new TrainingRun(task, plan.run, plan.progress).run();
      }
    }
  }

  /**
   * Stage 1: trains a network for a frozen base.
   *
   * @return the figures of the last evaluation
   */
  public static SequencedMap<String, Double> sft(
      Path model, Path network, SftSettings settings, boolean recompute, Plan plan) {
    try (var latent =
        new LatentModel(
            model, network, plan.backend, settings.stepLoss(), settings.bf16(), recompute)) {
      var task =
          new SftTask(
              latent,
              latent.heads(),
              plan.source,
              plan.heldOut.stream().map(latent.encoder()::latent).toList(),
              latent.optimizer(plan.optimizer),
              settings.batch(),
              settings.accumulate());
      return new TrainingRun(task, plan.run, plan.progress).run();
    }
  }

  /**
   * Stage 2: trains a network further by reward.
   *
   * @param reference the stage-1 network that it is held close to
   * @return the figures of the last evaluation
   */
  public static SequencedMap<String, Double> grpo(
      Path model,
      Path network,
      Path reference,
      GrpoSettings settings,
      Reward reward,
      boolean bf16,
      boolean recompute,
      Plan plan) {
    try (var latent = new LatentModel(model, network, plan.backend, 0, bf16, recompute);
        var task =
            new GrpoTask(
                latent,
                reference,
                plan.source,
                plan.heldOut,
                latent.optimizer(plan.optimizer),
                settings,
                reward)) {
      return new TrainingRun(task, plan.run, plan.progress).run();
    }
  }
}
