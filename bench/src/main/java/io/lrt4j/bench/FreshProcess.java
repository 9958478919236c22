package io.lrt4j.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.Engine;
import io.lrt4j.GenerationOptions;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.evaluation.speed.BaseModel;
import io.lrt4j.evaluation.speed.LatentJob;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * What only a new process shows: how long it takes from its start to a first token, and how much
 * memory it needs. This is the child's main as well as what starts it.
 */
final class FreshProcess {
  static final int PROMPT = 32;

  private FreshProcess() {}

  /**
   * What a child tells.
   *
   * @param millis from its start to its first line
   * @param peakMemory in bytes
   * @param anonymousMemory in bytes, at its end
   */
  record Outcome(double millis, long peakMemory, long anonymousMemory) {}

  /** A first token after a prompt of {@link #PROMPT} tokens. */
  static Outcome firstToken(Path model, Setting setting, int threads) throws IOException {
    return start(
        List.of(
            model.toString(),
            setting.backend(),
            setting.quantize(),
            setting.caches(),
            String.valueOf(threads)));
  }

  /** A whole {@link LatentJob}. */
  static Outcome latentJob(Path model, Setting setting, int threads, Path network)
      throws IOException {
    return start(
        List.of(
            model.toString(),
            setting.backend(),
            setting.quantize(),
            setting.caches(),
            String.valueOf(threads),
            network.toString()));
  }

  private static Outcome start(List<String> arguments) throws IOException {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(Machine.flags());
    command.add("-cp");
    command.add(System.getProperty("java.class.path"));
    command.add(FreshProcess.class.getName());
    command.addAll(arguments);
    long start = System.nanoTime();
    try (Child child = new Child(command, ProcessBuilder.Redirect.INHERIT)) {
      child.line();
      double millis = (System.nanoTime() - start) / 1e6;
      JsonNode memory = new ObjectMapper().readTree(child.line());
      return new Outcome(millis, memory.get("peak").asLong(), memory.get("anonymous").asLong());
    }
  }

  /** Milliseconds until the launcher has written the first byte of an answer. */
  static double launcher(Path launcher, Path model, Setting setting, int threads)
      throws IOException {
    StringBuilder ids = new StringBuilder("1");
    for (int id = 2; id <= PROMPT; id++) {
      ids.append(',').append(id);
    }
    List<String> command =
        List.of(
            launcher.toString(),
            "generate",
            "--model",
            model.toString(),
            "--ids",
            ids.toString(),
            "--max-tokens",
            "1",
            "--backend",
            setting.backend(),
            "--quantize",
            setting.quantize(),
            "--cache-type",
            setting.caches(),
            "--threads",
            String.valueOf(threads));
    long start = System.nanoTime();
    try (Child child = new Child(command, ProcessBuilder.Redirect.DISCARD)) {
      child.line();
      return (System.nanoTime() - start) / 1e6;
    }
  }

  /** A process that is read line by line, and ends well or is an error. */
  private static final class Child implements AutoCloseable {
    private final List<String> command;
    private final Process process;
    private final BufferedReader out;

    Child(List<String> command, ProcessBuilder.Redirect errors) throws IOException {
      this.command = command;
      process = new ProcessBuilder(command).redirectError(errors).start();
      out = process.inputReader(StandardCharsets.UTF_8);
    }

    String line() throws IOException {
      String line = out.readLine();
      if (line == null) {
        throw new IOException("no answer from " + String.join(" ", command));
      }
      return line;
    }

    @Override
    public void close() throws IOException {
      out.close();
      boolean interrupted = false;
      while (true) {
        try {
          int status = process.waitFor();
          if (interrupted) {
            Thread.currentThread().interrupt();
          }
          if (status != 0) {
            throw new IOException("status " + status + " from " + String.join(" ", command));
          }
          return;
        } catch (InterruptedException e) {
          interrupted = true;
        }
      }
    }
  }

  public static void main(String[] args) {
    Path model = Path.of(args[0]);
    Setting setting = Setting.of(args[1], args[2], args[3]);
    int threads = Integer.parseInt(args[4]);
    if (args.length == 6) {
      ModelFiles network = ModelFiles.of(Path.of(args[5]));
      try (BaseModel base = new BaseModel(model, setting.engine(threads));
          LatentJob job =
              new LatentJob(
                  base, network, Measurement.QUESTION, Measurement.ANSWER, Measurement.SEED)) {
        var _ = job.run();
        System.out.println("done");
        printMemory();
      }
      return;
    }
    int[] prompt = new int[PROMPT];
    for (int i = 0; i < PROMPT; i++) {
      prompt[i] = i + 1;
    }
    try (Engine engine = Engine.load(model, setting.engine(threads))) {
      engine.generate(
          prompt,
          GenerationOptions.defaults().withMaxTokens(1),
          token -> System.out.println(token.id()));
      printMemory();
    }
  }

  private static void printMemory() {
    System.out.printf(
        "{\"peak\": %d, \"anonymous\": %d}%n", Machine.peakMemory(), Machine.anonymousMemory());
  }
}
