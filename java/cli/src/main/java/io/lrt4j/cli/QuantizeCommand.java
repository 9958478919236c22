package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Quantization;
import io.lrt4j.checkpoint.Quantizer;
import java.io.IOException;
import java.nio.file.Path;
import org.apache.commons.cli.Options;

/** {@code lrt quantize}: a checkpoint in fewer bits, which loads without any work. */
final class QuantizeCommand implements Command {
  @Override
  public String name() {
    return "quantize";
  }

  @Override
  public String summary() {
    return "write a model, its network included, in fewer bits: it then loads without any work";
  }

  @Override
  public String usage() {
    return "--model DIR --out DIR [--to q8|q4]";
  }

  @Override
  public Options options() {
    return Arguments.together(
        new Options()
            .addOption(valued("model", "DIR", "Hugging Face checkpoint"))
            .addOption(valued("out", "DIR", "where to write; must not exist, or be empty"))
            .addOption(valued("to", "q8|q4", "bits of a projection's weight (default: q8)")),
        CommonOptions.general());
  }

  @Override
  public void run(Arguments arguments, Console console) throws IOException {
    String model = arguments.text("model");
    String out = arguments.text("out");
    if (model == null || out == null) {
      throw new UsageException("quantize needs --model DIR and --out DIR");
    }
    boolean q8 = arguments.choice("to", "q8", "q4").equals("q8");
    int rounded =
        Quantizer.model(
            CommonOptions.directory("--model", model),
            Path.of(out),
            q8 ? Quantization.Q8 : Quantization.Q4);
    if (arguments.has("json")) {
      var object = Reports.object();
      object.put("written", out).put("rounded", rounded);
      console.out().println(Reports.line(object));
    } else {
      console.out().println(out);
      console.note("Rounded " + rounded + " weights to " + (q8 ? "8" : "4") + " bits.");
    }
  }
}
