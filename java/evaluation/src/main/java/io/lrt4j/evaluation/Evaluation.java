package io.lrt4j.evaluation;

import io.lrt4j.Answer;
import io.lrt4j.Cancellation;
import io.lrt4j.Engine;
import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Question;
import io.lrt4j.QuestionException;
import io.lrt4j.TemplateException;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Task;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Asks a data set's questions in several ways. An answer depends on the question, the cell and the
 * seed alone: not on what else is asked at the same time, nor on what was answered before.
 */
public final class Evaluation {
  private static final int WARM_UP = 20;

  private final DataSet data;
  private final int samples;
  private final GenerationOptions options;
  private final int batch;

  /** Hears of every question that is answered, one at a time. */
  @FunctionalInterface
  public interface Progress {
    /**
     * One more is answered, and on disk.
     *
     * @param done questions of the cell, this one included
     * @param accuracy of the cell so far
     */
    void onAnswered(Cell cell, int done, int total, double accuracy);
  }

  /**
   * What to ask.
   *
   * @param samples answers to every question; with one temperature above 0
   * @param options sampling, and the seed (0 without one); limits are the cells'
   * @param batch questions asked at the same time
   */
  public Evaluation(DataSet data, int samples, GenerationOptions options, int batch) {
    if (samples < 1 || batch < 1) {
      throw new IllegalArgumentException("samples " + samples + ", batch " + batch);
    }
    this.data = data;
    this.samples = samples;
    this.options = options;
    this.batch = batch;
  }

  /**
   * Answers what {@code answers} does not hold yet. A {@link Cancellation} in the options ends it;
   * what was answered whole is kept.
   */
  public void run(Engine engine, Cell cell, AnswerFile answers, Progress progress) {
    run(cell, answers, progress, task -> answer(engine, cell, task));
  }

  /** The same with another way to answer a question. */
  public void run(
      Cell cell, AnswerFile answers, Progress progress, Function<Task, Answered> answerer) {
    List<Task> open = new ArrayList<>();
    var tally = new Tally();
    for (Task task : data.tasks()) {
      Answered before = answers.get(cell.key(), task.id());
      if (before == null) {
        open.add(task);
      } else {
        tally.add(before);
      }
    }
    each(
        open,
        answerer,
        answered -> {
          answers.add(answered);
          tally.add(answered);
          progress.onAnswered(cell, tally.done, data.tasks().size(), tally.right / tally.done);
        });
  }

  /** What is answered so far. */
  private static final class Tally {
    private int done;
    private double right;

    void add(Answered answered) {
      done++;
      right += answered.accuracy();
    }
  }

  /** Answers everything, and keeps it in memory only. */
  public List<Answered> run(Engine engine, Cell cell) {
    List<Answered> all = new ArrayList<>();
    each(data.tasks(), task -> answer(engine, cell, task), all::add);
    return all;
  }

  /** Hands on every answer, in the order of the questions, however many are under way. */
  private void each(
      List<Task> tasks, Function<Task, Answered> answerer, Consumer<Answered> consumer) {
    try (ExecutorService pool = Executors.newFixedThreadPool(batch)) {
      List<Future<Answered>> futures = new ArrayList<>();
      for (int next = 0, taken = 0; taken < tasks.size(); taken++) {
        while (next < tasks.size() && next - taken < 2 * batch) {
          Task task = tasks.get(next++);
          futures.add(pool.submit(() -> answerer.apply(task)));
        }
        Answered answered = futures.get(taken).get();
        if (isCancelled()) {
          futures.forEach(f -> f.cancel(true));
          return;
        }
        consumer.accept(answered);
      }
    } catch (ExecutionException e) {
      if (e.getCause() instanceof RuntimeException cause) {
        throw cause;
      }
      throw new EvaluationException("a question could not be answered: " + e.getCause(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Answers a few questions for nothing, so that the compiler's work is not measured. */
  public void warmUp(Engine engine, Cell cell) {
    for (int i = 0; i < WARM_UP && !isCancelled(); i++) {
      answer(engine, cell, data.tasks().get(i % data.tasks().size()));
    }
  }

  private boolean isCancelled() {
    Cancellation cancellation = options.cancellation();
    return Thread.currentThread().isInterrupted()
        || (cancellation != null && cancellation.isCancelled());
  }

  /** A task as the engine is asked it, with its own seed. */
  public Question question(Cell cell, Task task) {
    return Question.of(task.prompt())
        .mode(cell.mode())
        .options(
            options
                .withMaxTokens(cell.budget())
                .withBudget(cell.budget() < 2 ? 0 : cell.budget())
                .withSeed(seed(task)));
  }

  private Answered answer(Engine engine, Cell cell, Task task) {
    List<Trial> trials = new ArrayList<>();
    List<Answer> answers;
    try {
      answers = engine.sample(question(cell, task), samples);
    } catch (QuestionException | TemplateException e) {
      throw new EvaluationException("question " + task.id() + ": " + e.getMessage(), e);
    }
    for (Answer answer : answers) {
      if (answer.finishReason() != FinishReason.CANCELLED) {
        trials.add(Trial.of(task, answer));
      }
    }
    return new Answered(cell.key(), task.id(), task.group(), task.truth(), trials);
  }

  /** A seed of the question's own: samples of two questions share none. */
  private long seed(Task task) {
    return (Objects.requireNonNullElse(options.seed(), 0L) * 0x9E3779B97F4A7C15L
            + task.id().hashCode())
        << 16;
  }
}
