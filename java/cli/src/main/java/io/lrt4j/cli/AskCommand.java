package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Question;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/** {@code lrt ask}: the main job. */
final class AskCommand implements Command {
  @Override
  public String name() {
    return "ask";
  }

  @Override
  public String summary() {
    return "answer a question, reasoning in latent vectors, in text or not at all";
  }

  @Override
  public String usage() {
    return "[\"QUESTION\"] [--model DIR] [--network DIR] [--mode MODE] [--samples K | --compare]";
  }

  @Override
  public int operands() {
    return 1;
  }

  @Override
  public Options options() {
    return Arguments.together(
        Asking.options(),
        new Options()
            .addOption(valued("samples", "K", "K sampled answers that share the question's cache"))
            .addOption(
                flag("compare", "answer in every mode, after a short warm-up, and show the cost")),
        CommonOptions.loading(),
        Decoding.options(),
        CommonOptions.general());
  }

  @Override
  public String notes() {
    return Decoding.NOTES_WITH_SAMPLES
        + """
        Without QUESTION, or with -, the question is read from standard input. In explicit mode the
        thinking is shown on standard error if that is a terminal; --json always has it.
        """;
  }

  @Override
  public void run(Arguments arguments, Console console) throws IOException {
    Decoding decoding = Decoding.of(arguments);
    Asking asking = Asking.of(arguments);
    int samples = arguments.integer("samples", 1, 1, 4096);
    boolean compare = arguments.has("compare");
    if (compare && (asking.mode() != null || samples > 1)) {
      throw new UsageException("--compare goes with neither --mode nor --samples");
    }
    // Mapped: it answers and ends.
    EngineOptions options =
        CommonOptions.engine(arguments)
            .withMappedWeights(true)
            .withPrefixReuse(false); // --compare asks the same again, and times it
    Path model = CommonOptions.model(arguments, console);
    String text = question(arguments.operand(), console);
    boolean json = arguments.has("json");

    try (Engine engine = CommonOptions.load(model, options, console);
        var interrupt = new Interrupt()) {
      boolean sampling = decoding.sampling(samples);
      Question question =
          asking
              .question(text)
              .options(decoding.over(engine.defaultOptions(), sampling, interrupt.cancellation()));
      var setting =
          new Reports.Setting(engine.loadMillis(), engine.backend(), engine.model().toString());
      if (compare) {
        Comparison.run(engine, question, setting, json, console);
      } else if (samples > 1) {
        several(engine.sample(question, samples), setting, json, console);
      } else {
        one(engine, question, setting, json, console);
      }
      console.out().flush();
    }
  }

  private static void one(
      Engine engine, Question question, Reports.Setting setting, boolean json, Console console) {
    if (json) {
      console.out().println(Reports.line(Reports.json(engine.ask(question), setting)));
      return;
    }
    var stream = new AnswerStream(console, engine.hasTokenizer());
    Answer answer = engine.ask(question, stream); // in auto mode, of the attempt that is accepted
    stream.end();
    console.note(Reports.summary(answer, setting, true));
  }

  private static void several(
      List<Answer> answers, Reports.Setting setting, boolean json, Console console) {
    if (json) {
      var all = Reports.object();
      var samples = all.putArray("samples");
      answers.forEach(answer -> samples.add(Reports.json(answer, setting)));
      console.out().println(Reports.line(all));
      return;
    }
    for (int i = 0; i < answers.size(); i++) {
      console.out().println("[" + (i + 1) + "] " + answers.get(i).text());
      console.out().flush();
      console.note(Reports.summary(answers.get(i), setting, true));
    }
  }

  private static String question(@Nullable String operand, Console console) throws IOException {
    String text =
        operand == null || operand.equals("-") ? console.read("question").stripTrailing() : operand;
    if (text.isBlank()) {
      throw new UsageException("the question is empty");
    }
    return text;
  }
}
