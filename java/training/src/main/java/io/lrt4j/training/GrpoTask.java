package io.lrt4j.training;

import io.lrt4j.GenerationOptions;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Memory;
import io.lrt4j.decode.CounterRandom;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Weights;
import io.lrt4j.reasoning.ReasoningNetwork;
import io.lrt4j.training.Rollouts.Rollout;
import io.lrt4j.training.data.Problem;
import io.lrt4j.training.data.ProblemSource;
import io.lrt4j.training.data.Reward;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * Stage 2: the network is rewarded for latents behind which sampled answers are right. A step
 * samples a group of answers to each of its questions, and then takes one or several epochs of
 * updates on them. Groups that are all right or all wrong say nothing and are left out.
 */
final class GrpoTask implements Task, AutoCloseable {
  private final LatentModel model;
  private final ProblemSource source;
  private final List<Problem> heldOut;
  private final List<Example> heldOutExamples;
  private final Optimizer optimizer;
  private final GrpoSettings settings;
  private final Reward reward;
  private final Deque<AutoCloseable> closers = new ArrayDeque<>();
  private final TrainableNetwork reference;
  private final Rollouts rollouts;
  private final CounterRandom random;
  private final TokenScores scores = new TokenScores(true);

  /**
   * A task on a network.
   *
   * @param referenceDirectory the stage-1 network, which the trained one is held close to
   * @param heldOut what it is evaluated on
   */
  GrpoTask(
      LatentModel model,
      Path referenceDirectory,
      ProblemSource source,
      List<Problem> heldOut,
      Optimizer optimizer,
      GrpoSettings settings,
      Reward reward) {
    this.model = model;
    this.source = source;
    this.heldOut = List.copyOf(heldOut);
    this.optimizer = optimizer;
    this.settings = settings;
    this.reward = reward;
    random = new CounterRandom(settings.seed());
    source.problems().forEach(this::asked); // refuses what is too long
    heldOut.forEach(this::asked);
    heldOutExamples = heldOut.stream().map(model.encoder()::latent).toList();
    Backend backend = model.backend();
    try {
      reference = reference(referenceDirectory, backend);
      var checkpoint = model.checkpoint();
      Memory memory = open(backend.newMemory());
      Weights weights = Weights.of(checkpoint.config(), "model.", checkpoint.on(memory));
      Transformer base = open(new Transformer(checkpoint.config(), weights, backend));
      // It reads the very parameters that are trained.
      ReasoningNetwork network =
          open(new ReasoningNetwork(model.config(), model.parameters().weights(), backend));
      rollouts =
          open(new Rollouts(base, network, model.closing(), model.vocabulary(), settings.group()));
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  private TrainableNetwork reference(Path directory, Backend backend) {
    try (NetworkCheckpoint stored = NetworkCheckpoint.open(directory)) {
      if (!stored.config().backbone().equals(model.config().backbone())
          || stored.config().latents() != model.config().latents()
          || stored.config().fusion() != model.config().fusion()) {
        throw new TrainingException(
            directory + ": expected a reference network of the trained one's shape, found another");
      }
      Parameters parameters =
          open(new Parameters(TensorLayout.of(stored.config()), backend, false));
      parameters.load(stored::tensor);
      return open(new TrainableNetwork(stored.config(), parameters, backend, false, false));
    }
  }

  private <T extends AutoCloseable> T open(T resource) {
    closers.push(resource);
    return resource;
  }

  @Override
  public Parameters parameters() {
    return model.parameters();
  }

  @Override
  public Optimizer optimizer() {
    return optimizer;
  }

  /** A question's sampled answers, with what they were worth. */
  @SuppressWarnings("ArrayRecordComponent") // private, and nobody changes them
  private record Group(Example example, double[] advantages) {}

  @Override
  public SequencedMap<String, Double> step(int step, double learningRate) {
    var statistics = new Statistics();
    List<Group> groups = new ArrayList<>();
    for (int i = 0; i < settings.batch(); i++) {
      long index = (long) step * settings.batch() + i;
      Problem problem = source.get(index);
      int[] prompt = asked(problem);
      List<Rollout> sampled = rollouts.sample(prompt, settings.group(), options(index));
      double[] rewards =
          sampled.stream().mapToDouble(r -> reward.score(r.text(), problem.truth())).toArray();
      statistics.add(sampled, rewards);
      if (Arrays.stream(rewards).distinct().count() > 1) {
        groups.add(
            new Group(
                new Example(prompt, sampled.stream().map(Rollout::ids).toList()),
                GrpoLoss.advantages(rewards)));
      }
    }
    var metrics = new LinkedHashMap<String, Double>();
    if (groups.isEmpty()) {
      metrics.put("loss", 0.0);
      metrics.put("grad_norm", 0.0);
    } else {
      update(groups, learningRate, metrics);
    }
    statistics.addTo(metrics);
    return metrics;
  }

  private int[] asked(Problem problem) {
    return model.encoder().asked(problem, settings.maxTokens());
  }

  /** The options of all samples of a question, with seeds of their own. */
  private GenerationOptions options(long index) {
    long seed = (long) (random.uniform(index, 0) * 0x1p24) << 32;
    return GenerationOptions.defaults()
        .withTemperature(settings.temperature())
        .withTopP(settings.topP())
        .withTopK(0)
        .withMaxTokens(settings.maxTokens())
        .withSeed(seed + (index << 8));
  }

  private void update(
      List<Group> groups, double learningRate, SequencedMap<String, Double> metrics) {
    List<List<Group>> parts = Batches.split(groups, settings.accumulate());
    int answers = groups.stream().mapToInt(g -> g.advantages.length).sum();
    List<List<float[]>> references = new ArrayList<>();
    List<List<float[]>> old = new ArrayList<>();
    double loss = 0;
    double norm = 0;
    for (int epoch = 0; epoch < settings.innerEpochs(); epoch++) {
      var objective =
          new GrpoLoss(model.path().answers(), answers, settings.clipRatio(), settings.kl());
      for (int p = 0; p < parts.size(); p++) {
        List<Example> examples = parts.get(p).stream().map(Group::example).toList();
        model.path().encode(examples);
        if (epoch == 0) {
          model.path().score(reference, examples, scores);
          references.add(scores.perAnswer(model.path().answers()));
        }
        double[] advantages =
            parts.get(p).stream().flatMapToDouble(g -> Arrays.stream(g.advantages)).toArray();
        objective.begin(epoch == 0 ? null : old.get(p), references.get(p), advantages);
        model.path().scoreAndDerive(model.network(), examples, scores, objective, null);
        if (epoch == 0) {
          old.add(scores.perAnswer(model.path().answers()));
        }
      }
      norm = optimizer.step(learningRate);
      loss += objective.value() / settings.innerEpochs();
      metrics.put("kl", objective.kl());
      metrics.put("entropy", objective.entropy());
      metrics.put("clip_ratio/low_mean", objective.clippedLow());
      metrics.put("clip_ratio/high_mean", objective.clippedHigh());
      metrics.put("clip_ratio/region_mean", objective.clippedLow() + objective.clippedHigh());
    }
    metrics.putFirst("grad_norm", norm);
    metrics.putFirst("loss", loss);
  }

  /** Sums over the groups of a step. */
  private static final class Statistics {
    private int groups;
    private int flat;
    private int answers;
    private int clipped;
    private long tokens;
    private double rewardSum;
    private double stdSum;

    void add(List<Rollout> sampled, double[] rewards) {
      double mean = Arrays.stream(rewards).average().orElse(0);
      double variance =
          Arrays.stream(rewards).map(r -> (r - mean) * (r - mean)).average().orElse(0);
      groups++;
      flat += variance == 0 ? 1 : 0;
      answers += rewards.length;
      rewardSum += mean;
      stdSum += Math.sqrt(variance);
      for (Rollout r : sampled) {
        tokens += r.ids().length;
        clipped += r.complete() ? 0 : 1;
      }
    }

    void addTo(SequencedMap<String, Double> metrics) {
      metrics.put("reward", rewardSum / groups);
      metrics.put("reward_std", stdSum / groups);
      metrics.put("frac_reward_zero_std", (double) flat / groups);
      metrics.put("completions/mean_length", (double) tokens / answers);
      metrics.put("completions/clipped_ratio", (double) clipped / answers);
      metrics.put("num_tokens", (double) tokens);
    }
  }

  /** Greedy accuracy by reward, and the loss of the answers as they should be. */
  @Override
  public SequencedMap<String, Double> evaluate() {
    SequencedMap<String, Double> metrics = model.evaluate(heldOutExamples, settings.batch());
    GenerationOptions greedy =
        GenerationOptions.defaults()
            .withTemperature(0)
            .withSeed(0)
            .withMaxTokens(settings.maxTokens());
    double sum = 0;
    for (int i = 0; i < heldOut.size(); i++) {
      Rollout answer = rollouts.sample(heldOutExamples.get(i).prompt(), 1, greedy).getFirst();
      sum += reward.score(answer.text(), heldOut.get(i).truth());
    }
    metrics.put("eval_reward", sum / heldOut.size());
    return metrics;
  }

  @Override
  public String bestBy() {
    return "eval_reward";
  }

  @Override
  public void save(Path directory) {
    model.save(directory);
  }

  @Override
  public void close() {
    Resources.close(closers);
  }
}
