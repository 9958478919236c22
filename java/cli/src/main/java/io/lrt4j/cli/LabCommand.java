package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Engine;
import io.lrt4j.Mode;
import io.lrt4j.training.LabExam;
import io.lrt4j.training.LabModel;
import io.lrt4j.training.data.Lab;
import io.lrt4j.training.data.Problem;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.stream.Stream;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;

/** {@code lrt lab}: the project's proving ground. */
final class LabCommand implements Command {
  /** Keeps the problems of calibration apart from those of the exam. */
  private static final long CALIBRATION_SEED = 1_000_003;

  @Override
  public String name() {
    return "lab";
  }

  @Override
  public String summary() {
    return "word problems of one to six steps: print them, make a model for them, examine it";
  }

  @Override
  public String usage() {
    return "problems | model --out DIR | exam [--model DIR] [--calibrate]";
  }

  @Override
  public int operands() {
    return 1;
  }

  @Override
  public Options options() {
    return Arguments.together(
        new Options()
            .addOption(
                valued("count", "N", "how many problems (default: 10; exam: 167 of every length)"))
            .addOption(flag("calibrate", "exam: set the threshold of auto mode first"))
            .addOption(StudyCommand.tolerance("calibrate"))
            .addOption(valued("modes", "M,…", "exam: which modes (default: all four)"))
            .addOption(valued("steps", "A-B", "steps of a problem (default: 1-6)"))
            .addOption(range())
            .addOption(
                valued(
                    "split",
                    "train|heldout",
                    "problems: two sets with no calculation in common (default: train); an exam is"
                        + " heldout"))
            .addOption(valued("seed", "S", "same seed, same problems (default: 0)"))
            .addOption(valued("out", "DIR", "where to write the model; must not exist"))
            .addOption(valued("vocabulary", "N", "of the model: tokens at most (default: 512)"))
            .addOption(valued("hidden", "N", "of the model: width (default: 128)"))
            .addOption(valued("intermediate", "N", "of the model: width of the MLP (default: 384)"))
            .addOption(valued("layers", "N", "of the model: layers (default: 4)"))
            .addOption(valued("heads", "N", "of the model: query heads, even (default: 4)"))
            .addOption(valued("head-dim", "N", "of the model: width of a head (default: 32)")),
        CommonOptions.loading(),
        CommonOptions.general());
  }

  @Override
  public void run(Arguments arguments, Console console) {
    String what = arguments.operand();
    if ("problems".equals(what)) {
      problems(arguments, console);
    } else if ("model".equals(what)) {
      model(arguments, console);
    } else if ("exam".equals(what)) {
      exam(arguments, console);
    } else {
      throw new UsageException(
          "lab needs problems, model or exam, found " + (what == null ? "nothing" : what));
    }
  }

  private static void problems(Arguments arguments, Console console) {
    Steps steps = Steps.parse(arguments, "steps", "1-6");
    long seed = arguments.integer("seed", 0L, Long.MIN_VALUE, Long.MAX_VALUE);
    int count = arguments.integer("count", 10, 1, Integer.MAX_VALUE);
    boolean heldOut = arguments.choice("split", "train", "heldout").equals("heldout");
    Lab lab =
        new Lab(
            range(arguments),
            Lab.Mix.even(steps.least, steps.most),
            seed,
            heldOut ? Lab.Split.HELDOUT : Lab.Split.TRAIN);
    for (int i = 0; i < count && !console.out().checkError(); i++) {
      Problem p = lab.problem(i);
      console
          .out()
          .println(
              Reports.line(
                  Reports.object()
                      .put("question", p.question())
                      .put("reasoning", p.reasoning())
                      .put("answer", p.answer())
                      .put("steps", p.reasoning().split("\n", -1).length)));
    }
  }

  private static void model(Arguments arguments, Console console) {
    String out = arguments.text("out");
    if (out == null) {
      throw new UsageException("lab model needs --out DIR, the directory to write");
    }
    var size =
        new LabModel.Size(
            arguments.integer("vocabulary", 512, 263, 1 << 16),
            arguments.integer("hidden", 128, 2, 1 << 14),
            arguments.integer("intermediate", 384, 1, 1 << 16),
            arguments.integer("layers", 4, 1, 256),
            arguments.integer("heads", 4, 2, 256),
            arguments.integer("head-dim", 32, 2, 1024));
    long seed = arguments.integer("seed", 0L, Long.MIN_VALUE, Long.MAX_VALUE);
    LabModel.create(size, range(arguments), seed, Path.of(out));
    console.out().println(out);
  }

  private static void exam(Arguments arguments, Console console) {
    int count = arguments.integer("count", 167, 1, 1 << 20);
    long seed = arguments.integer("seed", 0L, Long.MIN_VALUE, Long.MAX_VALUE);
    Steps steps = Steps.parse(arguments, "steps", "1-6");
    Lab.Range range = range(arguments);
    var paper = new LabExam.Paper(range, steps.least, steps.most, seed, count);
    List<Mode> chosen = EvalCommand.modes(arguments);
    List<Mode> modes = chosen == null ? List.of(Mode.values()) : chosen;
    double tolerance = StudyCommand.tolerance(arguments);
    Path model = CommonOptions.model(arguments, console);
    if (arguments.has("calibrate")) {
      try (Engine engine = CommonOptions.load(model, CommonOptions.engine(arguments), console)) {
        Path network = engine.network();
        if (network == null) {
          throw new FailureException("calibrating needs a reasoning network");
        }
        var found =
            LabExam.calibrate(
                engine,
                new LabExam.Paper(
                    range, steps.least, steps.most, seed + CALIBRATION_SEED, 2 * count),
                tolerance);
        found.write(network);
        console.note(
            String.format(
                Locale.ROOT,
                "auto keeps a latent answer from %s %.4f on: on other problems than this was chosen"
                    + " with, %.1f %% of them, right %.1f %%, explicit %.1f %%",
                found.measure().name().toLowerCase(Locale.ROOT),
                found.chosen().threshold(),
                100 * found.tested().kept(),
                100 * found.tested().accuracy(),
                100 * found.explicit()));
      }
    }
    try (Engine engine = CommonOptions.load(model, CommonOptions.engine(arguments), console)) {
      for (Mode mode : modes) {
        for (LabExam.Result r : LabExam.run(engine, mode, paper)) {
          print(r, arguments.has("json"), console);
        }
      }
    }
  }

  private static void print(LabExam.Result r, boolean json, Console console) {
    if (json) {
      console
          .out()
          .println(
              Reports.line(
                  Reports.object()
                      .put("mode", name(r.mode()))
                      .put("steps", r.steps())
                      .put("problems", r.problems())
                      .put("accuracy", r.accuracy())
                      .put("low", r.low())
                      .put("high", r.high())
                      .put("decode_steps", r.decodeSteps())
                      .put("millis", r.millis())));
      return;
    }
    console
        .out()
        .printf(
            Locale.ROOT,
            "%-8s %s  %5.1f %% (%.1f to %.1f)  %5.1f decode steps  %6.2f ms%n",
            name(r.mode()),
            r.steps() == 0 ? "all" : r.steps() + "  ",
            100 * r.accuracy(),
            100 * r.low(),
            100 * r.high(),
            r.decodeSteps(),
            r.millis());
  }

  /** The option for {@link #range(Arguments)}. */
  static Option range() {
    return valued(
        "range",
        "V,S,O,F",
        "of the lab: largest value, start, operand, and factor of boxes (default: 29,9,5,3)");
  }

  static Lab.Range range(Arguments arguments) {
    String text = arguments.text("range");
    if (text == null) {
      return Lab.Range.EASY;
    }
    try {
      int[] n =
          Stream.of(text.split(",", -1)).map(String::strip).mapToInt(Integer::parseInt).toArray();
      if (n.length == 4) {
        return new Lab.Range(n[0], n[1], n[2], n[3]);
      }
    } catch (NumberFormatException e) {
      // the sentence below says it
    } catch (IllegalArgumentException e) {
      throw new UsageException("--range: " + e.getMessage());
    }
    throw new UsageException(
        "--range must be four whole numbers as 29,9,5,3 (largest value, start, operand and"
            + " factor), found "
            + text);
  }

  private static String name(Mode mode) {
    return mode.name().toLowerCase(Locale.ROOT);
  }

  /** A number of steps, or a range of them. */
  record Steps(int least, int most) {
    static Steps parse(Arguments arguments, String option, String otherwise) {
      String text = arguments.text(option);
      String[] ends = (text == null ? otherwise : text).split("-", 2);
      try {
        int least = Integer.parseInt(ends[0].strip());
        int most = Integer.parseInt(ends[ends.length - 1].strip());
        if (1 <= least && least <= most && most <= Lab.MAX_STEPS) {
          return new Steps(least, most);
        }
      } catch (NumberFormatException e) {
        // the same sentence says it
      }
      throw new UsageException(
          "--" + option + " must be 1 to " + Lab.MAX_STEPS + ", or a range as 1-6, found " + text);
    }
  }
}
