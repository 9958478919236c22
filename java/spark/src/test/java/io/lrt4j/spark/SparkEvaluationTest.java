package io.lrt4j.spark;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.Mode;
import io.lrt4j.evaluation.Answered;
import io.lrt4j.evaluation.Cell;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Task;
import io.lrt4j.evaluation.grade.Grader;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.stream.IntStream;
import org.apache.spark.SparkConf;
import org.apache.spark.api.java.JavaRDD;
import org.apache.spark.api.java.JavaSparkContext;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** On a cluster of two executors, processes of their own: its answers are those of one process. */
class SparkEvaluationTest {
  private static final Cell CELL = Cell.of(Mode.LATENT, 6);
  private static final Plan PLAN =
      Plan.greedy(resource("qwen3-tied-bf16"))
          .withNetwork(resource("lrt-append"))
          .withThreads(1)
          .withSamples(2, 1, 5);
  private static final DataSet DATA =
      new DataSet(
          "sums",
          IntStream.range(0, 7)
              .mapToObj(
                  i -> new Task("q" + i, "What is " + i + "+1?", "" + (i + 1), Grader.AUTO, ""))
              .toList());

  private static JavaSparkContext spark;

  private static String resource(String name) {
    try {
      var url =
          Objects.requireNonNull(SparkEvaluationTest.class.getResource("/conformance/" + name));
      return Path.of(url.toURI()).toString();
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  @BeforeAll
  static void start() throws IOException {
    String home = Objects.requireNonNull(System.getenv("SPARK_HOME"), "SPARK_HOME, see pom.xml");
    Files.createDirectories(Path.of(home, "jars"));
    spark =
        new JavaSparkContext(
            new SparkConf()
                .setAppName("test")
                .setMaster("local-cluster[2,1,512]")
                .set("spark.executor.memory", "512m")
                .set("spark.executor.extraClassPath", System.getProperty("java.class.path"))
                .set("spark.executorEnv.JAVA_HOME", System.getProperty("java.home"))
                .set("spark.executor.extraJavaOptions", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
                .set("spark.scheduler.minRegisteredResourcesRatio", "1")
                .set("spark.scheduler.maxRegisteredResourcesWaitingTime", "120s")
                .set("spark.driver.host", "127.0.0.1")
                .set("spark.driver.bindAddress", "127.0.0.1")
                .set("spark.ui.enabled", "false"));
  }

  @AfterAll
  static void stop() {
    spark.stop();
  }

  /** Everything but the times. */
  private static List<String> told(List<Answered> answered) {
    List<String> told = new ArrayList<>();
    for (Answered a : answered) {
      a.trials()
          .forEach(
              t ->
                  told.add(a.cell() + a.id() + t.text() + t.right() + t.confidence() + t.margin()));
    }
    return told;
  }

  @Test
  void answersAreThoseOfOneProcess() {
    List<Answered> alone;
    try (Engine engine = Engine.load(Path.of(PLAN.model()), PLAN.loading())) {
      alone = PLAN.evaluation(DATA.tasks()).run(engine, CELL);
    }
    assertEquals(told(alone), told(SparkEvaluation.evaluate(spark, DATA, CELL, PLAN, 4)));
    assertEquals(told(alone), told(SparkEvaluation.evaluate(spark, DATA, CELL, PLAN, 9)));
    assertNotEquals(
        told(alone),
        told(SparkEvaluation.evaluate(spark, DATA, CELL, PLAN.withSamples(2, 1, 6), 4)));
  }

  @Test
  void rolloutsAreThoseOfOneProcess() {
    List<Rollout> there =
        SparkEvaluation.rollouts(spark.parallelize(DATA.tasks(), 4), CELL, PLAN).collect();
    List<Rollout> here = new ArrayList<>();
    try (Engine engine = Engine.load(Path.of(PLAN.model()), PLAN.loading())) {
      var evaluation = PLAN.evaluation(DATA.tasks());
      for (Task task : DATA.tasks()) {
        for (Answer a : engine.sample(evaluation.question(CELL, task), 2)) {
          here.add(new Rollout(task.id(), a.text(), a.ids(), a.logprobs(), 0));
        }
      }
    }
    assertEquals(here, there.stream().map(SparkEvaluationTest::unrewarded).toList());
    assertTrue(there.stream().allMatch(r -> r.reward() == 0 || r.reward() == 1));
  }

  private static Rollout unrewarded(Rollout r) {
    return new Rollout(r.id(), r.text(), r.ids(), r.logprobs(), 0);
  }

  @Test
  void anExecutorLoadsOnce() {
    JavaRDD<Task> tasks = spark.parallelize(DATA.tasks(), 7);
    Set<String> executors =
        new HashSet<>(
            SparkEvaluation.answers(tasks, CELL, PLAN)
                .map(_ -> ProcessHandle.current().pid() + " has " + Engines.count())
                .collect());
    assertEquals(2, executors.size(), executors.toString());
    assertTrue(executors.stream().allMatch(e -> e.endsWith(" has 1")), executors.toString());
    assertTrue(
        executors.stream().noneMatch(e -> e.startsWith(ProcessHandle.current().pid() + " ")),
        executors.toString());
  }
}
