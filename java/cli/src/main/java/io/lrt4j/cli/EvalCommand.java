package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Quantization;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.evaluation.AnswerFile;
import io.lrt4j.evaluation.Answered;
import io.lrt4j.evaluation.Cell;
import io.lrt4j.evaluation.Evaluation;
import io.lrt4j.evaluation.External;
import io.lrt4j.evaluation.Summaries;
import io.lrt4j.evaluation.Summary;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Fingerprint;
import io.lrt4j.evaluation.data.Format;
import io.lrt4j.evaluation.grade.Grader;
import io.lrt4j.evaluation.study.Sections;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/** {@code lrt eval}: accuracy on a data set, by mode and budget. */
final class EvalCommand implements Command {
  private static final String SEED = "seed";

  /** What is said in another way here, and what no measurement wants. */
  private static final List<String> NOT_HERE =
      List.of("budget", "thinking-budget", "max-tokens", "ignore-eos", SEED);

  @Override
  public String name() {
    return "eval";
  }

  @Override
  public String summary() {
    return "measure accuracy and cost on a data set, by mode and token budget";
  }

  @Override
  public String usage() {
    return "--data FILE --out DIR [--budgets N,…] [--samples K] | --compare A.json B.json";
  }

  @Override
  public int operands() {
    return 1;
  }

  @Override
  public Options options() {
    Options decoding = new Options();
    Decoding.options().getOptions().stream()
        .filter(o -> !NOT_HERE.contains(o.getLongOpt()))
        .forEach(decoding::addOption);
    decoding.addOption(valued(SEED, "N", "same seed, same answers (default: 0)"));
    return Arguments.together(
        data(),
        new Options()
            .addOption(valued("out", "DIR", "where answers, summary and report go"))
            .addOption(flag("resume", "go on with the run in --out"))
            .addOption(valued("modes", "M,…", "which modes (default: all that the model can)"))
            .addOption(
                valued("budgets", "N,…", "tokens for thinking and answer together (default: 512)"))
            .addOption(valued("samples", "K", "answers to every question (default: 1)"))
            .addOption(valued("batch", "N", "questions asked at the same time (default: 1)"))
            .addOption(
                valued(
                    "grade",
                    "FILE",
                    "grade answers of another program: JSONL of a question's id (without one its"
                        + " line) and text"))
            .addOption(valued("compare", "A.json", "two summaries, paired by question")),
        CommonOptions.loading(),
        decoding,
        CommonOptions.general());
  }

  /** The options that name questions. */
  static Options data() {
    return new Options()
        .addOption(valued("data", "FILE", "JSONL: GSM8K, MATH-500, AMC23, LSAT, GPQA, the lab's"))
        .addOption(
            valued(
                "format",
                "auto|gsm8k|math|agieval|gpqa|plain",
                "of --data (default: auto, by its fields)"))
        .addOption(valued("question-field", "NAME", "field of --data with the question"))
        .addOption(valued("answer-field", "NAME", "field of --data with the right answer"))
        .addOption(
            valued(
                "grader",
                "auto|number|math|choice|text",
                "how answers are compared (default: as --format has it)"))
        .addOption(valued("limit", "N", "only the first N questions"));
  }

  @Override
  public String notes() {
    return Decoding.NOTES_WITH_SAMPLES
        + """
        Every answered question is in answers.jsonl at once; after a crash the same command with
        --resume goes on, if model, network and data are what they were. An answer depends on
        question, options and seed, not on --batch.
        """;
  }

  @Override
  public void run(Arguments arguments, Console console) throws IOException {
    String compare = arguments.text("compare");
    if (compare != null) {
      compare(Path.of(compare), arguments.operand(), arguments.has("json"), console);
      return;
    }
    if (arguments.operand() != null) {
      throw new UsageException("unexpected argument \"" + arguments.operand() + "\"");
    }
    DataSet data = dataSet(arguments, "eval");
    Path out = Path.of(required(arguments, "eval", "out"));
    String grade = arguments.text("grade");
    Summary summary =
        grade != null ? grade(Path.of(grade), data, out) : ask(arguments, data, out, console);
    finish(arguments, summary, out, console);
  }

  private void finish(Arguments arguments, Summary summary, Path out, Console console) {
    Summaries.write(out.resolve("summary.json"), summary);
    Studies.report(
        "Evaluation on " + summary.data(),
        arguments.shown(this),
        summary.setting(),
        Sections.accuracy(summary),
        out);
    console
        .out()
        .print(
            arguments.has("json")
                ? Summaries.json(summary) + System.lineSeparator()
                : Summaries.table(summary));
  }

  static String required(Arguments arguments, String command, String option) {
    String value = arguments.text(option);
    if (value == null) {
      throw new UsageException(command + " needs --" + option + "; see lrt " + command + " --help");
    }
    return value;
  }

  static DataSet dataSet(Arguments arguments, String command) {
    String file = required(arguments, command, "data");
    if (arguments.texts("data").size() > 1) {
      throw new UsageException("--data is given twice; only study geometry takes several");
    }
    return dataSet(arguments, Path.of(file));
  }

  /** A file, read as the options say. */
  static DataSet dataSet(Arguments arguments, Path file) {
    String format = arguments.choice("format", "auto", "gsm8k", "math", "agieval", "gpqa", "plain");
    String grader = arguments.choice("grader", "auto", "number", "math", "choice", "text");
    var reading =
        new DataSet.Reading(
            Format.valueOf(format.toUpperCase(Locale.ROOT)),
            arguments.text("question-field"),
            arguments.text("answer-field"),
            arguments.has("grader") ? Grader.valueOf(grader.toUpperCase(Locale.ROOT)) : null);
    int limit = arguments.integer("limit", Integer.MAX_VALUE, 1, Integer.MAX_VALUE);
    return DataSet.read(file, reading).first(limit);
  }

  private static Summary grade(Path file, DataSet data, Path out) throws IOException {
    List<Answered> answered = External.grade(file, data);
    Files.createDirectories(out);
    try (AnswerFile answers = AnswerFile.open(out, Map.of("grade", file.toString()), false)) {
      answered.forEach(answers::add);
    }
    return Summary.of(data, Map.of("grade", file.toString()), answered);
  }

  private static Summary ask(Arguments arguments, DataSet data, Path out, Console console) {
    Decoding decoding = Decoding.of(arguments);
    int samples = arguments.integer("samples", 1, 1, 4096);
    int batch = arguments.integer("batch", 1, 1, 1024);
    List<Integer> budgets = budgets(arguments, "512");
    List<Mode> asked = modes(arguments);
    // Every question is read anew: its times are those of one that nobody asked before.
    EngineOptions loading = CommonOptions.engine(arguments).withPrefixReuse(false);
    Path model = CommonOptions.model(arguments, console);
    try (Engine engine = CommonOptions.load(model, loading, console);
        var interrupt = new Interrupt()) {
      List<Cell> cells = new ArrayList<>();
      for (Mode mode : asked == null ? possible(engine) : asked) {
        budgets.forEach(budget -> cells.add(Cell.of(mode, budget)));
      }
      GenerationOptions options =
          decoding.over(
              engine.defaultOptions(), decoding.sampling(samples), interrupt.cancellation());
      Map<String, String> setting = setting(engine, loading, data, samples, options);
      boolean resume = arguments.has("resume");
      // It decides the answers of auto alone: other modes go on whatever it is by now.
      @Nullable String threshold =
          cells.stream().anyMatch(cell -> cell.mode() == Mode.AUTO)
                  && engine.defaultMode() == Mode.AUTO
              ? threshold(engine)
              : resume ? AnswerFile.begunWith(out).get(AnswerFile.AUTO_THRESHOLD) : null;
      if (threshold != null) {
        setting.put(AnswerFile.AUTO_THRESHOLD, threshold);
      }
      var evaluation = new Evaluation(data, samples, options, batch);
      var bar = new EvalProgress(console);
      try (AnswerFile answers = AnswerFile.open(out, setting, resume)) {
        for (Cell cell : cells) {
          evaluation.run(engine, cell, answers, bar);
        }
        bar.end();
        List<Answered> all = answers.all(data, cells);
        if (all.size() < cells.size() * data.tasks().size()) {
          throw new FailureException(
              "stopped after "
                  + all.size()
                  + " of "
                  + cells.size() * data.tasks().size()
                  + " answers; --resume goes on");
        }
        return Summary.of(data, setting, all);
      }
    }
  }

  /** What decides the answers, and is written beside them. */
  static Map<String, String> setting(
      Engine engine, EngineOptions loading, DataSet data, int samples, GenerationOptions o) {
    Map<String, String> setting = new LinkedHashMap<>();
    setting.put("model", engine.model().toString());
    setting.put("model_hash", Fingerprint.ofModel(engine.model()));
    Path network = engine.network();
    setting.put("network", String.valueOf(network));
    if (network != null) {
      setting.put("network_hash", Fingerprint.ofNetwork(network));
    }
    setting.put("backend", engine.backend());
    setting.put("quantize", rounding(loading.quantization()));
    setting.put("quantize_head", rounding(loading.headQuantization()));
    setting.put("quantize_network", rounding(loading.networkQuantization()));
    setting.put("quantize_embedding", rounding(loading.embeddingQuantization()));
    setting.put("cache_type", loading.cacheType().name().toLowerCase(Locale.ROOT));
    setting.put("data", data.name());
    setting.put("questions", Integer.toString(data.tasks().size()));
    setting.put(AnswerFile.QUESTIONS, data.fingerprint());
    setting.put("samples", Integer.toString(samples));
    setting.put("temperature", Float.toString(o.temperature()));
    setting.put("top_k", Integer.toString(o.topK()));
    setting.put("top_p", Float.toString(o.topP()));
    setting.put("min_p", Float.toString(o.minP()));
    setting.put("repetition_penalty", Float.toString(o.repetitionPenalty()));
    setting.put("presence_penalty", Float.toString(o.presencePenalty()));
    setting.put("frequency_penalty", Float.toString(o.frequencyPenalty()));
    setting.put("stop", o.stop().toString());
    setting.put("ignore_eos", Boolean.toString(o.ignoreEos()));
    setting.put("answer_cue", o.answerCue());
    setting.put("thinking_budget", Integer.toString(o.thinkingBudget()));
    setting.put("json_schema", String.valueOf(o.jsonSchema()));
    setting.put("seed", o.seed() == null ? "0" : o.seed().toString());
    return setting;
  }

  /** By what auto decides, with a calibrated network. */
  static String threshold(Engine engine) {
    try (NetworkCheckpoint stored =
        NetworkCheckpoint.open(Objects.requireNonNull(engine.network()))) {
      NetworkConfig config = stored.config();
      return config.autoConfidence().name().toLowerCase(Locale.ROOT)
          + " "
          + config.autoThreshold().orElse(Double.NaN);
    }
  }

  /** How weights are rounded; null is as those of the layers. */
  private static String rounding(@Nullable Quantization quantization) {
    return quantization == null ? "as quantize" : quantization.name().toLowerCase(Locale.ROOT);
  }

  /** The modes that {@code --modes} names, null without it. */
  static @Nullable List<Mode> modes(Arguments arguments) {
    String value = arguments.text("modes");
    if (value == null) {
      return null;
    }
    List<Mode> modes = new ArrayList<>();
    for (String name : value.split(",", -1)) {
      if (!List.of("auto", "latent", "explicit", "direct").contains(name)) {
        throw new UsageException(
            "--modes must be of auto, latent, explicit, direct, separated by commas, found "
                + value);
      }
      modes.add(Mode.valueOf(name.toUpperCase(Locale.ROOT)));
    }
    return modes.stream().distinct().toList();
  }

  /** Every mode that a model can answer in. */
  static List<Mode> possible(Engine engine) {
    List<Mode> modes = new ArrayList<>(List.of(Mode.DIRECT, Mode.EXPLICIT));
    if (engine.network() != null) {
      modes.addFirst(Mode.LATENT);
    }
    if (engine.defaultMode() == Mode.AUTO) {
      modes.addFirst(Mode.AUTO);
    }
    return modes;
  }

  static List<Integer> budgets(Arguments arguments, String otherwise) {
    return arguments.integers("budgets", otherwise, 2, Integer.MAX_VALUE);
  }

  private static void compare(Path first, @Nullable String second, boolean json, Console console) {
    if (second == null) {
      throw new UsageException("--compare needs two files, as in --compare A.json B.json");
    }
    for (var d : Summaries.compare(Summaries.read(first), Summaries.read(Path.of(second)))) {
      console
          .out()
          .println(
              json
                  ? Summaries.json(d)
                  : String.format(
                      Locale.ROOT,
                      "%s - %s: %+.2f points (95 %%: %+.2f to %+.2f), %d questions, %d better, %d"
                          + " worse",
                      d.second(),
                      d.first(),
                      100 * d.difference().value(),
                      100 * d.difference().low(),
                      100 * d.difference().high(),
                      d.questions(),
                      d.better(),
                      d.worse()));
    }
  }
}
