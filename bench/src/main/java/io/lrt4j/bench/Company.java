package io.lrt4j.bench;

import io.lrt4j.Answer;
import io.lrt4j.CacheType;
import io.lrt4j.Cancellation;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.PromptLookup;
import io.lrt4j.Quantization;
import io.lrt4j.Question;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Several callers on one engine. {@code throughput BACKEND MODEL}: how fast 1, 4 and 16 of them are
 * answered, in turns in one process. {@code short BACKEND MODEL}: how many short questions with
 * answers of a few tokens are. {@code latency BACKEND MODEL}: how soon a short question is, while a
 * long one is read. {@code again BACKEND MODEL}: how soon one is that begins as one before. {@code
 * memory BACKEND MODEL}: what the process takes when 32,000 tokens are asked for and 20 come, and
 * when 64 samples share 1 GiB. {@code soak BACKEND MODEL QUESTIONS}: mixed questions from 8
 * threads, every answer compared with the one given alone, and the memory that the process takes.
 * What follows says how numbers are kept: {@code f16} or {@code kv-q8} for keys and values, {@code
 * bf16}, {@code q8} or {@code q4} for weights.
 */
final class Company {
  private static final int PROMPT = 128;
  private static final int ANSWER = 64;
  private static final int ROUNDS = 3;
  private static final int[] CALLERS = {1, 4, 16};
  private static final int SOAKING = 8;
  private static final int KINDS = 60;
  private static final int LONG = 2000;
  private static final int SHORT = 16;
  private static final int[] FEW = {1, 4, 16};
  private static final int[] QUESTIONS = {16, 40, 60, 100};
  private static final int TIMES = 15;
  private static final int SAMPLES = 64;
  private static final int SAMPLE = 512;
  private static final int SETTLING = 2000; // ms

  private Company() {}

  /** See the class. */
  public static void main(String[] args) throws Exception {
    Path model = Path.of(args[2]);
    boolean soaking = args[0].equals("soak");
    EngineOptions.Builder builder = EngineOptions.builder().backend(args[1]);
    for (String arg : Arrays.asList(args).subList(soaking ? 4 : 3, args.length)) {
      switch (arg) {
        case "f16" -> builder.cacheType(CacheType.F16);
        case "kv-q8" -> builder.cacheType(CacheType.Q8);
        default -> builder.quantization(Quantization.valueOf(arg.toUpperCase(Locale.ROOT)));
      }
    }
    // Random weights repeat themselves as no model does that was trained.
    EngineOptions options =
        builder.promptLookup(soaking ? PromptLookup.ON : PromptLookup.OFF).build();
    switch (args[0]) {
      case "throughput" -> {
        try (Engine engine = Engine.load(model, options.withPrefixReuse(false))) {
          throughput(engine);
        }
      }
      case "short" -> {
        try (Engine engine = Engine.load(model, options)) {
          shortOnes(engine);
        }
      }
      case "latency" -> {
        try (Engine engine = Engine.load(model, options.withPrefixReuse(false))) {
          firstToken(engine);
        }
      }
      case "again" -> {
        try (Engine engine = Engine.load(model, options)) {
          again(engine);
        }
      }
      case "memory" -> memory(model, options);
      case "soak" -> {
        try (Engine engine = Engine.load(model, options)) {
          soak(engine, Integer.parseInt(args[3]));
        }
      }
      default ->
          throw new IllegalArgumentException(
              "expected throughput, short, latency, again, memory or soak: " + args[0]);
    }
  }

  private static void throughput(Engine engine) throws Exception {
    System.out.println(engine.describe());
    System.out.println("callers  decoded/s  of one  answered/s (tokens, questions read too)");
    answer(engine, 4, 1); // the compiler
    for (int round = 0; round < ROUNDS; round++) {
      double one = 0;
      for (int callers : CALLERS) {
        double[] rates = answer(engine, callers, round);
        one = callers == 1 ? rates[0] : one;
        System.out.printf(
            Locale.ROOT,
            "%7d  %9.1f  %6.2f  %10.1f%n",
            callers,
            rates[0],
            rates[0] / one,
            rates[1]);
      }
    }
  }

  /**
   * Tokens per second of all callers together: while they decode, which they begin together, and
   * from the first row of the first question on.
   */
  private static double[] answer(Engine engine, int callers, int seed) throws Exception {
    long[] begun = new long[1];
    CyclicBarrier barrier = new CyclicBarrier(callers, () -> begun[0] = System.nanoTime());
    GenerationOptions options =
        GenerationOptions.builder().temperature(0f).maxTokens(ANSWER + 1).ignoreEos(true).build();
    List<Callable<Answer>> tasks = new ArrayList<>();
    for (int c = 0; c < callers; c++) {
      SplittableRandom random = new SplittableRandom(100L * seed + c);
      int[] prompt = random.ints(PROMPT, 10, 300).toArray();
      AtomicInteger heard = new AtomicInteger();
      tasks.add(
          () ->
              engine.generate(
                  prompt,
                  options,
                  token -> {
                    if (heard.getAndIncrement() == 0) {
                      await(barrier);
                    }
                  }));
    }
    long start = System.nanoTime();
    try (var threads = Executors.newFixedThreadPool(callers)) {
      for (Future<Answer> answer : threads.invokeAll(tasks)) {
        if (answer.get().ids().size() != ANSWER + 1) {
          throw new IllegalStateException("an answer ended early");
        }
      }
    }
    long end = System.nanoTime();
    double tokens = (double) callers * ANSWER;
    return new double[] {tokens / (end - begun[0]) * 1e9, tokens / (end - start) * 1e9};
  }

  /** Questions per second: those of a caller have all but two tokens in common. */
  private static void shortOnes(Engine engine) throws Exception {
    System.out.println(engine.describe());
    System.out.println("callers  questions/s with answers of " + Arrays.toString(FEW) + " tokens");
    for (int round = 0; round <= ROUNDS; round++) {
      for (int callers : CALLERS) {
        StringBuilder line = new StringBuilder("%7d".formatted(callers));
        for (int tokens : FEW) {
          GenerationOptions options =
              GenerationOptions.builder().temperature(0f).maxTokens(tokens).ignoreEos(true).build();
          List<Callable<Integer>> tasks = new ArrayList<>();
          for (int c = 0; c < callers; c++) {
            SplittableRandom random = new SplittableRandom(100L * round + c);
            int[] prompt = random.ints(SHORT, 10, 300).toArray();
            tasks.add(
                () -> {
                  int answered = 0;
                  for (; answered < 32 / (tokens + 3); answered++) {
                    prompt[SHORT - 2] = random.nextInt(300);
                    prompt[SHORT - 1] = random.nextInt(300);
                    var _ = engine.generate(prompt, options);
                  }
                  return answered;
                });
          }
          int answered = 0;
          long start = System.nanoTime();
          try (var threads = Executors.newFixedThreadPool(callers)) {
            for (Future<Integer> each : threads.invokeAll(tasks)) {
              answered += each.get();
            }
          }
          line.append("  %7.2f".formatted(answered / ((System.nanoTime() - start) / 1e9)));
        }
        if (round > 0) {
          System.out.println(line);
        }
      }
    }
  }

  /** Milliseconds to the first token of a short question, alone and while a long one is read. */
  private static void firstToken(Engine engine) throws Exception {
    GenerationOptions one = GenerationOptions.builder().temperature(0f).maxTokens(1).build();
    int[] far = new SplittableRandom(1).ints(LONG, 10, 300).toArray();
    System.out.println("first token ms  of 2000 tokens  of 16 alone  of 16 meanwhile");
    double fastest = Double.MAX_VALUE;
    for (int round = 0; round < ROUNDS; round++) {
      int[] near = new SplittableRandom(2 + round).ints(SHORT, 10, 300).toArray();
      double alone = millis(engine, near, one);
      double whole = millis(engine, far, one);
      fastest = Math.min(fastest, whole);
      try (var thread = Executors.newSingleThreadExecutor()) {
        Future<Double> other = thread.submit(() -> millis(engine, far, one));
        Thread.sleep((long) (fastest / 4));
        double meanwhile = millis(engine, near, one);
        String late = other.isDone() ? ", which was read by then" : "";
        other.get();
        System.out.printf(
            Locale.ROOT, "%14d  %14.0f  %11.0f  %15.0f%s%n", round, whole, alone, meanwhile, late);
      }
    }
  }

  /** Milliseconds to the first token of a question, and of the same with another last token. */
  private static void again(Engine engine) {
    GenerationOptions one = GenerationOptions.builder().temperature(0f).maxTokens(1).build();
    System.out.println(engine.describe());
    System.out.println(
        "first token ms  of  new  with another last token (median of " + TIMES + ")");
    for (int round = 0; round < ROUNDS; round++) {
      for (int n : QUESTIONS) {
        SplittableRandom random = new SplittableRandom(31L * round + n);
        double[] first = new double[TIMES];
        double[] again = new double[TIMES];
        for (int i = 0; i < TIMES; i++) {
          int[] prompt = random.ints(n, 10, 300).toArray();
          first[i] = millis(engine, prompt, one);
          prompt[n - 1]++;
          again[i] = millis(engine, prompt, one);
        }
        Arrays.sort(first);
        Arrays.sort(again);
        System.out.printf(
            Locale.ROOT, "%14d  %4d  %5.1f  %5.1f%n", round, n, first[TIMES / 2], again[TIMES / 2]);
      }
    }
  }

  private static double millis(Engine engine, int[] prompt, GenerationOptions options) {
    long start = System.nanoTime();
    var _ = engine.generate(prompt, options);
    return (System.nanoTime() - start) / 1e6;
  }

  private static void memory(Path model, EngineOptions options) throws IOException {
    System.out.println("resident MiB  when");
    try (Engine engine = Engine.load(model, options)) {
      resident("loaded: " + engine.describe());
      Cancellation enough = new Cancellation();
      AtomicInteger heard = new AtomicInteger();
      GenerationOptions many =
          GenerationOptions.builder()
              .temperature(0f)
              .maxTokens(32_000)
              .ignoreEos(true)
              .cancellation(enough)
              .build();
      Answer answer =
          engine.generate(
              new int[] {1, 2, 3},
              many,
              token -> {
                if (heard.incrementAndGet() == 20) {
                  enough.cancel();
                }
              });
      resident("32,000 tokens asked for, " + answer.ids().size() + " written");
    }
    EngineOptions capped = options.toBuilder().cacheMemory(1L << 30).build();
    try (Engine engine = Engine.load(model, capped)) {
      GenerationOptions samples =
          GenerationOptions.builder()
              .temperature(1f)
              .seed(1L)
              .maxTokens(SAMPLE)
              .ignoreEos(true)
              .build();
      Question question = Question.of("How many?").mode(Mode.DIRECT).options(samples);
      int tokens = 0;
      for (Answer answer : engine.sample(question, SAMPLES)) {
        tokens += answer.ids().size();
      }
      resident(tokens + " tokens in " + SAMPLES + " samples, in 1 GiB");
    }
  }

  private static void resident(String when) throws IOException {
    System.gc();
    System.out.printf(Locale.ROOT, "%12d  %s%n", resident() >> 20, when);
  }

  private static void await(CyclicBarrier barrier) {
    try {
      barrier.await();
    } catch (Exception e) {
      throw new IllegalStateException(e);
    }
  }

  private static Question question(int kind) {
    List<Mode> modes = List.of(Mode.LATENT, Mode.DIRECT, Mode.EXPLICIT, Mode.AUTO);
    String text =
        "Tom has %d apples. He doubles them. He buys %d more. How many are there?"
            .formatted(1 + kind % 10, kind % 7);
    Question question =
        Question.of(text)
            .mode(modes.get(kind % 4))
            .maxTokens(8 + kind * 7 % 90)
            .temperature(kind % 3 == 0 ? 0 : 0.8f)
            .seed(kind);
    return kind % 5 < 3 ? question : question.system("Be careful and brief. ".repeat(kind % 5 * 4));
  }

  private static void soak(Engine engine, int questions)
      throws IOException, InterruptedException, ExecutionException {
    System.out.println(engine.describe());
    List<Answer> alone = new ArrayList<>();
    for (int kind = 0; kind < KINDS; kind++) {
      alone.add(engine.ask(question(kind)));
    }
    System.out.println(
        "questions  cancelled  cached tokens  resident MiB  heap MiB after a collection");
    int[] totals = new int[2];
    int done = 0;
    for (int until : new int[] {questions / 10, questions / 2, questions}) {
      AtomicInteger next = new AtomicInteger(done);
      List<Callable<int[]>> tasks = new ArrayList<>();
      for (int c = 0; c < SOAKING; c++) {
        SplittableRandom random = new SplittableRandom(31L * until + c);
        tasks.add(() -> ask(engine, alone, random, next, until));
      }
      try (var threads = Executors.newFixedThreadPool(SOAKING)) {
        for (Future<int[]> each : threads.invokeAll(tasks)) {
          int[] counts = each.get();
          Arrays.setAll(totals, i -> totals[i] + counts[i]);
        }
      }
      done = until;
      System.gc();
      Thread.sleep(SETTLING); // what the compiler has freed goes back to the system
      Runtime runtime = Runtime.getRuntime();
      System.out.printf(
          Locale.ROOT,
          "%9d  %9d  %13d  %12d  %8d%n",
          done,
          totals[0],
          totals[1],
          resident() >> 20,
          (runtime.totalMemory() - runtime.freeMemory()) >> 20);
    }
  }

  private static int[] ask(
      Engine engine, List<Answer> alone, SplittableRandom random, AtomicInteger next, int until) {
    int cancelled = 0;
    int cached = 0;
    while (next.getAndIncrement() < until) {
      int kind = random.nextInt(KINDS);
      Answer expected = alone.get(kind);
      Cancellation switchedOff = new Cancellation();
      int most = random.nextInt(8) == 0 ? random.nextInt(12) : Integer.MAX_VALUE;
      AtomicInteger heard = new AtomicInteger();
      Answer answer =
          engine.ask(
              question(kind).cancelledBy(switchedOff),
              token -> {
                if (heard.incrementAndGet() > most) {
                  switchedOff.cancel();
                }
              });
      cached += answer.tokens().cached();
      if (answer.finishReason() == FinishReason.CANCELLED) {
        cancelled++;
        int n = answer.ids().size();
        if (answer.mode() == expected.mode()
            && !answer.ids().equals(expected.ids().subList(0, n))) {
          throw new IllegalStateException("question " + kind + " began otherwise in company");
        }
      } else if (!answer.ids().equals(expected.ids())
          || !answer.logprobs().equals(expected.logprobs())
          || !answer.text().equals(expected.text())) {
        throw new IllegalStateException("question " + kind + " was answered otherwise in company");
      }
    }
    return new int[] {cancelled, cached};
  }

  /** Bytes of memory that this process has, on Linux; else 0. */
  private static long resident() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (!Files.isReadable(status)) {
      return 0;
    }
    for (String line : Files.readAllLines(status)) {
      if (line.startsWith("VmRSS:")) {
        return Long.parseLong(line.replaceAll("[^0-9]", "")) << 10;
      }
    }
    return 0;
  }
}
