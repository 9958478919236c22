package io.lrt4j.training;

import io.lrt4j.checkpoint.CheckpointWriter;
import io.lrt4j.checkpoint.GenerationDefaults;
import io.lrt4j.compute.DType;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.training.data.Problem;
import io.lrt4j.training.data.ProblemSource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/**
 * Pre-training of a small base model: the next token, of explicit and direct answers to problems.
 * Step s takes problems s · batch to (s + 1) · batch - 1 of the source.
 */
final class BaseTask implements Task {
  private static final List<String> TOKENIZER_FILES =
      List.of(
          "tokenizer.json",
          "vocab.json",
          "merges.txt",
          "tokenizer_config.json",
          "chat_template.jinja");

  private final Path origin;
  private final ModelConfig config;
  private final GenerationDefaults generation;
  private final Parameters parameters;
  private final TrainableBase model;
  private final ProblemEncoder encoder;
  private final ProblemSource source;
  private final List<Example> explicitHeldOut;
  private final List<Example> directHeldOut;
  private final Optimizer optimizer;
  private final BaseSettings settings;
  private final TokenScores scores = new TokenScores(false);
  private final TokenScores details = new TokenScores(true);

  /**
   * A task on a whole model.
   *
   * @param origin the checkpoint it began as, whose tokenizer it keeps
   * @param model over the parameters
   * @param heldOut problems it is evaluated on
   */
  BaseTask(
      Path origin,
      ModelConfig config,
      GenerationDefaults generation,
      Parameters parameters,
      TrainableBase model,
      ProblemEncoder encoder,
      ProblemSource source,
      List<Problem> heldOut,
      Optimizer optimizer,
      BaseSettings settings) {
    this.origin = origin;
    this.config = config;
    this.generation = generation;
    this.parameters = parameters;
    this.model = model;
    this.encoder = encoder;
    this.source = source;
    this.optimizer = optimizer;
    this.settings = settings;
    source.problems().forEach(p -> encoder.base(p, true, true)); // refuses what is too long
    explicitHeldOut = heldOut.stream().map(p -> encoder.base(p, true, false)).toList();
    directHeldOut = heldOut.stream().map(encoder::direct).toList();
  }

  @Override
  public Parameters parameters() {
    return parameters;
  }

  @Override
  public Optimizer optimizer() {
    return optimizer;
  }

  @Override
  public SequencedMap<String, Double> step(int step, double learningRate) {
    int batch = settings.batch();
    List<Example> examples = new ArrayList<>(batch);
    double tokens = 0;
    int fed = 0;
    for (int i = 0; i < batch; i++) {
      Example example = encoder.base(source.get((long) step * batch + i), true, true);
      examples.add(example);
      int explicit = example.answers().getFirst().length;
      int direct = example.answers().getLast().length;
      tokens += explicit + settings.directWeight() * direct;
      tokens += settings.allText() ? example.prompt().length - 1 : 0;
      fed += explicit + direct + example.prompt().length;
    }
    var loss = new SftLoss(tokens, this::weight);
    for (List<Example> part : Batches.split(examples, settings.accumulate())) {
      model.score(part, settings.allText(), scores, loss);
    }
    double norm = optimizer.step(learningRate);
    var metrics = new LinkedHashMap<String, Double>();
    metrics.put("loss", loss.value());
    metrics.put("grad_norm", norm);
    metrics.put("num_tokens", (double) fed);
    return metrics;
  }

  /** A problem's answers are its prompt, if that is learnt, then its chain, then the direct one. */
  private double weight(int token) {
    int answer = model.answers().answerOf(token);
    int each = settings.allText() ? 3 : 2;
    return answer % each == each - 1 ? settings.directWeight() : 1;
  }

  /**
   * Loss on held-out problems, and how many are answered word for word as they should, thinking
   * included.
   */
  @Override
  public SequencedMap<String, Double> evaluate() {
    var metrics = new LinkedHashMap<String, Double>();
    metrics.put("eval_loss", 0.0);
    metrics.put("eval_accuracy", evaluate(explicitHeldOut, metrics));
    metrics.put("eval_direct_accuracy", evaluate(directHeldOut, new LinkedHashMap<>()));
    return metrics;
  }

  private double evaluate(List<Example> heldOut, SequencedMap<String, Double> metrics) {
    double sum = 0;
    int tokens = 0;
    int right = 0;
    for (List<Example> part : Batches.of(heldOut, settings.batch())) {
      model.score(part, false, details, null);
      PackedAnswers answers = model.answers();
      for (int i = 0; i < answers.tokens(); i++) {
        sum -= details.logprobs[i];
      }
      tokens += answers.tokens();
      right += details.rightAnswers(answers);
    }
    metrics.put("eval_loss", sum / tokens);
    return (double) right / heldOut.size();
  }

  @Override
  public String bestBy() {
    return "eval_loss";
  }

  @Override
  public void save(Path directory) {
    CheckpointWriter.model(
        directory,
        config,
        generation,
        name -> parameters.get(parameters.master(), name),
        settings.bf16() ? DType.BF16 : DType.F32);
    for (String file : TOKENIZER_FILES) {
      try {
        if (Files.exists(origin.resolve(file))) {
          Files.copy(origin.resolve(file), directory.resolve(file));
        }
      } catch (IOException e) {
        throw new TrainingException(directory + ": " + file + " cannot be copied there", e);
      }
    }
  }
}
