package io.lrt4j.cli;

import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import java.io.IOException;
import java.nio.file.Path;
import org.apache.commons.cli.Options;

/** {@code lrt chat}: questions that go on from each other. */
final class ChatCommand implements Command {
  @Override
  public String name() {
    return "chat";
  }

  @Override
  public String summary() {
    return "a conversation: a message a line of standard input, each answered with those before it";
  }

  @Override
  public String usage() {
    return "[--model DIR] [--network DIR] [--mode MODE] [--system TEXT]";
  }

  @Override
  public Options options() {
    return Arguments.together(
        Asking.options(), CommonOptions.loading(), Decoding.options(), CommonOptions.general());
  }

  @Override
  public String notes() {
    return Decoding.NOTES
        + Chat.HELP
        + """
        Thinking is no part of the conversation that goes on. --json prints one object a line for
        every answer. What goes wrong with a message is told, and the chat goes on without it; the
        exit status is then 1, unless a person types.
        """;
  }

  @Override
  public void run(Arguments arguments, Console console) throws IOException {
    Decoding decoding = Decoding.of(arguments);
    Asking asking = Asking.of(arguments);
    EngineOptions options = CommonOptions.engine(arguments);
    Path model = CommonOptions.model(arguments, console);
    try (Engine engine = CommonOptions.load(model, options, console)) {
      if (console.inTerminal()) {
        console.note("lrt: " + engine.describe() + "; /help tells what to type");
      }
      boolean verbose = arguments.has("verbose");
      new Chat(engine, asking, decoding, arguments.has("json"), verbose, console).run();
    }
  }
}
