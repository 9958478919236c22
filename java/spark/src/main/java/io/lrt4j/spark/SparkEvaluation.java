package io.lrt4j.spark;

import io.lrt4j.Engine;
import io.lrt4j.evaluation.Answered;
import io.lrt4j.evaluation.Cell;
import io.lrt4j.evaluation.Evaluation;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Task;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Iterator;
import java.util.List;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;

/**
 * Questions, spread over a cluster. An answer depends on its question, the cell and the plan alone:
 * so the results are those of {@link Evaluation} in one process, whatever the partitions. Every
 * executor loads the engine once, and keeps it.
 *
 * <pre>{@code
 * List<Answered> answered =
 *     SparkEvaluation.evaluate(spark, data, Cell.of(Mode.LATENT, 512), Plan.greedy("/models/m"), 64);
 * Summary summary = Summary.of(data, Map.of(), answered);
 * }</pre>
 */
public final class SparkEvaluation {
  private SparkEvaluation() {}

  /**
   * Answers and grades a data set, in its order.
   *
   * @param partitions pieces of work; several for every core, so that none waits for long
   */
  public static List<Answered> evaluate(
      JavaSparkContext spark, DataSet data, Cell cell, Plan plan, int partitions) {
    return answers(spark.parallelize(data.tasks(), partitions), cell, plan).collect();
  }

  /** Answers and grades questions, wherever they are. */
  public static JavaRDD<Answered> answers(JavaRDD<Task> tasks, Cell cell, Plan plan) {
    return tasks.mapPartitions(
        part -> {
          List<Task> here = listed(part);
          return here.isEmpty()
              ? Collections.emptyIterator()
              : plan.evaluation(here).run(Engines.of(plan), cell).iterator();
        });
  }

  /** The plan's samples of every question, with tokens, log-probabilities and reward. */
  public static JavaRDD<Rollout> rollouts(JavaRDD<Task> tasks, Cell cell, Plan plan) {
    return tasks.mapPartitions(
        part -> {
          List<Task> here = listed(part);
          List<Rollout> rollouts = new ArrayList<>();
          if (!here.isEmpty()) {
            Engine engine = Engines.of(plan);
            Evaluation evaluation = plan.evaluation(here);
            for (Task task : here) {
              for (var a : engine.sample(evaluation.question(cell, task), plan.samples())) {
                double reward = task.grader().isRight(a.text(), task.truth()) ? 1 : 0;
                rollouts.add(new Rollout(task.id(), a.text(), a.ids(), a.logprobs(), reward));
              }
            }
          }
          return rollouts.iterator();
        });
  }

  private static List<Task> listed(Iterator<Task> part) {
    List<Task> tasks = new ArrayList<>();
    part.forEachRemaining(tasks::add);
    return tasks;
  }
}
