package io.lrt4j.training;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.checkpoint.ModelFiles;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.SequencedMap;
import java.util.stream.Stream;

/**
 * The loop around a task: learning rate, metrics, evaluation, the best, checkpoints. Its directory
 * holds {@code metrics.jsonl}, {@code checkpoint.safetensors} to resume from, {@code best} and, at
 * the end, {@code last}. Whenever the process dies, all but the steps since the last checkpoint is
 * there, and a resumed run computes what it would have without the break.
 */
public final class TrainingRun {
  private static final System.Logger LOG = System.getLogger(TrainingRun.class.getName());
  private static final JsonMapper MAPPER = new JsonMapper();

  private final Task task;
  private final RunSettings settings;
  private final Progress progress;
  private final Path checkpoint;
  private final Path metricsFile;
  private double best = Double.NaN;
  private double secondsBefore;
  private double tokens; // since the last line of metrics
  private long lineNanos;

  TrainingRun(Task task, RunSettings settings, Progress progress) {
    this.task = task;
    this.settings = settings;
    this.progress = progress;
    checkpoint = settings.out().resolve("checkpoint.safetensors");
    metricsFile = settings.out().resolve("metrics.jsonl");
  }

  /**
   * Trains to the end.
   *
   * @return the figures of the last evaluation
   * @throws TrainingException if it cannot begin or go on
   */
  public SequencedMap<String, Double> run() {
    prepare();
    int steps = settings.rate().steps();
    long start = System.nanoTime();
    lineNanos = start;
    SequencedMap<String, Double> evaluation = new LinkedHashMap<>();
    try (FileChannel metrics =
        FileChannel.open(
            metricsFile,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.APPEND)) {
      lock(metrics);
      int first = settings.resume() ? resume(metrics) : 0;
      if (first == steps) { // nothing is left but to say how it ended
        evaluation = task.evaluate();
      }
      for (int step = first; step < steps; step++) {
        double rate = settings.rate().at(step);
        SequencedMap<String, Double> report = step(step, rate);
        requireMetrics();
        int done = step + 1;
        boolean last = done == steps;
        boolean evaluates = last || done % settings.evalEvery() == 0;
        if (evaluates) {
          evaluation = task.evaluate();
          report.putAll(evaluation);
          keepBest(evaluation);
        }
        double seconds = secondsBefore + (System.nanoTime() - start) / 1e9;
        if (evaluates || done % settings.logEvery() == 0) {
          log(metrics, done, rate, report, seconds);
        }
        if (last || done % settings.saveEvery() == 0) {
          metrics.force(true);
          state(done, metrics.size(), seconds).write(checkpoint, task.parameters());
        }
        double pace = (System.nanoTime() - start) / 1e9 / (done - first);
        progress.onStep(done, steps, report, pace * (steps - done));
      }
      save(settings.out().resolve("last"));
      return evaluation;
    } catch (IOException e) {
      throw new TrainingException(
          metricsFile + ": cannot be written (" + ModelFiles.cause(e) + ")", e);
    }
  }

  private void prepare() {
    Path out = settings.out();
    if (settings.resume()) {
      if (!Files.exists(checkpoint)) {
        throw new TrainingException(
            checkpoint
                + ": expected a checkpoint to resume from, found none; a run that has saved none is"
                + " begun anew in an empty directory, without --resume");
      }
      return;
    }
    try {
      Files.createDirectories(out);
      try (Stream<Path> files = Files.list(out)) {
        if (files.findAny().isPresent()) {
          throw new TrainingException(
              out
                  + ": expected an empty directory for a new run"
                  + (Files.exists(checkpoint) ? " (or --resume)" : "")
                  + ", found files in it");
        }
      }
    } catch (IOException e) {
      throw new TrainingException(
          out + ": expected a directory for the run (" + ModelFiles.cause(e) + ")", e);
    }
  }

  /** Two runs would write over each other's checkpoints; the lock goes with the channel. */
  private void lock(FileChannel metrics) {
    if (!ModelFiles.lock(metrics)) {
      throw new TrainingException(
          settings.out() + ": expected a directory of its own, found another run writing to it");
    }
  }

  /**
   * A file that was removed would be written to all the same, and be gone in the end; what is saved
   * would make its directory anew, without it.
   */
  private void requireMetrics() {
    if (!Files.exists(metricsFile)) {
      throw new TrainingException(
          metricsFile
              + ": expected the file that the run writes to, found it removed; "
              + (Files.exists(checkpoint)
                  ? "--resume goes on from " + checkpoint
                  : "there is no checkpoint to go on from"));
    }
  }

  /** Takes up what was left, and says how many steps have been done. */
  private int resume(FileChannel metrics) throws IOException {
    RunState state = RunState.read(checkpoint, task.parameters(), settings.fingerprint());
    task.optimizer().resume(state.updates());
    best = state.best();
    restore(settings.out().resolve("best"));
    deleteUnfinished();
    secondsBefore = state.seconds();
    if (metrics.size() < state.metricsBytes()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "{0}: metrics of earlier steps are missing (expected {1} bytes of them, found {2}); the"
              + " run goes on without them",
          metricsFile,
          Long.toString(state.metricsBytes()),
          Long.toString(metrics.size()));
    }
    metrics.truncate(state.metricsBytes());
    return state.step();
  }

  private SequencedMap<String, Double> step(int step, double rate) {
    try {
      SequencedMap<String, Double> report = task.step(step, rate);
      double loss = report.getOrDefault("loss", 0.0);
      if (!Double.isFinite(loss)) {
        throw new TrainingException("the loss is not finite");
      }
      tokens += report.getOrDefault("num_tokens", 0.0);
      return report;
    } catch (TrainingException e) {
      throw new TrainingException(
          "training stopped in step "
              + (step + 1)
              + ": "
              + e.getMessage()
              + "; the last good state is "
              + (Files.exists(checkpoint) ? checkpoint : "the start: nothing was saved yet"),
          e);
    }
  }

  private RunState state(int done, long metricsBytes, double seconds) {
    return new RunState(
        done, task.optimizer().updates(), best, metricsBytes, seconds, settings.fingerprint());
  }

  private void keepBest(SequencedMap<String, Double> evaluation) {
    double figure = evaluation.getOrDefault(task.bestBy(), Double.NaN);
    boolean better = task.bestBy().endsWith("loss") ? figure < best : figure > best;
    if (Double.isNaN(best) || better) {
      best = figure;
      save(settings.out().resolve("best"));
    }
  }

  /** Writes beside it, then takes its place: there is always a whole one. */
  private void save(Path directory) {
    Path fresh = directory.resolveSibling(directory.getFileName() + ".new");
    Path old = directory.resolveSibling(directory.getFileName() + ".old");
    try {
      delete(fresh);
      task.save(fresh);
      delete(old);
      if (Files.exists(directory)) {
        Files.move(directory, old, StandardCopyOption.ATOMIC_MOVE);
      }
      Files.move(fresh, directory, StandardCopyOption.ATOMIC_MOVE);
      delete(old);
    } catch (IOException e) {
      throw new TrainingException(
          directory + ": cannot be written (" + ModelFiles.cause(e) + ")", e);
    }
  }

  /** Takes back what a process that died between the two moves of {@link #save} left aside. */
  private static void restore(Path directory) throws IOException {
    Path old = directory.resolveSibling(directory.getFileName() + ".old");
    if (!Files.exists(directory) && Files.exists(old)) {
      Files.move(old, directory, StandardCopyOption.ATOMIC_MOVE);
    }
  }

  /** Checkpoints that a process was writing when it was killed: each is as large as a whole one. */
  private void deleteUnfinished() throws IOException {
    try (Stream<Path> files = Files.list(settings.out())) {
      for (Path file : files.toList()) {
        String name = file.getFileName().toString();
        if (name.matches("(best|last)\\.(new|old)|\\.checkpoint\\.safetensors\\..+\\.tmp")) {
          delete(file);
        }
      }
    }
  }

  private static void delete(Path directory) throws IOException {
    if (!Files.exists(directory)) {
      return;
    }
    try (Stream<Path> files = Files.walk(directory)) {
      for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
        Files.delete(file);
      }
    }
  }

  private void log(
      FileChannel file, int done, double rate, SequencedMap<String, Double> report, double seconds)
      throws IOException {
    long now = System.nanoTime();
    ObjectNode line = MAPPER.createObjectNode();
    line.put("step", done);
    line.put("learning_rate", rate);
    report.forEach(line::put);
    line.put("tokens_per_second", Math.round(tokens / ((now - lineNanos) / 1e9)));
    line.put("elapsed", Math.round(seconds * 1000) / 1000.0);
    lineNanos = now;
    tokens = 0;
    ByteBuffer bytes = StandardCharsets.UTF_8.encode(line + "\n");
    while (bytes.hasRemaining()) {
      file.write(bytes);
    }
  }
}
