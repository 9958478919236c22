package io.lrt4j.evaluation;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Task;
import io.lrt4j.evaluation.grade.Grader;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.ToDoubleFunction;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What came of a data set.
 *
 * @param data name of the data set
 * @param setting what was run: model, options, machine
 * @param cells one for each way of answering
 */
public record Summary(String data, Map<String, String> setting, List<Result> cells) {
  /**
   * One way of answering.
   *
   * @param cell its key
   * @param questions how many
   * @param samples answers to each
   * @param passAt1 mean over all answers
   * @param low lower end of its 95 % interval (Wilson, over questions)
   * @param high upper end
   * @param deviation standard deviation of the accuracy from sample to sample; null of one sample
   * @param passAtK unbiased, by k: powers of two up to the number of samples
   * @param majority accuracy of the majority vote; null of one sample
   * @param explicitShare part of the answers that were thought about in text
   * @param cutShare part of the answers that ended for lack of tokens
   * @param promptTokens mean
   * @param latentTokens mean
   * @param reasoningTokens mean
   * @param answerTokens mean
   * @param firstTokenMs mean
   * @param totalMs mean
   * @param groups accuracy by group
   * @param perQuestion accuracy by question
   */
  @JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
  public record Result(
      String cell,
      int questions,
      int samples,
      double passAt1,
      double low,
      double high,
      @Nullable Double deviation,
      Map<Integer, Double> passAtK,
      @Nullable Double majority,
      double explicitShare,
      double cutShare,
      double promptTokens,
      double latentTokens,
      double reasoningTokens,
      double answerTokens,
      double firstTokenMs,
      double totalMs,
      Map<String, Double> groups,
      Map<String, Double> perQuestion) {
    /** Tokens generated one after another for an answer, mean. */
    public double generated() {
      return reasoningTokens + answerTokens;
    }
  }

  /** Sums up; the order of the answers does not matter. */
  public static Summary of(DataSet data, Map<String, String> setting, List<Answered> answered) {
    Map<String, Map<String, Answered>> byCell = new LinkedHashMap<>();
    for (Answered a : answered) {
      byCell.computeIfAbsent(a.cell(), _ -> new LinkedHashMap<>()).put(a.id(), a);
    }
    List<Result> results = new ArrayList<>();
    byCell.forEach((cell, answers) -> results.add(result(cell, data, answers)));
    return new Summary(data.name(), setting, results);
  }

  private static Result result(String cell, DataSet data, Map<String, Answered> byId) {
    List<Task> tasks = data.tasks().stream().filter(t -> byId.containsKey(t.id())).toList();
    List<Answered> answers = tasks.stream().map(t -> byId.get(t.id())).toList();
    int samples = answers.stream().mapToInt(a -> a.trials().size()).min().orElseThrow();
    List<Trial> trials = answers.stream().flatMap(a -> a.trials().stream()).toList();
    double accuracy = mean(answers, Answered::accuracy);
    var interval = Statistics.proportion(accuracy, answers.size());
    double[] bySample =
        IntStream.range(0, samples)
            .mapToDouble(i -> mean(answers, a -> a.trials().get(i).right() ? 1 : 0))
            .toArray();
    Map<Integer, Double> passAt = new LinkedHashMap<>();
    for (int k = 1; k <= samples; k *= 2) {
      int drawn = k;
      passAt.put(k, mean(answers, a -> Statistics.passAt(a.trials().size(), a.right(), drawn)));
    }
    double voted = 0;
    Map<String, List<Answered>> groups = new TreeMap<>();
    Map<String, Double> perQuestion = new LinkedHashMap<>();
    for (int i = 0; i < tasks.size(); i++) {
      Answered a = answers.get(i);
      voted += majority(tasks.get(i).grader(), a.trials()).right() ? 1 : 0;
      perQuestion.put(a.id(), a.accuracy());
      if (!a.group().isEmpty()) {
        groups.computeIfAbsent(a.group(), _ -> new ArrayList<>()).add(a);
      }
    }
    Map<String, Double> byGroup = new LinkedHashMap<>();
    groups.forEach((group, of) -> byGroup.put(group, mean(of, Answered::accuracy)));
    return new Result(
        cell,
        answers.size(),
        samples,
        accuracy,
        interval.low(),
        interval.high(),
        samples > 1 ? Statistics.deviation(bySample) : null,
        passAt,
        samples > 1 ? voted / tasks.size() : null,
        mean(trials, t -> t.mode().equals("explicit") ? 1 : 0),
        mean(trials, t -> t.finishReason().equals("length") ? 1 : 0),
        mean(trials, Trial::promptTokens),
        mean(trials, Trial::latentTokens),
        mean(trials, Trial::reasoningTokens),
        mean(trials, Trial::answerTokens),
        mean(trials, Trial::firstTokenMs),
        mean(trials, Trial::totalMs),
        byGroup,
        perQuestion);
  }

  private static <T> double mean(List<T> of, ToDoubleFunction<T> figure) {
    return of.stream().mapToDouble(figure).average().orElse(Double.NaN);
  }

  /**
   * The first of the answers that most of them agree with; those without a final one do not vote.
   */
  static Trial majority(Grader grader, List<Trial> trials) {
    Trial best = trials.getFirst();
    int most = 0;
    for (Trial candidate : trials) {
      if (candidate.found().isEmpty()) {
        continue;
      }
      int votes = 0;
      for (Trial t : trials) {
        votes += grader.agree(candidate.found(), t.found()) ? 1 : 0;
      }
      if (votes > most) {
        most = votes;
        best = candidate;
      }
    }
    return best;
  }
}
