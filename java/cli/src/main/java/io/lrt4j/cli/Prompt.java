package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Engine;
import java.io.IOException;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/** {@code --prompt TEXT} or {@code --ids 1,2,3}: exactly one of them. */
@SuppressWarnings("ArrayRecordComponent") // never compared
record Prompt(@Nullable String text, int @Nullable [] given) {
  static Options options() {
    return new Options()
        .addOption(
            valued(
                "prompt",
                "TEXT",
                "special tokens written out in it are recognised, none added; - reads it from"
                    + " standard input, without line ends at its end"))
        .addOption(valued("ids", "1,2,3", "token ids instead of a text"));
  }

  static Prompt of(Arguments arguments) {
    if (arguments.has("prompt") == arguments.has("ids")) {
      throw new UsageException("exactly one of --prompt TEXT and --ids 1,2,3 is needed");
    }
    return new Prompt(notEmpty(arguments.text("prompt")), arguments.ids("ids"));
  }

  /** The same; {@code -} is what standard input has, as a shell's {@code "$(cat)"} would be. */
  Prompt read(Console console) throws IOException {
    return "-".equals(text)
        ? new Prompt(notEmpty(withoutLineEnds(console.read("prompt"))), null)
        : this;
  }

  private static String withoutLineEnds(String text) {
    int end = text.length();
    while (end > 0 && (text.charAt(end - 1) == '\n' || text.charAt(end - 1) == '\r')) {
      end--;
    }
    return text.substring(0, end);
  }

  private static @Nullable String notEmpty(@Nullable String text) {
    if (text != null && text.isEmpty()) {
      throw new UsageException("--prompt must not be empty");
    }
    return text;
  }

  int[] ids(Engine engine) {
    if (given != null) {
      return given;
    }
    if (text == null || !engine.hasTokenizer()) {
      throw new FailureException(
          "the model in " + engine.model() + " has no tokenizer: use --ids instead of --prompt");
    }
    return engine.encode(text);
  }
}
