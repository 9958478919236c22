package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import io.lrt4j.cli.StudyRunner.Found;
import io.lrt4j.evaluation.Summaries;
import io.lrt4j.evaluation.Summary;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.report.Report.Section;
import io.lrt4j.evaluation.study.Geometry;
import io.lrt4j.evaluation.study.Hybrid;
import io.lrt4j.evaluation.study.Sections;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;

/** {@code lrt study}: the paper's studies, each with a report. */
final class StudyCommand implements Command {
  private static final List<String> STUDIES =
      List.of(
          "redundancy",
          "latents",
          "depth",
          "stages",
          "hybrid",
          "efficiency",
          "budgets",
          "geometry",
          "all");

  /** Studies that compare networks, and the option that names them in {@code study all}. */
  private static final Map<String, String> COMPARISONS = comparisons();

  private static Map<String, String> comparisons() {
    Map<String, String> options = new LinkedHashMap<>();
    options.put("latents", "networks");
    options.put("depth", "depths");
    options.put("stages", "stages");
    return options;
  }

  private static final String BUDGETS = "32,64,128,256,512";

  @Override
  public String name() {
    return "study";
  }

  @Override
  public String summary() {
    return "the paper's studies: how much thinking is needed, what latents give and cost";
  }

  @Override
  public String usage() {
    return String.join("|", STUDIES) + " --data FILE …";
  }

  @Override
  public int operands() {
    return 1;
  }

  @Override
  public Set<String> repeatable() {
    return Set.of("data");
  }

  @Override
  public Options options() {
    return Arguments.together(
        EvalCommand.data(),
        new Options()
            .addOption(valued("out", "DIR", "where answers, summary and report go"))
            .addOption(flag("resume", "go on with the study in --out"))
            .addOption(
                valued("networks", "NAME=DIR,…", "latents, depth, stages: the networks to compare"))
            .addOption(valued("depths", "NAME=DIR,…", "all: the networks of study depth"))
            .addOption(valued("stages", "NAME=DIR,…", "all: the networks of study stages"))
            .addOption(valued("budget", "N", "tokens for thinking and answer (default: 512)"))
            .addOption(valued("budgets", "N,…", "budgets, all: which (default: " + BUDGETS + ")"))
            .addOption(valued("samples", "K", "answers to every question (default: 1)"))
            .addOption(valued("batch", "N", "questions asked at the same time (default: 1)"))
            .addOption(valued("temperature", "T", "0 is greedy (default: 0; of samples 0.6)"))
            .addOption(valued("seed", "N", "same seed, same answers (default: 0)"))
            .addOption(tolerance("hybrid"))
            .addOption(flag("write-threshold", "hybrid: write it into the network's config.json")),
        CommonOptions.loading(),
        CommonOptions.general());
  }

  @Override
  public String notes() {
    return """
    budgets gives every mode several token budgets; redundancy drops parts of the written thinking;
    latents, depth and stages compare networks by their number of latents, their layers and their
    training; hybrid looks at every threshold of auto, and chooses one
    (with --samples also by what that many samples agree on); efficiency measures latency, tokens/s
    and memory; geometry compares the latents of data sets, for which --data is given several
    times, or those of a data set's groups. all is all of them in one report, as far as it is given
    the networks, with a folder for each; there --samples counts for hybrid, the rest is greedy.
    """;
  }

  @Override
  public void run(Arguments arguments, Console console) {
    String what = arguments.operand();
    if (what == null || !STUDIES.contains(what)) {
      throw new UsageException(
          "study needs "
              + String.join(", ", STUDIES)
              + ", found "
              + (what == null ? "nothing" : what));
    }
    if (what.equals("geometry")) {
      GeometryStudy.run(this, arguments, console);
      return;
    }
    DataSet data = EvalCommand.dataSet(arguments, "study");
    Path out = Path.of(EvalCommand.required(arguments, "study", "out"));
    int samples = arguments.integer("samples", 1, 1, 4096);
    Float temperature = arguments.number("temperature", t -> t >= 0, "0 (greedy) or more");
    var bar = new EvalProgress(console);
    var inputs = Inputs.of(arguments, what);
    EngineOptions loading = CommonOptions.engine(arguments);
    Path model = CommonOptions.model(arguments, console);
    try (var interrupt = new Interrupt()) {
      var runner =
          new StudyRunner(
              data,
              loading,
              out,
              arguments.has("resume"),
              arguments.integer("budget", 512, 2, Integer.MAX_VALUE),
              samples,
              arguments.integer("batch", 1, 1, 1024),
              GenerationOptions.defaults()
                  .withTemperature(temperature != null ? temperature : samples > 1 ? 0.6f : 0)
                  .withSeed(arguments.integer("seed", 0L, Long.MIN_VALUE, Long.MAX_VALUE))
                  .withCancellation(interrupt.cancellation()),
              bar);
      Map<String, Found> found = new LinkedHashMap<>();
      List<Section> geometry = List.of();
      if (COMPARISONS.containsKey(what)) {
        found.put(what, runner.networks(what, inputs.networks(what), model));
      } else if (what.equals("all")) {
        geometry = all(runner, inputs, model, loading, found);
      } else if (what.equals("efficiency")) {
        found.put(what, runner.efficiency(model));
      } else {
        try (Engine engine = Engine.load(model, loading)) {
          found.put(what, one(what, runner, inputs, engine));
        }
      }
      bar.end();
      finish(arguments, data, out, found, geometry, console);
    }
  }

  /** What some studies need besides; networks by study. */
  private record Inputs(
      List<Integer> budgets,
      double tolerance,
      boolean write,
      Map<String, Map<String, Path>> networks) {
    static Inputs of(Arguments arguments, String what) {
      Map<String, Map<String, Path>> networks = new LinkedHashMap<>();
      if (COMPARISONS.containsKey(what)) {
        networks.put(what, StudyCommand.networks(arguments, "networks"));
      } else {
        COMPARISONS.forEach(
            (study, option) -> {
              if (arguments.has(option)) {
                networks.put(study, StudyCommand.networks(arguments, option));
              }
            });
      }
      return new Inputs(
          EvalCommand.budgets(arguments, BUDGETS),
          StudyCommand.tolerance(arguments),
          arguments.has("write-threshold"),
          networks);
    }

    Map<String, Path> networks(String study) {
      return networks.getOrDefault(study, Map.of());
    }
  }

  private static Found one(String what, StudyRunner runner, Inputs inputs, Engine engine) {
    return switch (what) {
      case "budgets" -> runner.budgets(engine, inputs.budgets);
      case "redundancy" -> runner.redundancy(engine);
      default -> runner.hybrid(engine, inputs.tolerance, inputs.write);
    };
  }

  /** Every study that the model and its networks allow. */
  private static List<Section> all(
      StudyRunner runner,
      Inputs inputs,
      Path model,
      EngineOptions loading,
      Map<String, Found> found) {
    List<Section> geometry = List.of();
    try (Engine engine = Engine.load(model, loading)) {
      for (String what : List.of("budgets", "redundancy", "hybrid")) {
        if (engine.network() != null || !what.equals("hybrid")) {
          StudyRunner own = what.equals("hybrid") ? runner : runner.single();
          found.put(what, one(what, own.in(what), inputs, engine));
        }
      }
      var sets = GeometryStudy.groups(runner.data());
      if (engine.network() != null && sets.size() > 1) {
        geometry = new Geometry(GeometryStudy.clouds(engine, sets, runner.options())).sections();
      }
    }
    found.put("efficiency", runner.single().in("efficiency").efficiency(model));
    inputs.networks.forEach(
        (study, networks) ->
            found.put(study, runner.single().in(study).networks(study, networks, model)));
    return geometry;
  }

  private void finish(
      Arguments arguments,
      DataSet data,
      Path out,
      Map<String, Found> found,
      List<Section> geometry,
      Console console) {
    Found first = found.values().iterator().next();
    boolean single = !"all".equals(arguments.operand());
    Map<String, String> setting = new LinkedHashMap<>(first.setting());
    List<Section> sections = new ArrayList<>();
    found.values().forEach(f -> sections.addAll(f.sections()));
    sections.addAll(geometry);
    // of all, that with every mode at the whole budget
    Found modes = single ? first : Objects.requireNonNull(found.get("efficiency"));
    sections.addAll(Sections.accuracy(modes.summary()));
    if (!single) {
      setting.keySet().removeAll(List.of("study", "budget"));
    }
    String title = single ? first.title() : "Studies";
    Studies.report(title + " on " + data.name(), arguments.shown(this), setting, sections, out);
    Map<String, Summary> summaries = new LinkedHashMap<>();
    found.forEach((name, f) -> summaries.put(name, f.summary()));
    if (single) {
      Summaries.write(out.resolve("summary.json"), first.summary());
    }
    if (arguments.has("json")) {
      console.out().println(Summaries.json(single ? first.summary() : summaries));
    } else {
      summaries.forEach(
          (name, summary) ->
              console.out().print((single ? "" : name + "\n") + Summaries.table(summary)));
    }
    console.note(out.resolve("report.html").toString());
  }

  /** The option for {@link #tolerance(Arguments)}. */
  static Option tolerance(String what) {
    return valued("tolerance", "P", what + ": points that auto may be below explicit (default: 1)");
  }

  static double tolerance(Arguments arguments) {
    Float points = arguments.number("tolerance", t -> t >= 0, "0 or more");
    return points == null ? Hybrid.TOLERANCE : points / 100.0;
  }

  private static Map<String, Path> networks(Arguments arguments, String option) {
    String value = EvalCommand.required(arguments, "study", option);
    Map<String, Path> networks = new LinkedHashMap<>();
    for (String part : value.split(",", -1)) {
      int at = part.indexOf('=');
      String name = at < 0 ? "" : part.substring(0, at);
      if (!name.matches("[A-Za-z0-9._+-]+") || networks.containsKey(name)) {
        throw new UsageException(
            "--"
                + option
                + " must be NAME=DIR,NAME=DIR,… with a name of its own for each, found "
                + value);
      }
      networks.put(name, CommonOptions.directory("--" + option, part.substring(at + 1)));
    }
    if (networks.size() < 2) {
      throw new UsageException("--" + option + " must name at least two, found " + value);
    }
    return networks;
  }
}
