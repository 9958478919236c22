package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.EngineOptions;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.evaluation.data.Fingerprint;
import io.lrt4j.training.BaseSettings;
import io.lrt4j.training.GrpoSettings;
import io.lrt4j.training.LearningRate;
import io.lrt4j.training.OptimizerSettings;
import io.lrt4j.training.RunSettings;
import io.lrt4j.training.SftSettings;
import io.lrt4j.training.Training;
import io.lrt4j.training.data.Lab;
import io.lrt4j.training.data.Problem;
import io.lrt4j.training.data.ProblemFiles;
import io.lrt4j.training.data.ProblemSource;
import io.lrt4j.training.data.Rewards;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.SequencedMap;
import java.util.function.DoublePredicate;
import java.util.stream.LongStream;
import java.util.stream.Stream;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/** {@code lrt train}: a base model, a reasoning network, and the network further by reward. */
final class TrainCommand implements Command {
  private static final String OF_1 = "a number from 0 to 1";
  private static final String ABOVE_0 = "a number above 0";

  @Override
  public String name() {
    return "train";
  }

  @Override
  public String summary() {
    return "train a base model, or a reasoning network by examples or by reward";
  }

  @Override
  public String usage() {
    return "base|sft|grpo --model DIR [--network DIR] (--lab A-B | --data FILE) --out DIR";
  }

  @Override
  public int operands() {
    return 1;
  }

  @Override
  public Options options() {
    return Arguments.together(
        new Options()
            .addOption(valued("model", "DIR", "base model: to train (base), or to stay frozen"))
            .addOption(valued("network", "DIR", "reasoning network to begin with (sft, grpo)"))
            .addOption(
                valued("reference", "DIR", "network to stay close to (grpo; default: --network)"))
            .addOption(valued("lab", "A-B", "train on the lab's problems of so many steps"))
            .addOption(LabCommand.range())
            .addOption(
                valued("step-weights", "W,…", "how often each number of the lab's steps comes up"))
            .addOption(
                valued(
                    "curriculum", "N", "steps of the run after which all lab's problems come up"))
            .addOption(valued("data", "FILE", "train on a JSONL file"))
            .addOption(
                valued(
                    "eval-data",
                    "FILE",
                    "evaluate on a JSONL file (default: the lab's held-out"
                        + " set, or the end of --data)"))
            .addOption(valued("eval", "N", "evaluate on so many problems (default: 256)"))
            .addOption(valued("out", "DIR", "where checkpoints, the best and metrics go"))
            .addOption(flag("resume", "go on from the checkpoint in --out"))
            .addOption(valued("steps", "N", "steps of the run"))
            .addOption(valued("batch", "N", "problems of a step (default: 64)"))
            .addOption(valued("accumulate", "N", "batches that a step is split into (default: 1)"))
            .addOption(valued("lr", "X", "highest learning rate (default: 1e-3, grpo 1e-5)"))
            .addOption(valued("warmup", "N", "steps of warm-up (default: a fiftieth)"))
            .addOption(valued("lr-floor", "X", "part of the rate left at the end (default: 0.1)"))
            .addOption(valued("lr-hold", "X", "part of the run before the rate falls (default: 0)"))
            .addOption(
                valued(
                    "muon-lr", "X", "update the layers' matrices by Muon with this highest rate"))
            .addOption(valued("weight-decay", "X", "decoupled (default: 0.01)"))
            .addOption(valued("clip", "X", "largest norm of a gradient (default: 1)"))
            .addOption(valued("beta1", "X", "of AdamW (default: 0.9)"))
            .addOption(valued("beta2", "X", "of AdamW (default: 0.95)"))
            .addOption(valued("seed", "S", "of data and sampling (default: 0)"))
            .addOption(valued("log-every", "N", "steps between lines of metrics (default: 10)"))
            .addOption(valued("eval-every", "N", "steps between evaluations (default: 200)"))
            .addOption(valued("save-every", "N", "steps between checkpoints (default: 200)"))
            .addOption(flag("recompute", "compute layers again on the way back: less memory"))
            .addOption(
                valued("dtype", "bf16|f32", "of the parameters; AdamW keeps f32 (default: bf16)"))
            .addOption(
                valued(
                    "loss",
                    "answer|all",
                    "base: learn answers, or questions too (default: answer)"))
            .addOption(
                valued(
                    "direct-weight",
                    "X",
                    "base: weight of a direct answer's token (default: 1, as in a chain)"))
            .addOption(
                valued(
                    "step-loss",
                    "X",
                    "sft: weight of the loss of heads that read the value after step j from latent"
                        + " j, dropped at the end (default: 0)"))
            .addOption(valued("group", "K", "grpo: answers to a question (default: 8)"))
            .addOption(valued("temperature", "X", "grpo: of sampling (default: 0.6)"))
            .addOption(valued("top-p", "X", "grpo: of sampling (default: 0.95)"))
            .addOption(valued("kl", "X", "grpo: weight of the divergence (default: 2e-3)"))
            .addOption(valued("clip-ratio", "X", "grpo: clipping range (default: 0.2)"))
            .addOption(valued("inner-epochs", "N", "grpo: updates on each sample (default: 1)"))
            .addOption(valued("max-tokens", "N", "grpo: of an answer (default: 64)"))
            .addOption(
                valued(
                    "reward",
                    "auto|number|boxed|choice",
                    "grpo: how answers are checked (default: auto)"))
            .addOption(valued("backend", "scalar|vector", "(default: the best available)"))
            .addOption(valued("threads", "N", "compute threads (default: one per processor)")),
        CommonOptions.general());
  }

  @Override
  public void run(Arguments arguments, Console console) {
    String what = arguments.operand();
    if (what == null || !List.of("base", "sft", "grpo").contains(what)) {
      throw new UsageException(
          "train needs base, sft or grpo, found " + (what == null ? "nothing" : what));
    }
    Path model = CommonOptions.directory("--model", required(arguments, "model"));
    boolean grpo = what.equals("grpo");
    Path network =
        what.equals("base")
            ? model
            : CommonOptions.directory("--network", required(arguments, "network"));
    Path reference =
        arguments.text("reference") == null
            ? network
            : CommonOptions.directory("--reference", required(arguments, "reference"));
    boolean bf16 = arguments.choice("dtype", "bf16", "f32").equals("bf16");
    boolean recompute = arguments.has("recompute");
    int batch = arguments.integer("batch", 64, 1, 1 << 20);
    float rate = number(arguments, "lr", grpo ? 1e-5f : 1e-3f, TrainCommand::positive, ABOVE_0);
    var settings =
        new BaseSettings(
            batch,
            arguments.integer("accumulate", 1, 1, batch),
            arguments.choice("loss", "answer", "all").equals("all"),
            bf16,
            number(arguments, "direct-weight", 1, x -> x >= 0, "0 or more"));
    double stepLoss = number(arguments, "step-loss", 0, x -> x >= 0, "0 or more");
    var sftSettings = new SftSettings(batch, settings.accumulate(), bf16, stepLoss);
    var grpoSettings =
        new GrpoSettings(
            batch,
            arguments.integer("group", 8, 2, 1024),
            settings.accumulate(),
            arguments.integer("inner-epochs", 1, 1, 100),
            number(arguments, "clip-ratio", 0.2f, TrainCommand::fraction, OF_1),
            number(arguments, "kl", 2e-3f, x -> x >= 0, "0 or more"),
            number(arguments, "temperature", 0.6f, TrainCommand::positive, ABOVE_0),
            number(arguments, "top-p", 0.95f, TrainCommand::fraction, OF_1),
            arguments.integer("max-tokens", 64, 1, 1 << 16),
            seed(arguments));
    Rewards reward =
        Rewards.valueOf(
            arguments
                .choice("reward", "auto", "number", "boxed", "choice")
                .toUpperCase(Locale.ROOT));
    EngineOptions engine = CommonOptions.engine(arguments);
    Data data = data(arguments, batch);
    List<String> own =
        switch (what) {
          case "base" -> List.of("loss " + (settings.allText() ? "all" : "answer"));
          case "sft" -> List.of("network_hash " + Fingerprint.ofNetwork(network));
          default -> course(grpoSettings, reward, network, reference);
        };
    if (!what.equals("base")) {
      noteThreshold(network, console);
    }
    var bar = new ProgressBar(console);
    SequencedMap<String, Double> result;
    try (Backend backend = Backends.openForTraining(engine.backend(), engine.threads())) {
      var plan =
          new Training.Plan(
              data.source,
              data.heldOut,
              optimizer(arguments, rate),
              run(arguments, what, model, network, batch, rate, data, own),
              backend,
              bar);
      result =
          switch (what) {
            case "base" -> Training.base(model, settings, recompute, plan);
            case "sft" -> Training.sft(model, network, sftSettings, recompute, plan);
            default ->
                Training.grpo(
                    model, network, reference, grpoSettings, reward, bf16, recompute, plan);
          };
    } finally {
      bar.end();
    }
    report(result, required(arguments, "out"), arguments.has("json"), console);
  }

  private static void noteThreshold(Path network, Console console) {
    try (NetworkCheckpoint stored = NetworkCheckpoint.open(network)) {
      if (stored.config().autoThreshold().isPresent()) {
        console.note(
            network
                + ": its threshold of auto was found on the weights that it has, and is not taken"
                + " over; study hybrid --write-threshold finds one for those trained");
      }
    }
  }

  private static boolean positive(double x) {
    return x > 0;
  }

  private static boolean fraction(double x) {
    return x >= 0 && x <= 1;
  }

  private static String required(Arguments arguments, String option) {
    String value = arguments.text(option);
    if (value == null) {
      throw new UsageException("train needs --" + option + "; see lrt train --help");
    }
    return value;
  }

  private static long seed(Arguments arguments) {
    return arguments.integer("seed", 0L, Long.MIN_VALUE, Long.MAX_VALUE);
  }

  private static float number(
      Arguments arguments, String option, float otherwise, DoublePredicate valid, String be) {
    Float value = arguments.number(option, valid, be);
    return value == null ? otherwise : value;
  }

  private record Data(ProblemSource source, List<Problem> heldOut) {}

  private static Data data(Arguments arguments, int batch) {
    boolean lab = arguments.has("lab");
    String file = arguments.text("data");
    if (lab == (file != null)) {
      throw new UsageException(
          "train needs either --lab A-B or --data FILE, found " + (lab ? "both" : "neither"));
    }
    int count = arguments.integer("eval", 256, 1, 1 << 20);
    String evalFile = arguments.text("eval-data");
    List<Problem> heldOut =
        evalFile == null ? List.of() : head(ProblemFiles.read(Path.of(evalFile)), count);
    long seed = seed(arguments);
    if (lab) {
      LabCommand.Steps steps = LabCommand.Steps.parse(arguments, "lab", "1-6");
      Lab.Range range = LabCommand.range(arguments);
      var even = Lab.Mix.even(steps.least(), steps.most());
      Lab test = new Lab(range, even, seed, Lab.Split.HELDOUT);
      return new Data(
          new Lab(range, mix(arguments, steps, batch), seed, Lab.Split.TRAIN)::problem,
          evalFile == null ? LongStream.range(0, count).mapToObj(test::problem).toList() : heldOut);
    }
    List<Problem> all = ProblemFiles.read(Path.of(file));
    if (evalFile == null) {
      int train = Math.max(all.size() - count, all.size() / 2);
      heldOut = all.subList(train, all.size());
      all = all.subList(0, train);
    }
    if (all.isEmpty() || heldOut.isEmpty()) {
      throw new FailureException("there must be problems to train on and to evaluate on");
    }
    return new Data(ProblemSource.shuffled(all, seed), heldOut);
  }

  private static Lab.Mix mix(Arguments arguments, LabCommand.Steps steps, int batch) {
    String weights = arguments.text("step-weights");
    long curriculum = (long) batch * arguments.integer("curriculum", 0, 0, Integer.MAX_VALUE);
    try {
      List<Double> parsed =
          weights == null
              ? List.of()
              : Stream.of(weights.split(",", -1)).map(Double::valueOf).toList();
      return new Lab.Mix(steps.least(), steps.most(), parsed, curriculum);
    } catch (NumberFormatException e) {
      throw new UsageException("--step-weights must be numbers as 1,1,2, found " + weights);
    } catch (IllegalArgumentException e) {
      throw new UsageException("--step-weights: " + e.getMessage());
    }
  }

  private static List<Problem> head(List<Problem> problems, int count) {
    return problems.subList(0, Math.min(count, problems.size()));
  }

  private static OptimizerSettings optimizer(Arguments arguments, float rate) {
    OptimizerSettings d = OptimizerSettings.defaults();
    return new OptimizerSettings(
        number(arguments, "beta1", d.beta1(), TrainCommand::fraction, OF_1),
        number(arguments, "beta2", d.beta2(), TrainCommand::fraction, OF_1),
        d.eps(),
        number(arguments, "weight-decay", d.weightDecay(), x -> x >= 0, "0 or more"),
        number(arguments, "clip", (float) d.clip(), TrainCommand::positive, ABOVE_0),
        number(arguments, "muon-lr", 0, TrainCommand::positive, ABOVE_0) / rate);
  }

  private static RunSettings run(
      Arguments arguments,
      String what,
      Path model,
      Path network,
      int batch,
      float rate,
      Data data,
      List<String> own) {
    required(arguments, "steps");
    int steps = arguments.integer("steps", 1, 1, Integer.MAX_VALUE);
    var schedule =
        new LearningRate(
            rate,
            arguments.integer("warmup", Math.max(1, steps / 50), 0, steps),
            steps,
            number(arguments, "lr-floor", 0.1f, TrainCommand::fraction, OF_1),
            number(arguments, "lr-hold", 0, TrainCommand::fraction, OF_1));
    // What decides the course of a run; what only decides how it is computed may change.
    List<@Nullable Object> course = new ArrayList<>();
    Collections.addAll(
        course,
        what,
        model.getFileName(),
        network.getFileName(),
        "batch " + batch,
        "lab " + arguments.text("lab"),
        "range " + arguments.text("range"),
        "weights " + arguments.text("step-weights"),
        "curriculum " + arguments.text("curriculum"),
        "direct "
            + arguments.text("direct-weight")
            + (arguments.has("step-loss") ? " steps " + arguments.text("step-loss") : ""),
        "data " + arguments.text("data"),
        "data_hash " + ProblemFiles.fingerprint(data.source.problems()),
        "eval_data_hash " + ProblemFiles.fingerprint(data.heldOut),
        "seed " + seed(arguments),
        schedule,
        optimizer(arguments, rate),
        "dtype " + arguments.choice("dtype", "bf16", "f32"),
        "model_hash " + Fingerprint.ofModel(model));
    course.addAll(own);
    int every = Math.max(1, Math.min(200, steps));
    return new RunSettings(
        Path.of(required(arguments, "out")),
        arguments.has("resume"),
        schedule,
        arguments.integer("log-every", 10, 1, Integer.MAX_VALUE),
        arguments.integer("eval-every", every, 1, Integer.MAX_VALUE),
        arguments.integer("save-every", every, 1, Integer.MAX_VALUE),
        course.toString());
  }

  /** What decides the course of a run by reward besides. */
  private static List<String> course(
      GrpoSettings settings, Rewards reward, Path network, Path reference) {
    return List.of(
        "group " + settings.group(),
        "temperature " + settings.temperature(),
        "top_p " + settings.topP(),
        "kl " + settings.kl(),
        "clip_ratio " + settings.clipRatio(),
        "inner_epochs " + settings.innerEpochs(),
        "max_tokens " + settings.maxTokens(),
        "reward " + reward.name().toLowerCase(Locale.ROOT),
        "network_hash " + Fingerprint.ofNetwork(network),
        "reference_hash " + Fingerprint.ofNetwork(reference));
  }

  private static void report(
      SequencedMap<String, Double> result, String out, boolean json, Console console) {
    if (json) {
      var object = Reports.object();
      result.forEach(object::put);
      object.put("best", out + "/best").put("last", out + "/last");
      console.out().println(Reports.line(object));
      return;
    }
    result.forEach((name, value) -> console.out().printf(Locale.ROOT, "%s %.4f%n", name, value));
    console.out().println(out + "/best");
  }
}
