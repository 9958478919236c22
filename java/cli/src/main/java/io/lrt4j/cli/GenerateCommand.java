package io.lrt4j.cli;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import java.io.IOException;
import java.nio.file.Path;
import org.apache.commons.cli.Options;

/** {@code lrt generate}: plain completion, no chat template. */
final class GenerateCommand implements Command {
  @Override
  public String name() {
    return "generate";
  }

  @Override
  public String summary() {
    return "continue a text or a sequence of token ids, without a chat template";
  }

  @Override
  public String usage() {
    return "--model DIR (--prompt TEXT | --ids 1,2,3)";
  }

  @Override
  public Options options() {
    return Arguments.together(
        Prompt.options(), CommonOptions.loading(), Decoding.options(), CommonOptions.general());
  }

  @Override
  public String notes() {
    return Decoding.NOTES + "A model without tokenizer takes --ids and prints ids.\n";
  }

  @Override
  public void run(Arguments arguments, Console console) throws IOException {
    Prompt given = Prompt.of(arguments);
    Decoding decoding = Decoding.of(arguments);
    // Mapped: it answers and ends.
    EngineOptions options = CommonOptions.engine(arguments).withMappedWeights(true);
    Path model = CommonOptions.model(arguments, console);
    Prompt prompt = given.read(console);
    try (Engine engine = CommonOptions.load(model, options, console);
        var interrupt = new Interrupt()) {
      int[] ids = prompt.ids(engine);
      GenerationOptions generation =
          decoding.over(engine.defaultOptions(), decoding.sampling(1), interrupt.cancellation());
      var setting =
          new Reports.Setting(engine.loadMillis(), engine.backend(), engine.model().toString());
      if (arguments.has("json")) {
        Answer answer = engine.generate(ids, generation, token -> {});
        console.out().println(Reports.line(Reports.completion(answer, setting)));
      } else {
        var stream = new AnswerStream(console, engine.hasTokenizer());
        Answer answer = engine.generate(ids, generation, stream);
        stream.end();
        console.note(Reports.summary(answer, setting, false));
      }
      console.out().flush();
    }
  }
}
