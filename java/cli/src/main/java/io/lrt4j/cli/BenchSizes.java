package io.lrt4j.cli;

import io.lrt4j.LoadListener;
import io.lrt4j.checkpoint.Access;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.evaluation.speed.LatentJob;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What {@code lrt bench} measures, in tokens.
 *
 * @param prompts lengths of prompts
 * @param after what decoding comes after
 * @param tokens that are decoded; 0 if that is left out
 * @param question of the latent job; 0 if there is none
 * @param answer of the latent job
 */
record BenchSizes(List<Integer> prompts, int after, int tokens, int question, int answer) {
  private static final int QUESTION = 128;

  /**
   * What of it a model has room for.
   *
   * @param network of the model, or null
   * @param note told of what is left out, a sentence each
   * @throws FailureException if nothing is left
   */
  static BenchSizes fitting(
      List<Integer> prompts,
      int after,
      int tokens,
      Path model,
      @Nullable Path network,
      boolean outsideLinks,
      Consumer<String> note) {
    int context;
    ModelFiles files = ModelFiles.of(model, outsideLinks);
    try (var checkpoint = Checkpoint.open(files, Access.MAP, LoadListener.NONE)) {
      context = checkpoint.config().maxPositions();
    }
    String full = " left out: the context of " + model + " is " + context + " tokens.";
    List<String> notes = new ArrayList<>();
    List<Integer> fitting = new ArrayList<>();
    for (int n : prompts) {
      if (n <= context) {
        fitting.add(n);
      } else {
        notes.add("A prompt of " + n + " tokens is" + full);
      }
    }
    boolean decodes = (long) after + tokens <= context;
    if (!decodes) {
      notes.add("Decoding of " + tokens + " tokens after " + after + " is" + full);
    }
    int question = network == null ? 0 : question(network, outsideLinks, context, tokens);
    if (network != null && question == 0) {
      notes.add("The latent job with an answer of " + tokens + " tokens is" + full);
    }
    if (fitting.isEmpty() && !decodes && question == 0) {
      throw new FailureException(
          "nothing is left to measure: the context of " + model + " is " + context + " tokens");
    }
    notes.forEach(note);
    return new BenchSizes(fitting, after, decodes ? tokens : 0, question, tokens);
  }

  /** As long as it should be, or as fits; 0 if nothing does. */
  private static int question(Path network, boolean outsideLinks, int context, int answer) {
    ModelFiles files = ModelFiles.of(network, outsideLinks);
    try (var checkpoint = NetworkCheckpoint.open(files, Access.MAP, LoadListener.NONE)) {
      NetworkConfig config = checkpoint.config();
      long room = (long) context - config.latents() - LatentJob.CLOSE - answer;
      return Math.clamp(Math.min(room, config.maxQuestion()), 0, QUESTION);
    }
  }
}
