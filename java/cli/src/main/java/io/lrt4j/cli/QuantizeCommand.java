package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.checkpoint.Quantizer;
import java.io.IOException;
import java.nio.file.Path;
import org.apache.commons.cli.Options;

/** {@code lrt quantize}: a checkpoint in fewer bits, which loads without any work. */
final class QuantizeCommand implements Command {
  private static final String TYPES = "none|q8|q4";

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
    return "--model DIR --out DIR [--to q8|q4] [--head T] [--network T] [--embedding T]";
  }

  @Override
  public Options options() {
    return Arguments.together(
        new Options()
            .addOption(valued("model", "DIR", "Hugging Face checkpoint"))
            .addOption(valued("out", "DIR", "where to write; must not exist, or be empty"))
            .addOption(valued("to", "q8|q4", "bits of a projection's weight (default: q8)"))
            .addOption(valued("head", TYPES, "of the base model's head (default: as --to)"))
            .addOption(valued("network", TYPES, "of the network's weights (default: as --to)"))
            .addOption(
                valued(
                    "embedding",
                    TYPES,
                    "of the embedding, which stays one tensor with a head that it is tied to and"
                        + " that is rounded alike (default: none)")),
        CommonOptions.general());
  }

  @Override
  public void run(Arguments arguments, Console console) throws IOException {
    String model = arguments.text("model");
    String out = arguments.text("out");
    if (model == null || out == null) {
      throw new UsageException("quantize needs --model DIR and --out DIR");
    }
    String to = arguments.choice("to", "q8", "q4");
    String head = type(arguments, "head", to);
    String network = type(arguments, "network", to);
    String embedding = type(arguments, "embedding", "none");
    var types =
        new Quantizer.Types(
            CommonOptions.of(to),
            CommonOptions.of(head),
            CommonOptions.of(embedding),
            CommonOptions.of(network));
    int rounded = Quantizer.model(CommonOptions.directory("--model", model), Path.of(out), types);
    if (arguments.has("json")) {
      var object = Reports.object();
      object.put("written", out).put("rounded", rounded);
      console.out().println(Reports.line(object));
    } else {
      console.out().println(out);
      String bits = to.equals("q8") ? "8" : "4";
      boolean alike = types.equals(Quantizer.Types.projections(types.layers()));
      console.note(
          "Rounded "
              + rounded
              + " weights to "
              + (alike
                  ? bits + " bits."
                  : to
                      + ", head "
                      + head
                      + ", embedding "
                      + embedding
                      + ", network "
                      + network
                      + "."));
    }
  }

  private static String type(Arguments arguments, String option, String otherwise) {
    return arguments.text(option) == null
        ? otherwise
        : arguments.choice(option, "none", "q8", "q4");
  }
}
