package io.lrt4j.cli;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.FinishReason;
import io.lrt4j.LrtException;
import io.lrt4j.Mode;
import io.lrt4j.Question.Message;
import io.lrt4j.Role;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A conversation between whoever writes standard input and a model. Each question is put with all
 * that was said before, without the thinking; the engine knows what it has read of that already.
 */
final class Chat {
  /** What can be typed. */
  static final String HELP =
      """
      A message is a line; one that ends with \\ goes on in the next, and one that is to begin with
      / gets a space before it. Other lines that begin with / say what to do:
        /new          begin a new conversation
        /mode MODE    reason in that mode from now on: auto, latent, explicit or direct
        /help         show this
        /quit         end, as the end of input does
      """;

  private static final byte SLASH = '/';
  private static final byte BACKSLASH = '\\';

  private final Engine engine;
  private final Decoding decoding;
  private final boolean json;
  private final boolean verbose;
  private final Console console;
  private final Reports.Setting setting;
  private final List<Message> messages = new ArrayList<>();
  private Asking asking;
  private boolean over;
  private int answered;
  private int failed; // messages
  private int wrong; // commands

  Chat(
      Engine engine,
      Asking asking,
      Decoding decoding,
      boolean json,
      boolean verbose,
      Console console) {
    this.engine = engine;
    this.asking = asking;
    this.decoding = decoding;
    this.json = json;
    this.verbose = verbose;
    this.console = console;
    setting = new Reports.Setting(engine.loadMillis(), engine.backend(), engine.model().toString());
  }

  /**
   * Answers until the input ends.
   *
   * @throws FailureException if nobody was there to see that a message got no answer, or that a
   *     command was not understood
   */
  void run() throws IOException {
    while (!over) {
      byte[] line = console.line("> ");
      if (line == null) {
        if (console.inTerminal()) {
          console.note(""); // Ctrl-D leaves the cursor behind the prompt
        }
        break;
      }
      if (line.length > 0 && line[0] == SLASH) {
        command(line);
      } else {
        message(line);
      }
    }
    if (failed + wrong > 0 && !console.inTerminal()) {
      String messages = failed + " of " + (answered + failed) + " messages got no answer";
      String commands =
          wrong + (wrong == 1 ? " command was" : " commands were") + " not understood";
      throw new FailureException(
          wrong == 0 ? messages : failed == 0 ? commands : messages + ", and " + commands);
    }
  }

  private void command(byte[] line) {
    try {
      command(console.text(line, "command"));
    } catch (UsageException | FailureException e) {
      wrong++;
      tell(e, e.getMessage());
    }
  }

  private void command(String line) {
    String[] words = line.strip().split("\\s+", 2);
    String value = words.length > 1 ? words[1] : "";
    if (words[0].equals("/mode")) {
      Mode mode = Asking.mode(words[0], value);
      asking = asking.withMode(mode);
      note("mode " + Reports.lower(mode));
      return;
    }
    List<String> others = List.of("/new", "/help", "/quit");
    if (!others.contains(words[0])) {
      String hint = Nearest.hint(words[0], Stream.concat(Stream.of("/mode"), others.stream()));
      throw new UsageException(
          "unknown command "
              + Arguments.shown(words[0])
              + hint
              + "; /help shows those that there are");
    }
    if (!value.isEmpty()) {
      throw new UsageException(
          words[0] + " stands alone, found " + Arguments.shown(value) + " behind it");
    }
    switch (words[0]) {
      case "/new" -> {
        messages.clear();
        note("new conversation");
      }
      case "/help" -> {
        console.err().print(HELP);
        console.err().flush();
      }
      default -> over = true;
    }
  }

  private void note(String what) {
    if (!json) {
      console.note("[" + what + "]");
    }
  }

  private void message(byte[] first) throws IOException {
    // Decoded as a whole: what follows a line that is not UTF-8 is no message of its own.
    var whole = new ByteArrayOutputStream();
    byte[] line = first;
    while (line != null && line.length > 0 && line[line.length - 1] == BACKSLASH) {
      whole.write(line, 0, line.length - 1);
      whole.write('\n');
      line = console.line(". ");
    }
    if (line != null) {
      whole.writeBytes(line);
    }
    String text;
    try {
      text = console.text(whole.toByteArray(), "message").stripTrailing();
    } catch (FailureException e) {
      failed++;
      tell(e, e.getMessage());
      return;
    }
    if (!text.isEmpty()) {
      answer(text);
    }
  }

  private void answer(String text) {
    messages.add(new Message(Role.USER, text));
    var stream = new AnswerStream(console, engine.hasTokenizer());
    try (var interrupt = new Interrupt()) {
      var options =
          decoding.over(engine.defaultOptions(), decoding.sampling(1), interrupt.cancellation());
      var question = asking.question(messages).options(options);
      Answer answer;
      if (json) {
        answer = engine.ask(question);
        console.out().println(Reports.line(Reports.json(answer, setting)));
        console.out().flush();
      } else {
        answer = engine.ask(question, stream); // in auto mode, of the attempt that is accepted
        stream.end();
        console.note(Reports.summary(answer, setting, true));
      }
      messages.add(new Message(Role.ASSISTANT, answer.text()));
      answered++;
      over = answer.finishReason() == FinishReason.CANCELLED; // the process is ending
    } catch (LrtException e) {
      failed++;
      stream.fail();
      messages.removeLast();
      int before = messages.size();
      tell(
          e,
          e.getMessage()
              + "; the message is taken back"
              + (before == 0 ? "" : ", the " + before + " before it stay (/new drops them)"));
    }
  }

  private void tell(RuntimeException thrown, @Nullable String sentence) {
    int _ = Lrt.fail(console, thrown, sentence, verbose);
  }
}
