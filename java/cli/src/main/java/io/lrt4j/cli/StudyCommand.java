package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.checkpoint.CheckpointWriter;
import io.lrt4j.checkpoint.ConfidenceMeasure;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.evaluation.AnswerFile;
import io.lrt4j.evaluation.Answered;
import io.lrt4j.evaluation.Cell;
import io.lrt4j.evaluation.Evaluation;
import io.lrt4j.evaluation.Summaries;
import io.lrt4j.evaluation.Summary;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.report.Report.Section;
import io.lrt4j.evaluation.study.Hybrid;
import io.lrt4j.evaluation.study.Redundancy;
import io.lrt4j.evaluation.study.Sections;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.apache.commons.cli.Options;

/** {@code lrt study}: the paper's studies, each with a report. */
final class StudyCommand implements Command {
  private static final List<String> STUDIES =
      List.of("redundancy", "latents", "stages", "hybrid", "efficiency");

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
    return String.join("|", STUDIES) + " --data FILE --out DIR";
  }

  @Override
  public int operands() {
    return 1;
  }

  @Override
  public Options options() {
    return Arguments.together(
        EvalCommand.data(),
        new Options()
            .addOption(valued("out", "DIR", "where answers, summary and report go"))
            .addOption(flag("resume", "go on with the study in --out"))
            .addOption(valued("networks", "NAME=DIR,…", "latents, stages: the networks to compare"))
            .addOption(valued("budget", "N", "tokens for thinking and answer (default: 512)"))
            .addOption(valued("samples", "K", "answers to every question (default: 1)"))
            .addOption(valued("batch", "N", "questions asked at the same time (default: 1)"))
            .addOption(valued("temperature", "T", "0 is greedy (default: 0; of samples 0.6)"))
            .addOption(valued("seed", "N", "same seed, same answers (default: 0)"))
            .addOption(
                valued("tolerance", "P", "hybrid: points that auto may be below explicit (1.2)"))
            .addOption(flag("write-threshold", "hybrid: write it into the network's config.json")),
        CommonOptions.loading(),
        CommonOptions.general());
  }

  @Override
  public String notes() {
    return """
    redundancy drops parts of the written thinking; latents and stages compare networks; hybrid
    looks at every threshold of auto, and chooses one; efficiency measures latency and tokens/s.
    """;
  }

  /** What all studies need. */
  private record Plan(
      Arguments arguments,
      DataSet data,
      Path out,
      int budget,
      int samples,
      int batch,
      GenerationOptions options,
      EvalProgress bar) {
    Evaluation evaluation(int batch) {
      return new Evaluation(data, samples, options, batch);
    }
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
    DataSet data = EvalCommand.dataSet(arguments, "study");
    Path out = Path.of(EvalCommand.required(arguments, "study", "out"));
    int samples = arguments.integer("samples", 1, 1, 4096);
    Float temperature = arguments.number("temperature", t -> t >= 0, "0 (greedy) or more");
    var bar = new EvalProgress(console);
    EngineOptions loading = CommonOptions.engine(arguments);
    Path model = CommonOptions.model(arguments, console);
    try (var interrupt = new Interrupt()) {
      var plan =
          new Plan(
              arguments,
              data,
              out,
              arguments.integer("budget", 512, 2, Integer.MAX_VALUE),
              samples,
              arguments.integer("batch", 1, 1, 1024),
              GenerationOptions.defaults()
                  .withTemperature(temperature != null ? temperature : samples > 1 ? 0.6f : 0)
                  .withSeed(arguments.integer("seed", 0L, Long.MIN_VALUE, Long.MAX_VALUE))
                  .withCancellation(interrupt.cancellation()),
              bar);
      Summary summary =
          switch (what) {
            case "latents", "stages" -> networks(plan, what, model, loading);
            default -> {
              try (Engine engine = Engine.load(model, loading)) {
                yield switch (what) {
                  case "redundancy" -> redundancy(plan, engine);
                  case "hybrid" -> hybrid(plan, engine);
                  default -> efficiency(plan, engine);
                };
              }
            }
          };
      bar.end();
      Summaries.write(out.resolve("summary.json"), summary);
      console
          .out()
          .print(
              arguments.has("json")
                  ? Summaries.json(summary) + System.lineSeparator()
                  : Summaries.table(summary));
      console.note(out.resolve("report.html").toString());
    }
  }

  private Summary finish(
      Plan plan, String title, Map<String, String> setting, Summary summary, List<Section> found) {
    List<Section> sections = new ArrayList<>(found);
    sections.addAll(Sections.accuracy(summary));
    Studies.report(
        title + " on " + plan.data.name(), plan.arguments.shown(this), setting, sections, plan.out);
    return summary;
  }

  private static Map<String, String> setting(Plan plan, Engine engine, String study) {
    Map<String, String> setting = new LinkedHashMap<>();
    setting.put("study", study);
    setting.putAll(EvalCommand.setting(engine, plan.data, plan.samples, plan.options));
    setting.put("budget", Integer.toString(plan.budget));
    return setting;
  }

  private static List<Answered> whole(Plan plan, AnswerFile answers, List<Cell> cells) {
    List<Answered> all = answers.all(plan.data, cells);
    int expected = cells.size() * plan.data.tasks().size();
    if (all.size() < expected) {
      throw new FailureException(
          "stopped after " + all.size() + " of " + expected + " answers; --resume goes on");
    }
    return all;
  }

  private Summary redundancy(Plan plan, Engine engine) {
    var study = new Redundancy(engine, plan.options, plan.budget);
    Map<String, String> setting = setting(plan, engine, "redundancy");
    List<Cell> cells = study.drops().stream().map(d -> d.cell(plan.budget)).toList();
    List<Answered> all;
    try (AnswerFile answers = AnswerFile.open(plan.out, setting, plan.arguments.has("resume"))) {
      for (Redundancy.Drop drop : study.drops()) {
        plan.evaluation(1)
            .run(drop.cell(plan.budget), answers, plan.bar, task -> study.answer(task, drop));
      }
      all = whole(plan, answers, cells);
    }
    Summary summary = Summary.of(plan.data, setting, all);
    Section section =
        Sections.curve(
            "Redundancy of written thinking",
            "The thinking is written, a part of its tokens or of its steps is dropped at random,"
                + " and the answer decoded from what is left.",
            "dropped, %",
            summary,
            r -> Double.parseDouble(r.cell().replaceFirst("^\\w+ (\\d+)/.*", "$1")));
    return finish(plan, "Redundancy", setting, summary, List.of(section));
  }

  private Summary hybrid(Plan plan, Engine engine) {
    if (engine.network() == null) {
      throw new FailureException("study hybrid needs a reasoning network: --network DIR");
    }
    Map<String, String> setting = setting(plan, engine, "hybrid");
    List<Cell> cells =
        List.of(Cell.of(Mode.LATENT, plan.budget), Cell.of(Mode.EXPLICIT, plan.budget));
    List<Answered> all = ask(plan, engine, setting, cells);
    var hybrid = new Hybrid(of(all, cells.getFirst()), of(all, cells.getLast()));
    Float tolerance = plan.arguments.number("tolerance", t -> t >= 0, "0 or more");
    var calibration = hybrid.calibrate(tolerance == null ? 0.012 : tolerance / 100.0);
    if (plan.arguments.has("write-threshold")) {
      write(Objects.requireNonNull(engine.network()), calibration);
    }
    return finish(
        plan,
        "Hybrid reasoning",
        setting,
        Summary.of(plan.data, setting, all),
        List.of(hybrid.section(calibration)));
  }

  private static void write(Path network, Hybrid.Calibration calibration) {
    NetworkConfig config;
    try (NetworkCheckpoint stored = NetworkCheckpoint.open(network)) {
      config = stored.config();
    }
    CheckpointWriter.networkConfig(
        network,
        config.calibrated(
            calibration.chosen().threshold(),
            ConfidenceMeasure.valueOf(calibration.measure().name())));
  }

  private Summary efficiency(Plan plan, Engine engine) {
    Map<String, String> setting = setting(plan, engine, "efficiency");
    List<Cell> cells =
        EvalCommand.possible(engine).stream().map(mode -> Cell.of(mode, plan.budget)).toList();
    List<Answered> all = ask(plan, engine, setting, cells);
    return finish(
        plan,
        "Efficiency",
        setting,
        Summary.of(plan.data, setting, all),
        List.of(Sections.efficiency(all)));
  }

  private static List<Answered> of(List<Answered> all, Cell cell) {
    return all.stream().filter(a -> a.cell().equals(cell.key())).toList();
  }

  private static List<Answered> ask(
      Plan plan, Engine engine, Map<String, String> setting, List<Cell> cells) {
    var evaluation = plan.evaluation(plan.batch);
    try (AnswerFile answers = AnswerFile.open(plan.out, setting, plan.arguments.has("resume"))) {
      for (Cell cell : cells) { // whatever comes first would pay for the JIT compiler's work
        evaluation.warmUp(engine, cell);
      }
      for (Cell cell : cells) {
        evaluation.run(engine, cell, answers, plan.bar);
      }
      return whole(plan, answers, cells);
    }
  }

  /** Several networks of one model: of different sizes, or after different stages of training. */
  private Summary networks(Plan plan, String what, Path model, EngineOptions loading) {
    Map<String, Path> networks = networks(plan.arguments);
    Map<String, String> setting = new LinkedHashMap<>();
    List<Cell> cells = new ArrayList<>();
    networks.keySet().forEach(name -> cells.add(new Cell(name, Mode.LATENT, plan.budget)));
    List<Answered> all;
    try (Engine engine =
        Engine.load(model, loading.withNetwork(networks.values().iterator().next()))) {
      setting.putAll(setting(plan, engine, what));
      setting.put("network", networks.toString());
    }
    try (AnswerFile answers = AnswerFile.open(plan.out, setting, plan.arguments.has("resume"))) {
      for (Cell cell : cells) {
        Path network = Objects.requireNonNull(networks.get(cell.label()));
        try (Engine engine = Engine.load(model, loading.withNetwork(network))) {
          plan.evaluation(plan.batch).run(engine, cell, answers, plan.bar);
        }
      }
      all = whole(plan, answers, cells);
    }
    Summary summary = Summary.of(plan.data, setting, all);
    if (what.equals("stages")) {
      return finish(plan, "Stages of training", setting, summary, List.of());
    }
    Section section =
        Sections.curve(
            "Number of latents",
            "Networks with different numbers of latent vectors, each trained for its own.",
            "latents",
            summary,
            Summary.Result::latentTokens);
    return finish(plan, "Number of latents", setting, summary, List.of(section));
  }

  private static Map<String, Path> networks(Arguments arguments) {
    String value = EvalCommand.required(arguments, "study", "networks");
    Map<String, Path> networks = new LinkedHashMap<>();
    for (String part : value.split(",", -1)) {
      int at = part.indexOf('=');
      String name = at < 0 ? "" : part.substring(0, at);
      if (!name.matches("[A-Za-z0-9._+-]+") || networks.containsKey(name)) {
        throw new UsageException(
            "--networks must be NAME=DIR,NAME=DIR,… with a name of its own for each, found "
                + value);
      }
      networks.put(name, CommonOptions.directory("--networks", part.substring(at + 1)));
    }
    if (networks.size() < 2) {
      throw new UsageException("--networks must name at least two, found " + value);
    }
    return networks;
  }
}
