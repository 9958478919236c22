package io.lrt4j.reasoning;

import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.QuestionException;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.decode.Generator;

/**
 * What each mode asks of a model: a network, a threshold, and positions behind the question. A
 * question that a model does not have them for is refused.
 */
final class Requirements {
  private final LoadedModel model;

  Requirements(LoadedModel model) {
    this.model = model;
  }

  ReasoningNetwork network(Mode mode) {
    ReasoningNetwork network = model.network();
    if (network == null) {
      throw new QuestionException(
              Session.name(mode)
                  + " mode needs a reasoning network, and none was loaded with "
                  + model.directory()
                  + ": name its directory, or ask in explicit or direct mode")
          .about(QuestionException.Part.MODE);
    }
    return network;
  }

  double threshold() {
    return network(Mode.AUTO)
        .config()
        .autoThreshold()
        .orElseThrow(
            () ->
                new QuestionException(
                        "auto mode needs a calibrated threshold, and "
                            + model.networkDirectory()
                            + "/config.json has no auto_threshold: ask in latent or explicit mode")
                    .about(QuestionException.Part.MODE));
  }

  static boolean reasons(Mode mode) {
    return mode == Mode.LATENT || mode == Mode.AUTO;
  }

  /** Most tokens of a question. */
  int longest(Mode mode, GenerationOptions options) {
    int context = model.transformer().config().maxPositions();
    int longest = Math.max(0, context - least(mode, options));
    return reasons(mode) ? Math.min(longest, network(mode).config().maxQuestion()) : longest;
  }

  /** Positions that must be left behind a question: for an answer of one token. */
  private int least(Mode mode, GenerationOptions options) {
    return switch (mode) {
      case DIRECT -> 1;
      case EXPLICIT -> closing(options).length + Math.min(2, ThinkingBudget.total(options));
      case LATENT -> {
        NetworkConfig network = network(mode).config();
        yield network.latents() + model.prompts().encode(network.close()).length + 1;
      }
      case AUTO -> Math.max(least(Mode.LATENT, options), least(Mode.EXPLICIT, options));
    };
  }

  /** What closes a thinking block that has used up its share, and leads over to the answer. */
  int[] closing(GenerationOptions options) {
    int[] ids = model.prompts().encode(Prompts.CLOSE + options.answerCue());
    if (ids.length >= Generator.MAX_FORCED) {
      throw new QuestionException(
          "the answer cue is too long: at most "
              + Generator.MAX_FORCED
              + " tokens with the closing text, found "
              + ids.length);
    }
    return ids;
  }
}
