package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.Question.Message;
import io.lrt4j.Role;
import java.util.List;
import java.util.Locale;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/**
 * The options that say how messages are put to a model.
 *
 * @param mode how to reason; null where none is given
 * @param system a system message before the others, or null
 * @param specialTokens whether special tokens written out in messages are taken as such
 */
record Asking(@Nullable Mode mode, @Nullable String system, boolean specialTokens) {
  private static final String[] MODES = {"auto", "latent", "explicit", "direct"};

  static Options options() {
    return new Options()
        .addOption(
            valued(
                "mode",
                String.join("|", MODES),
                "how to reason (default: auto or latent if the network can, else explicit if"
                    + " the model knows thinking, else direct)"))
        .addOption(valued("system", "TEXT", "a system message before the question"))
        .addOption(
            flag(
                "allow-special-tokens",
                "a special token written out in the question is that token, not text"));
  }

  static Asking of(Arguments arguments) {
    String mode = arguments.text("mode");
    return new Asking(
        mode == null ? null : mode("--mode", mode),
        arguments.text("system"),
        arguments.has("allow-special-tokens"));
  }

  /**
   * The mode of that name.
   *
   * @param what names it, for messages
   */
  static Mode mode(String what, String name) {
    return Mode.valueOf(Arguments.oneOf(what, name, MODES).toUpperCase(Locale.ROOT));
  }

  Asking withMode(Mode other) {
    return new Asking(other, system, specialTokens);
  }

  /** One question. */
  Question question(String text) {
    return question(List.of(new Message(Role.USER, text)));
  }

  /** The last of several messages. */
  Question question(List<Message> messages) {
    Question question = Question.of(messages).mode(mode).allowSpecialTokens(specialTokens);
    return system == null ? question : question.system(system);
  }
}
