package io.lrt4j.evaluation;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.Answer;
import io.lrt4j.Cancellation;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Task;
import io.lrt4j.evaluation.grade.Grader;
import java.io.IOException;
import java.math.BigInteger;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class EvaluationTest {
  private static final Map<String, String> SETTING = Map.of("model", "tiny");
  private static final Evaluation.Progress NOBODY = (_, _, _, _) -> {};
  private static final List<Cell> CELLS =
      List.of(Cell.of(Mode.LATENT, 6), Cell.of(Mode.EXPLICIT, 8));

  @TempDir Path folder;

  private static Engine engine() {
    return Engine.load(
        resource("qwen3-tied-bf16"),
        EngineOptions.defaults().withNetwork(resource("lrt-append")).withThreads(1));
  }

  private static Path resource(String name) {
    try {
      var url = Objects.requireNonNull(EvaluationTest.class.getResource("/conformance/" + name));
      return Path.of(url.toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static DataSet data(int count) {
    return new DataSet(
        "sums",
        IntStream.range(0, count)
            .mapToObj(
                i ->
                    new Task(
                        "q" + i, "What is " + i + " + 1?", "" + (i + 1), Grader.AUTO, "g" + i % 2))
            .toList());
  }

  private static GenerationOptions sampled() {
    return GenerationOptions.defaults().withTemperature(1).withSeed(5);
  }

  private List<Answered> run(Engine engine, String to, DataSet data, int batch, boolean resume) {
    try (AnswerFile file = AnswerFile.open(folder.resolve(to), SETTING, resume)) {
      var evaluation = new Evaluation(data, 2, sampled(), batch);
      CELLS.forEach(cell -> evaluation.run(engine, cell, file, NOBODY));
      return file.all(data, CELLS);
    }
  }

  /** Everything but the times. */
  private static List<String> texts(List<Answered> answered) {
    return answered.stream()
        .flatMap(
            a ->
                a.trials().stream()
                    .map(t -> a.cell() + a.id() + t.text() + t.reasoning() + t.confidence()))
        .toList();
  }

  @Test
  void sameAnswersWhateverTheBatchAndWhereverItWasKilled() throws IOException {
    try (Engine engine = engine()) {
      DataSet data = data(5);
      List<Answered> alone = run(engine, "a", data, 1, false);
      assertEquals(10, alone.size());
      assertEquals(texts(alone), texts(run(engine, "b", data, 32, false)));

      Path answers = folder.resolve("a/answers.jsonl");
      byte[] all = Files.readAllBytes(answers);
      for (int kept : new int[] {0, 1, all.length / 3, all.length - 1, all.length}) {
        Files.write(answers, java.util.Arrays.copyOf(all, kept));
        List<Answered> resumed = run(engine, "a", data, 1, true);
        assertEquals(texts(alone), texts(resumed));
        assertEquals(
            texts(alone).size(), 2 * Files.readAllLines(answers).size(), "each question once");
      }
      assertNotEquals(
          alone.getFirst().trials().getFirst().text(), alone.getFirst().trials().getLast().text());
    }
  }

  /** A process of its own: answers two questions, and is killed in the middle of the rest. */
  public static void main(String[] args) throws InterruptedException {
    try (Engine engine = engine();
        AnswerFile file = AnswerFile.open(Path.of(args[0]), SETTING, false)) {
      var evaluation = new Evaluation(data(5), 2, sampled(), 1);
      evaluation.run(
          engine,
          CELLS.getFirst(),
          file,
          (_, done, _, _) -> {
            if (done == 2) {
              System.out.println("two are answered");
              LockSupport.park();
            }
          });
    }
    Thread.sleep(Long.MAX_VALUE);
  }

  @Test
  void aKilledProcessIsGoneOnWith() throws IOException, InterruptedException {
    Process process =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1",
                "-XX:+UseSerialGC",
                "--enable-native-access=ALL-UNNAMED",
                "-cp",
                System.getProperty("java.class.path"),
                EvaluationTest.class.getName(),
                folder.resolve("killed").toString())
            .redirectErrorStream(true)
            .start();
    try (var lines = process.inputReader()) {
      String line;
      do {
        line = lines.readLine();
      } while (line != null && !line.equals("two are answered"));
      assertEquals("two are answered", line);
    } finally {
      process.destroyForcibly().waitFor(); // SIGKILL
    }
    assertEquals(2, Files.readAllLines(folder.resolve("killed/answers.jsonl")).size());
    try (Engine engine = engine()) {
      DataSet data = data(5);
      Summary undisturbed = Summary.of(data, SETTING, run(engine, "whole", data, 1, false));
      Summary resumed = Summary.of(data, SETTING, run(engine, "killed", data, 1, true));
      assertEquals(timeless(undisturbed), timeless(resumed));
    }
  }

  private static String timeless(Summary summary) {
    return Summaries.json(summary).replaceAll("\"(first_token|total)_ms\":[\\d.E-]+", "");
  }

  /** /dev/full takes nothing, as a disk that is full. */
  @Test
  void aFullDiskIsSaidInOneSentence() throws IOException {
    Path full = Path.of("/dev/full");
    assumeTrue(Files.isWritable(full), "only Linux has it");
    Files.createSymbolicLink(folder.resolve("answers.jsonl"), full);
    try (Engine engine = engine();
        AnswerFile file = AnswerFile.open(folder, SETTING, false)) {
      var evaluation = new Evaluation(data(2), 1, sampled(), 1);
      var e =
          assertThrows(
              EvaluationException.class,
              () -> evaluation.run(engine, CELLS.getFirst(), file, NOBODY));
      String message = String.valueOf(e.getMessage());
      assertTrue(message.contains("answers.jsonl: cannot be written (No space"), message);
    }
  }

  @Test
  void aCancelledRunKeepsWhatIsWhole() {
    try (Engine engine = engine()) {
      DataSet data = data(4);
      var cancellation = new Cancellation();
      var evaluation = new Evaluation(data, 1, sampled().withCancellation(cancellation), 1);
      try (AnswerFile file = AnswerFile.open(folder.resolve("c"), SETTING, false)) {
        evaluation.run(engine, CELLS.getFirst(), file, (_, _, _, _) -> cancellation.cancel());
        List<Answered> kept = file.all(data, CELLS);
        assertEquals(1, kept.size());
        assertEquals(1, kept.getFirst().trials().size());
      }
    }
  }

  @Test
  void otherJsonIsNoSummary() throws IOException {
    Path file = folder.resolve("other.json");
    for (String other :
        List.of("null", "{}", "[]", "{\"cells\":[{}]}", "{\"cells\":[null]}", "{")) {
      Files.writeString(file, other);
      var e = assertThrows(EvaluationException.class, () -> Summaries.read(file), other);
      assertEquals(file + ": expected the summary.json of an evaluation", e.getMessage());
    }
  }

  @Test
  void aQuestionThatCannotBeAskedIsNamed() {
    var longOne = new Task("q-7", "x".repeat(5000), "1", Grader.NUMBER, "");
    try (Engine engine = engine()) {
      var evaluation = new Evaluation(new DataSet("x", List.of(longOne)), 1, sampled(), 1);
      var e =
          assertThrows(EvaluationException.class, () -> evaluation.run(engine, CELLS.getFirst()));
      String message = String.valueOf(e.getMessage());
      assertTrue(message.startsWith("question q-7: the question is too long: "), message);
    }
  }

  @Test
  void aFileIsNoFolderForARun() throws IOException {
    Path file = Files.createFile(folder.resolve("file"));
    var e = assertThrows(EvaluationException.class, () -> AnswerFile.open(file, SETTING, false));
    assertEquals(
        file + ": cannot be written or read: there is a file of that name", e.getMessage());
  }

  @Test
  void anotherRunIsNotOverwritten() {
    AnswerFile.open(folder, SETTING, false).close();
    var e = assertThrows(EvaluationException.class, () -> AnswerFile.open(folder, SETTING, false));
    assertTrue(String.valueOf(e.getMessage()).contains("--resume goes on"), e.getMessage());
    Path other = folder.resolve("other");
    AnswerFile.open(other, Map.of("a", "1", "same", "x"), false).close();
    e =
        assertThrows(
            EvaluationException.class,
            () -> AnswerFile.open(other, Map.of("a", "2", "same", "x"), true));
    assertTrue(
        String.valueOf(e.getMessage())
            .endsWith("another setting: expected {\"a\":\"1\"}, found {\"a\":\"2\"}"),
        e.getMessage());
  }

  @Test
  void otherQuestionsAreAnotherSetting() {
    var now = Map.of("a", "1", AnswerFile.QUESTIONS, "x");
    Path old = folder.resolve("old"); // of a run that did not write them down
    AnswerFile.open(old, Map.of("a", "1"), false).close();
    AnswerFile.open(old, now, true).close();
    AnswerFile.open(folder, now, false).close();
    var e =
        assertThrows(
            EvaluationException.class,
            () -> AnswerFile.open(folder, Map.of("a", "1", AnswerFile.QUESTIONS, "y"), true));
    assertTrue(String.valueOf(e.getMessage()).contains("\"x\"}, found {"), e.getMessage());
  }

  @Test
  void aFolderIsOfOneRunAtATime() {
    try (var _ = AnswerFile.open(folder, SETTING, false)) {
      var e = assertThrows(EvaluationException.class, () -> AnswerFile.open(folder, SETTING, true));
      assertTrue(
          String.valueOf(e.getMessage()).endsWith("found another run writing to it"),
          e.getMessage());
    }
    AnswerFile.open(folder, SETTING, true).close();
  }

  /** Whoever is refused leaves the other's setting as it is. */
  @Test
  void ofRunsThatBeginAtOnceOneBegins() throws Exception {
    try (var pool = Executors.newFixedThreadPool(4)) {
      for (int round = 0; round < 100; round++) {
        Path at = folder.resolve("round" + round);
        Queue<AnswerFile> begun = new ConcurrentLinkedQueue<>();
        Queue<Integer> winners = new ConcurrentLinkedQueue<>();
        var together = new CyclicBarrier(4);
        List<Callable<Void>> runs = new ArrayList<>();
        for (int i = 0; i < 4; i++) {
          int run = i;
          runs.add(
              () -> {
                together.await();
                try {
                  begun.add(AnswerFile.open(at, Map.of("seed", "" + run), false));
                  winners.add(run);
                } catch (EvaluationException e) {
                  // there is another already
                }
                return null;
              });
        }
        for (var done : pool.invokeAll(runs)) {
          done.get();
        }
        begun.forEach(AnswerFile::close);
        assertEquals(1, winners.size());
        assertEquals(
            "{\"seed\":\"" + winners.peek() + "\"}\n",
            Files.readString(at.resolve("setting.json")));
      }
    }
  }

  /** Nobody can tell what they are answers to. */
  @Test
  void answersWithoutTheirSettingAreNotGoneOnWith() throws IOException {
    Files.writeString(folder.resolve("answers.jsonl"), "{}\n");
    for (boolean resume : new boolean[] {false, true}) {
      var e =
          assertThrows(EvaluationException.class, () -> AnswerFile.open(folder, SETTING, resume));
      assertEquals(
          folder.resolve("setting.json")
              + ": expected the setting that answers.jsonl was begun with, found none",
          e.getMessage());
      assertTrue(Files.notExists(folder.resolve("setting.json")));
    }
  }

  @Test
  void damagedAnswersAreNamed() throws IOException {
    AnswerFile.open(folder, SETTING, false).close();
    Files.writeString(folder.resolve("answers.jsonl"), "{}\nno\n");
    var e = assertThrows(EvaluationException.class, () -> AnswerFile.open(folder, SETTING, true));
    assertTrue(
        String.valueOf(e.getMessage()).endsWith("line 1: expected an answered question"),
        e.getMessage());
    Files.writeString(folder.resolve("answers.jsonl"), "");
    AnswerFile.open(folder, SETTING, true).close(); // what was refused is no longer held
  }

  /** A process may die in the middle of a line that is longer than all that comes after it. */
  @Test
  void anUnfinishedLineIsDropped() throws IOException {
    AnswerFile.open(folder, SETTING, false).close();
    Path file = folder.resolve("answers.jsonl");
    Files.writeString(file, "{\"cell\":\"" + "x".repeat(9_999));
    Answered a = answered("a", "1", "1");
    try (var answers = AnswerFile.open(folder, SETTING, true)) {
      answers.add(a);
    }
    try (var answers = AnswerFile.open(folder, SETTING, true)) {
      assertEquals(a, answers.get(a.cell(), a.id()));
    }
    assertEquals(Summaries.json(a) + "\n", Files.readString(file));
  }

  private static Answered answered(String id, String truth, String... texts) {
    Task task = new Task(id, "?", truth, Grader.MATH, id.equals("a") ? "easy" : "");
    List<Trial> trials = new ArrayList<>();
    for (String text : texts) {
      trials.add(Trial.of(task, text));
    }
    return new Answered("x/1", id, task.group(), truth, trials);
  }

  private static Summary summary(String... answersToB) {
    List<Answered> answered =
        new ArrayList<>(
            List.of(
                answered("b", "3", answersToB),
                answered("a", "\\frac{1}{2}", "0.5", "\\boxed{1/2}", "3", "4")));
    DataSet data =
        new DataSet(
            "d",
            List.of(
                new Task("a", "?", "\\frac{1}{2}", Grader.MATH, "easy"),
                new Task("b", "?", "3", Grader.MATH, "")));
    Summary one = Summary.of(data, SETTING, answered);
    Collections.reverse(answered);
    assertEquals(one, Summary.of(data, SETTING, answered));
    return one;
  }

  @Test
  void figuresOfASummary() {
    Summary.Result r = summary("3", "2", "2", "no idea").cells().getFirst();
    assertEquals(3 / 8.0, r.passAt1());
    assertEquals(Map.of(1, 3 / 8.0, 2, (5 / 6.0 + 1 / 2.0) / 2, 4, 1.0), r.passAtK());
    assertEquals(0.5, r.majority()); // a by two spellings of the same number; b is outvoted
    assertEquals(Map.of("easy", 0.5), r.groups());
    assertEquals(Map.of("a", 0.5, "b", 0.25), r.perQuestion());
    // by sample: 1, 1/2, 0, 0
    assertEquals(0.4787, Objects.requireNonNull(r.deviation()), 1e-4);
    assertEquals(0.0561, r.low(), 1e-4); // of two questions, however many answers they have
    assertEquals(0.8583, r.high(), 1e-4);
  }

  @Test
  void oneAnswerHasNoSpreadAndNoMajority() {
    DataSet data = data(2); // of which one is answered
    Task task = data.tasks().getLast();
    var one = new Answered("x/1", task.id(), "", "2", List.of(Trial.of(task, "2")));
    Summary.Result r = Summary.of(data, SETTING, List.of(one)).cells().getFirst();
    assertEquals(1, r.questions());
    assertEquals(1, r.passAt1());
    assertNull(r.deviation());
    assertNull(r.majority());
    assertEquals(Map.of(), r.groups());
  }

  /** Programs elsewhere may have answered some questions more often than others. */
  @Test
  void samplesAreThoseThatEveryQuestionHas() {
    Summary.Result r = summary("3", "2").cells().getFirst();
    assertEquals(2, r.samples());
    assertEquals(Set.of(1, 2), r.passAtK().keySet());
    assertEquals(0.5, r.passAt1());
  }

  private static Trial trial(String text) {
    return Trial.of(new Task("q", "?", "1", Grader.NUMBER, ""), text);
  }

  /** Of as many votes the first answer counts; what has no answer does not vote. */
  @Test
  void theMajorityOfATieIsItsFirst() {
    for (List<String> texts :
        List.of(
            List.of("it is 2", "it is 3"),
            List.of("none", "none", "it is 2", "it is 3"),
            List.of("it is 3", "it is 2", "so 2"))) {
      List<Trial> trials = texts.stream().map(EvaluationTest::trial).toList();
      assertEquals("2", Summary.majority(Grader.NUMBER, trials).found(), texts.toString());
    }
    List<Trial> none = List.of(trial("none"), trial("no"));
    assertEquals("none", Summary.majority(Grader.NUMBER, none).text());
  }

  @Test
  void figuresOfWhatAnswersCost() {
    Task task = new Task("q", "?", "1", Grader.NUMBER, "");
    List<Trial> trials =
        List.of(
            new Trial("1", "", "1", true, "latent", "stop", 10, 8, 0, 4, null, null, 1.5, 2, 3.5),
            new Trial(
                "1", "x", "1", true, "explicit", "length", 30, 0, 16, 10, null, null, 2.5, 5, 8.5),
            new Trial(
                "1", "x", "1", true, "explicit", "length", 20, 0, 0, 2, null, null, 0.5, 1, 1.5),
            new Trial(
                "1", "", "1", true, "direct", "length", 20, 0, 0, 4, null, null, 1.5, 2, 2.5));
    var answered = List.of(new Answered("x/1", "q", "", "1", trials));
    Summary.Result r =
        Summary.of(new DataSet("d", List.of(task)), SETTING, answered).cells().getFirst();
    assertEquals(0.5, r.explicitShare());
    assertEquals(0.75, r.cutShare());
    assertEquals(20, r.promptTokens());
    assertEquals(2, r.latentTokens());
    assertEquals(4, r.reasoningTokens());
    assertEquals(5, r.answerTokens());
    assertEquals(9, r.generated());
    assertEquals(1.5, r.firstTokenMs());
    assertEquals(4, r.totalMs());
  }

  @Test
  void aTrialSaysWhatTheAnswerDid() {
    var answer =
        new Answer(
            "so 1",
            "hm",
            Mode.EXPLICIT,
            FinishReason.LENGTH,
            new Answer.TokenCounts(1, 2, 3, 4),
            List.of(),
            List.of(),
            new Answer.Confidence(-0.5, 0.25),
            null,
            new Answer.Timings(1, 2, 3, 4, 5, 6));
    Task task = new Task("q", "?", "1", Grader.NUMBER, "");
    assertEquals(
        new Trial("so 1", "hm", "1", true, "explicit", "length", 1, 2, 3, 4, -0.5, 0.25, 4, 5, 6),
        Trial.of(task, answer));
    var silent =
        new Answer(
            "",
            "",
            Mode.LATENT,
            FinishReason.STOP,
            answer.tokens(),
            List.of(),
            List.of(),
            new Answer.Confidence(Double.NaN, Double.NaN),
            null,
            answer.timings());
    assertNull(Trial.of(task, silent).confidence());
    assertNull(Trial.of(task, silent).margin());
  }

  /** One token is the least that an answer may have; thinking may have none. */
  @Test
  void aBudgetIsOfThinkingAndOfTheAnswer() {
    DataSet data = data(1);
    var evaluation = new Evaluation(data, 1, sampled(), 1);
    for (int budget : new int[] {1, 2, 8}) {
      var options =
          evaluation.question(Cell.of(Mode.EXPLICIT, budget), data.tasks().getFirst()).options();
      assertEquals(budget, options.maxTokens());
      assertEquals(budget == 1 ? 0 : budget, options.budget());
    }
  }

  /** The engine draws sample i with seed + i. */
  @Test
  void samplesOfTwoQuestionsShareNoSeed() {
    DataSet data = data(50);
    var evaluation = new Evaluation(data, 64, sampled(), 1);
    Set<Long> seeds = new HashSet<>();
    for (Task task : data.tasks()) {
      var options = evaluation.question(CELLS.getFirst(), task).options();
      for (int i = 0; i < 64; i++) {
        assertTrue(seeds.add(Objects.requireNonNull(options.seed()) + i), task.id());
      }
    }
    var other = new Evaluation(data, 64, sampled().withSeed(6), 1);
    for (Task task : data.tasks()) {
      var options = other.question(CELLS.getFirst(), task).options();
      assertFalse(seeds.contains(options.seed()), task.id());
    }
  }

  @Test
  void summariesAreComparedQuestionByQuestion() {
    Path file = folder.resolve("summary.json");
    Summary a = summary("3", "2", "2", "2");
    Summaries.write(file, a);
    assertEquals(a, Summaries.read(file));
    Summary b = summary("3", "3", "3", "3");
    var d = Summaries.compare(a, b).getFirst();
    assertEquals(0.375, d.difference().value());
    assertEquals(1, d.better());
    assertEquals(0, d.worse());
    assertEquals(0, d.difference().low());
    assertEquals(0.75, d.difference().high());
    assertTrue(Summaries.table(a).contains("x/1"), Summaries.table(a));
  }

  private static Summary of(Map<String, Map<String, Double>> accuracies) {
    List<Summary.Result> cells = new ArrayList<>();
    accuracies.forEach(
        (cell, perQuestion) -> {
          List<Task> tasks = new ArrayList<>();
          List<Answered> answered = new ArrayList<>();
          perQuestion.forEach(
              (id, accuracy) -> {
                Task task = new Task(id, "?", "1", Grader.NUMBER, "");
                tasks.add(task);
                answered.add(
                    new Answered(cell, id, "", "1", List.of(Trial.of(task, "" + accuracy))));
              });
          cells.addAll(Summary.of(new DataSet("d", tasks), SETTING, answered).cells());
        });
    return new Summary("d", SETTING, cells);
  }

  /** A question that only one of the runs has says nothing about their difference. */
  @Test
  void onlyWhatBothHaveIsCompared() {
    Summary one = of(Map.of("a/1", Map.of("p", 1.0, "q", 1.0)));
    Summary other = of(Map.of("b/1", Map.of("q", 1.0, "r", 1.0)));
    var d = Summaries.compare(one, other).getFirst(); // the only cells, whatever they are called
    assertEquals(1, d.questions());
    assertEquals(0, d.difference().value());
    assertEquals(0, d.better() + d.worse());
    Summary two = of(Map.of("a/1", Map.of("p", 1.0), "b/1", Map.of("p", 0.0)));
    var same = Summaries.compare(one, two);
    assertEquals(List.of("a/1"), same.stream().map(Summaries.Difference::second).toList());
    Summary none = of(Map.of("c/1", Map.of("p", 1.0), "d/1", Map.of("p", 0.0)));
    assertThrows(EvaluationException.class, () -> Summaries.compare(one, none));
  }

  @Test
  void passAtKIsTheClosedFormula() {
    assertThrows(IllegalArgumentException.class, () -> Statistics.passAt(2, 1, 3));
    for (int n = 1; n <= 12; n++) {
      for (int c = 0; c <= n; c++) {
        for (int k = 1; k <= n; k++) {
          double none = choose(n - c, k).doubleValue() / choose(n, k).doubleValue();
          assertEquals(1 - none, Statistics.passAt(n, c, k), 1e-12);
        }
      }
    }
  }

  private static BigInteger choose(int n, int k) {
    BigInteger value = BigInteger.ONE;
    for (int i = 0; i < k; i++) {
      value = value.multiply(BigInteger.valueOf(n - i)).divide(BigInteger.valueOf(i + 1));
    }
    return value;
  }

  @Test
  void intervals() {
    var all = Statistics.proportion(1, 240);
    assertEquals(0.9842, all.low(), 1e-4);
    assertEquals(1, all.high());
    double[] d = IntStream.range(0, 400).mapToDouble(i -> i % 4 == 0 ? 1 : 0).toArray();
    var b = Statistics.bootstrap(d, 1);
    assertEquals(0.25, b.value());
    assertEquals(0.25 - 0.0424, b.low(), 0.006);
    assertEquals(0.25 + 0.0424, b.high(), 0.006);
    assertEquals(b, Statistics.bootstrap(d, 1));
    var r = Statistics.correlation(0.8, 0.05); // artanh(0.8) = 1.0986, its error 0.05 / 0.36
    assertEquals(Math.tanh(1.0986 - 1.96 * 0.1389), r.low(), 1e-4);
    assertEquals(Math.tanh(1.0986 + 1.96 * 0.1389), r.high(), 1e-4);
  }

  @Test
  void answersFromElsewhereAreGraded() throws IOException {
    Path file = folder.resolve("out.jsonl");
    Files.write(
        file,
        List.of(
            "\uFEFF{\"id\":\"q1\",\"text\":\"it is 2\"}", // after a byte order mark
            "{\"id\":\"q0\",\"text\":\"7\"}",
            "{\"id\":\"q1\",\"text\":\"it is 3\"}"));
    List<Answered> graded = External.grade(file, data(2));
    assertEquals(List.of(0, 1), graded.stream().map(Answered::right).toList());
    assertFalse(graded.getLast().trials().getLast().right());
    for (String bad :
        List.of(
            "{",
            "{\"id\":1}",
            "{\"id\":\"q9\",\"text\":\"x\"}",
            "{\"id\":\"q0\",\"text\":\"x\"}")) {
      Files.writeString(file, bad + "\n");
      assertThrows(EvaluationException.class, () -> External.grade(file, data(2)), bad);
    }
  }
}
