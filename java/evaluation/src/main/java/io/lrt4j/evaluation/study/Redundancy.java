package io.lrt4j.evaluation.study;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.evaluation.Answered;
import io.lrt4j.evaluation.Cell;
import io.lrt4j.evaluation.Trial;
import io.lrt4j.evaluation.data.Task;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import java.util.stream.IntStream;

/**
 * How much of a written thinking is needed: it is generated, dropped at random in part, and the
 * answer decoded from what is left (section 2 of the paper).
 */
public final class Redundancy {
  private static final int[] RATES = {0, 10, 20, 30, 40, 50, 60, 70, 80, 90};
  private static final String END = "</think>";
  private static final String CLOSE = "\n</think>\n\n"; // where the model did not close it itself

  private final Engine engine;
  private final GenerationOptions options;
  private final int budget;
  private final Map<String, Answer> thought = new HashMap<>();

  /**
   * What to think with.
   *
   * @param options greedy, or sampling with its seed
   * @param budget of the thinking and its answer
   */
  public Redundancy(Engine engine, GenerationOptions options, int budget) {
    this.engine = engine;
    this.options = options.withMaxTokens(budget).withBudget(budget);
    this.budget = budget;
  }

  /**
   * A part of the thinking to drop.
   *
   * @param steps whether whole steps are dropped, or single tokens
   * @param percent of them
   */
  public record Drop(boolean steps, int percent) {
    /** Its cell. */
    public Cell cell(int budget) {
      return new Cell((steps ? "steps" : "tokens") + " " + percent, Mode.EXPLICIT, budget);
    }
  }

  /** By token and by step, at 0 to 90 percent. */
  public List<Drop> drops() {
    return List.of(false, true).stream()
        .flatMap(steps -> Arrays.stream(RATES).mapToObj(rate -> new Drop(steps, rate)))
        .toList();
  }

  /** Thinks about a question, forgets in part, and answers. */
  public Answered answer(Task task, Drop drop) {
    Question question = Question.of(task.prompt()).mode(Mode.EXPLICIT).options(options);
    Answer full = thought.computeIfAbsent(task.id(), _ -> engine.ask(question));
    int count = full.tokens().reasoning();
    List<Integer> thinking = full.ids().subList(0, count);
    boolean closed = count > 0 && text(thinking.getLast()).contains(END);
    List<Integer> close =
        closed ? List.of(thinking.getLast()) : IntStream.of(engine.encode(CLOSE)).boxed().toList();
    List<List<Integer>> parts = parts(closed ? thinking.subList(0, count - 1) : thinking, drop);
    var random =
        new SplittableRandom(
            Objects.requireNonNullElse(options.seed(), 0L) * 31 + task.id().hashCode());
    int left = (int) Math.round(parts.size() * (100 - drop.percent) / 100.0);
    List<Integer> order = new ArrayList<>(IntStream.range(0, parts.size()).boxed().toList());
    for (int i = order.size() - 1; i > 0; i--) {
      order.set(i, order.set(random.nextInt(i + 1), order.get(i)));
    }
    List<Integer> kept = new ArrayList<>();
    order.subList(0, left).stream().sorted().forEach(i -> kept.addAll(parts.get(i)));

    int[] prompt =
        IntStream.concat(
                Arrays.stream(engine.prompt(question)), IntStream.concat(ints(kept), ints(close)))
            .toArray();
    Answer answer = engine.generate(prompt, options.withBudget(0));
    Trial t = Trial.of(task, answer);
    var trial =
        new Trial(
            t.text(),
            engine.decode(ints(kept).toArray()),
            t.found(),
            t.right(),
            "explicit",
            t.finishReason(),
            t.promptTokens(),
            0,
            kept.size(),
            t.answerTokens(),
            t.confidence(),
            t.margin(),
            t.firstTokenMs(),
            t.decodeMs(),
            t.totalMs());
    return new Answered(
        drop.cell(budget).key(), task.id(), task.group(), task.truth(), List.of(trial));
  }

  private static IntStream ints(List<Integer> ids) {
    return ids.stream().mapToInt(Integer::intValue);
  }

  private String text(int id) {
    return engine.decode(new int[] {id});
  }

  /** Tokens one by one, or steps: up to a line's end, or a semicolon. */
  private List<List<Integer>> parts(List<Integer> thinking, Drop drop) {
    List<List<Integer>> parts = new ArrayList<>();
    List<Integer> part = new ArrayList<>();
    for (int id : thinking) {
      part.add(id);
      if (!drop.steps || text(id).matches("(?s).*[\\n;].*")) {
        parts.add(part);
        part = new ArrayList<>();
      }
    }
    if (!part.isEmpty()) {
      parts.add(part);
    }
    return parts;
  }
}
