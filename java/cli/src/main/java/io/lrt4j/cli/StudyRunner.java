package io.lrt4j.cli;

import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.evaluation.AnswerFile;
import io.lrt4j.evaluation.Answered;
import io.lrt4j.evaluation.Cell;
import io.lrt4j.evaluation.Evaluation;
import io.lrt4j.evaluation.Summary;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Fingerprint;
import io.lrt4j.evaluation.report.Report.Section;
import io.lrt4j.evaluation.study.Hybrid;
import io.lrt4j.evaluation.study.Redundancy;
import io.lrt4j.evaluation.study.Sections;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.function.ToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * The studies of one data set, each with its answers in a folder of its own.
 *
 * @param data the questions
 * @param loading how engines are loaded
 * @param out where answers go
 * @param resume whether to go on with what is there
 * @param budget tokens for thinking and answer
 * @param samples answers to every question
 * @param batch questions asked at the same time
 * @param options sampling and seed
 * @param bar hears of every answer
 */
record StudyRunner(
    DataSet data,
    EngineOptions loading,
    Path out,
    boolean resume,
    int budget,
    int samples,
    int batch,
    GenerationOptions options,
    EvalProgress bar) {
  /**
   * What came of a study.
   *
   * @param title of its report
   * @param setting what was run
   * @param summary of its answers
   * @param sections what it is about, without the summary
   */
  record Found(
      String title, Map<String, String> setting, Summary summary, List<Section> sections) {}

  /** The same in a folder of its own. */
  StudyRunner in(String folder) {
    return new StudyRunner(
        data, loading, out.resolve(folder), resume, budget, samples, batch, options, bar);
  }

  /** The same with one answer to every question. */
  StudyRunner single() {
    GenerationOptions once = samples > 1 ? options.withTemperature(0) : options;
    return new StudyRunner(data, loading, out, resume, budget, 1, batch, once, bar);
  }

  private Evaluation evaluation() {
    return new Evaluation(data, samples, options, batch);
  }

  private Map<String, String> setting(Engine engine, String study) {
    Map<String, String> setting = new LinkedHashMap<>();
    setting.put("study", study);
    setting.putAll(EvalCommand.setting(engine, loading, data, samples, options));
    setting.put("budget", Integer.toString(budget));
    return setting;
  }

  /**
   * Every mode that the model can answer in; with auto, its threshold goes into the setting. A
   * study that was begun before the network had one goes on without auto.
   */
  private List<Mode> modes(Engine engine, Map<String, String> setting) {
    List<Mode> modes = EvalCommand.possible(engine);
    if (modes.contains(Mode.AUTO)) {
      Map<String, String> begun = resume ? AnswerFile.begunWith(out) : Map.of();
      if (begun.isEmpty() || begun.containsKey(AnswerFile.AUTO_THRESHOLD)) {
        setting.put(AnswerFile.AUTO_THRESHOLD, EvalCommand.threshold(engine));
      } else {
        modes.remove(Mode.AUTO);
      }
    }
    return modes;
  }

  private List<Answered> whole(AnswerFile answers, List<Cell> cells) {
    List<Answered> all = answers.all(data, cells);
    int expected = cells.size() * data.tasks().size();
    if (all.size() < expected) {
      throw new FailureException(
          "stopped after " + all.size() + " of " + expected + " answers; --resume goes on");
    }
    return all;
  }

  private List<Answered> ask(
      Engine engine, Map<String, String> setting, Map<Cell, Evaluation> cells) {
    try (AnswerFile answers = AnswerFile.open(out, setting, resume)) {
      cells.forEach((cell, evaluation) -> evaluation.warmUp(engine, cell)); // the JIT compiler
      cells.forEach((cell, evaluation) -> evaluation.run(engine, cell, answers, bar));
      return whole(answers, List.copyOf(cells.keySet()));
    }
  }

  /** Every mode at every budget. */
  Found budgets(Engine engine, List<Integer> budgets) {
    Map<String, String> setting = setting(engine, "budgets");
    setting.put("budget", budgets.toString());
    Map<Cell, Evaluation> cells = new LinkedHashMap<>();
    for (Mode mode : modes(engine, setting)) {
      budgets.forEach(b -> cells.put(Cell.of(mode, b), evaluation()));
    }
    Summary summary = Summary.of(data, setting, ask(engine, setting, cells));
    Section section =
        Sections.curve(
            "Token budgets",
            "One budget for thinking and answer together; where thinking has used up its share, its"
                + " block is closed and the answer is asked for (budget forcing).",
            "tokens allowed",
            summary,
            r -> Double.parseDouble(r.cell().replaceFirst(".*/", "")));
    return new Found("Token budgets", setting, summary, List.of(section));
  }

  Found redundancy(Engine engine) {
    var study = new Redundancy(engine, options, budget);
    Map<String, String> setting = setting(engine, "redundancy");
    List<Cell> cells = study.drops().stream().map(d -> d.cell(budget)).toList();
    var evaluation = new Evaluation(data, samples, options, 1); // it remembers what it thought
    List<Answered> all;
    try (AnswerFile answers = AnswerFile.open(out, setting, resume)) {
      for (Redundancy.Drop drop : study.drops()) {
        evaluation.run(drop.cell(budget), answers, bar, task -> study.answer(task, drop));
      }
      all = whole(answers, cells);
    }
    Summary summary = Summary.of(data, setting, all);
    Section section =
        Sections.curve(
            "Redundancy of written thinking",
            "The thinking is written, a part of its tokens or of its steps is dropped at random,"
                + " and the answer decoded from what is left.",
            "dropped, %",
            summary,
            r -> Double.parseDouble(r.cell().replaceFirst("^\\w+ (\\d+)/.*", "$1")));
    return new Found("Redundancy", setting, summary, List.of(section));
  }

  /**
   * Greedy answers in both modes; with several samples, those are drawn besides, and what they
   * agree on is another measure of confidence.
   *
   * @param write whether the threshold goes into the network's config
   */
  Found hybrid(Engine engine, double tolerance, boolean write) {
    Path network = engine.network();
    if (network == null) {
      throw new FailureException("study hybrid needs a reasoning network: --network DIR");
    }
    Map<String, String> setting = setting(engine, "hybrid");
    Cell latent = Cell.of(Mode.LATENT, budget);
    Cell explicit = Cell.of(Mode.EXPLICIT, budget);
    Cell sampled = new Cell("latent×" + samples, Mode.LATENT, budget);
    Map<Cell, Evaluation> cells = new LinkedHashMap<>();
    cells.put(latent, single().evaluation());
    cells.put(explicit, single().evaluation());
    if (samples > 1) {
      cells.put(sampled, evaluation());
    }
    List<Answered> all = ask(engine, setting, cells);
    var hybrid = new Hybrid(of(all, latent), of(all, explicit), of(all, sampled));
    var calibration = hybrid.calibrate(tolerance);
    if (write) {
      calibration.write(network);
    }
    Summary summary = Summary.of(data, setting, all);
    return new Found("Hybrid reasoning", setting, summary, List.of(hybrid.section(calibration)));
  }

  private static List<Answered> of(List<Answered> all, Cell cell) {
    return all.stream().filter(a -> a.cell().equals(cell.key())).toList();
  }

  /**
   * Every mode at one budget, measured; on an engine of its own, which reads every question anew:
   * its times are those of one that nobody asked before.
   */
  Found efficiency(Path model) {
    try (Engine engine = Engine.load(model, loading.withPrefixReuse(false))) {
      return efficiency(engine);
    }
  }

  private Found efficiency(Engine engine) {
    Map<String, String> setting = setting(engine, "efficiency");
    // Times are what it is about: what only decides those decides its figures.
    setting.put("batch", Integer.toString(batch));
    setting.put("threads", loading.threads() == 0 ? "all" : Integer.toString(loading.threads()));
    setting.put("prompt_lookup", loading.promptLookup().name().toLowerCase(Locale.ROOT));
    List<Cell> cells = modes(engine, setting).stream().map(mode -> Cell.of(mode, budget)).toList();
    var peaks = new PeakMemory(out.resolve("peak-memory.json"));
    List<Answered> all;
    var evaluation = evaluation();
    try (AnswerFile answers = AnswerFile.open(out, setting, resume)) {
      cells.forEach(cell -> evaluation.warmUp(engine, cell));
      for (Cell cell : cells) {
        boolean measures = answers.all(data, List.of(cell)).isEmpty() && PeakMemory.reset();
        evaluation.run(engine, cell, answers, bar);
        if (measures) {
          peaks.note(cell.key());
        }
      }
      all = whole(answers, cells);
    }
    return new Found(
        "Efficiency",
        setting,
        Summary.of(data, setting, all),
        List.of(Sections.efficiency(all, peaks.mebibytes())));
  }

  /** Several networks of one model: of different sizes, or after different training. */
  Found networks(String what, Map<String, Path> networks, Path model) {
    Map<String, String> setting = new LinkedHashMap<>();
    List<Cell> cells = new ArrayList<>();
    networks.keySet().forEach(name -> cells.add(new Cell(name, Mode.LATENT, budget)));
    List<Answered> all;
    try (Engine engine =
        Engine.load(model, loading.withNetwork(networks.values().iterator().next()))) {
      setting.putAll(setting(engine, what));
      setting.put("network", networks.toString());
      Map<String, String> hashes = new LinkedHashMap<>();
      networks.forEach((name, network) -> hashes.put(name, Fingerprint.ofNetwork(network)));
      setting.put("network_hash", hashes.toString());
    }
    try (AnswerFile answers = AnswerFile.open(out, setting, resume)) {
      for (Cell cell : cells) {
        Path network = Objects.requireNonNull(networks.get(cell.label()));
        try (Engine engine = Engine.load(model, loading.withNetwork(network))) {
          evaluation().warmUp(engine, cell);
          evaluation().run(engine, cell, answers, bar);
        }
      }
      all = whole(answers, cells);
    }
    Summary summary = Summary.of(data, setting, all);
    return switch (what) {
      case "latents" ->
          curve(
              "Number of latents",
              "Networks with different numbers of latent vectors, each trained for its own.",
              "latents",
              setting,
              summary,
              Summary.Result::latentTokens);
      case "depth" -> {
        Map<String, Integer> layers = new LinkedHashMap<>();
        cells.forEach(c -> layers.put(c.key(), layers(networks.get(c.label()))));
        yield curve(
            "Depth of the network",
            "Networks with different numbers of layers.",
            "layers",
            setting,
            summary,
            r -> layers.getOrDefault(r.cell(), 0));
      }
      default ->
          new Found("Stages of training", setting, summary, List.of(Sections.stages(summary)));
    };
  }

  private static Found curve(
      String title,
      String text,
      String axis,
      Map<String, String> setting,
      Summary summary,
      ToDoubleFunction<Summary.Result> x) {
    return new Found(
        title, setting, summary, List.of(Sections.curve(title, text, axis, summary, x)));
  }

  private static int layers(@Nullable Path network) {
    try (NetworkCheckpoint stored = NetworkCheckpoint.open(Objects.requireNonNull(network))) {
      return stored.config().backbone().layers();
    }
  }
}
