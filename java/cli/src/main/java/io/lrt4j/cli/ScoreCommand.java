package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Scores;
import io.lrt4j.checkpoint.SafetensorsWriter;
import io.lrt4j.checkpoint.SafetensorsWriter.Entry;
import io.lrt4j.compute.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import org.apache.commons.cli.Options;

/** {@code lrt score}: what the model thinks of a given text, token by token. */
final class ScoreCommand implements Command {
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  @Override
  public String name() {
    return "score";
  }

  @Override
  public String summary() {
    return "log-probability of every token of a text";
  }

  @Override
  public String usage() {
    return "--model DIR (--prompt TEXT | --ids 1,2,3) [--dump FILE.safetensors]";
  }

  @Override
  public Options options() {
    return Arguments.together(
        Prompt.options(),
        new Options()
            .addOption(
                valued(
                    "dump",
                    "FILE",
                    "safetensors file to write: logits [n, vocab] and hidden [n, d] (after the"
                        + " final norm), f32")),
        CommonOptions.loading(),
        CommonOptions.general());
  }

  @Override
  public void run(Arguments arguments, Console console) throws IOException {
    Prompt given = Prompt.of(arguments);
    // Mapped: it answers and ends.
    EngineOptions options = CommonOptions.engine(arguments).withMappedWeights(true);
    Path model = CommonOptions.model(arguments, console);
    String dumpName = arguments.text("dump");
    Path dump = dumpName == null ? null : target(dumpName);
    Prompt prompt = given.read(console);
    try (Engine engine = CommonOptions.load(model, options, console)) {
      int[] ids = prompt.ids(engine);
      Scores scores = engine.score(ids, dump != null, dump != null);
      if (dump != null) {
        dump(scores, dump);
        console.note("Wrote logits and hidden states to " + dump + ".");
      }
      if (arguments.has("json")) {
        console.out().println(json(engine, ids, scores));
      } else {
        print(engine, ids, scores, console);
      }
      console.out().flush();
    }
  }

  private static Path target(String name) {
    Path file = Path.of(name);
    Path folder = file.toAbsolutePath().getParent();
    if (Files.isDirectory(file)) {
      throw new FailureException("--dump " + name + " is a directory, expected a file to write");
    }
    if (folder == null || !Files.isDirectory(folder)) {
      throw new FailureException("--dump " + name + ": its folder does not exist");
    }
    return file;
  }

  private static void print(Engine engine, int[] ids, Scores scores, Console console) {
    for (int i = 0; i < ids.length; i++) {
      float logprob = scores.logprobs()[i];
      String text = engine.hasTokenizer() ? engine.decode(new int[] {ids[i]}) : "";
      console
          .out()
          .println(
              String.format(
                      Locale.ROOT,
                      "%8d  %s  %s",
                      ids[i],
                      Float.isNaN(logprob)
                          ? "         -"
                          : String.format(Locale.ROOT, "%10.5f", logprob),
                      escaped(text))
                  .stripTrailing());
    }
    console.note(
        String.format(
            Locale.ROOT,
            "[%d tokens, total %.5f, mean %.5f]",
            ids.length,
            total(scores.logprobs()),
            mean(scores.logprobs())));
  }

  /** A token's text in one line. */
  private static String escaped(String text) {
    return text.replace("\\", "\\\\")
        .replace("\n", "\\n")
        .replace("\r", "\\r")
        .replace("\t", "\\t");
  }

  private static String json(Engine engine, int[] ids, Scores scores) {
    var json = Reports.object();
    var idsJson = json.putArray("ids");
    var logprobs = json.putArray("logprobs");
    for (int i = 0; i < ids.length; i++) {
      idsJson.add(ids[i]);
      logprobs.add(Reports.number(scores.logprobs()[i]));
    }
    json.set("total_logprob", Reports.number(total(scores.logprobs())));
    json.set("mean_logprob", Reports.number(mean(scores.logprobs())));
    json.put("backend", engine.backend());
    json.put("model", engine.model().toString());
    return Reports.line(json);
  }

  /** Sum over all tokens but the first, which nothing precedes. */
  static double total(float[] logprobs) {
    double sum = 0;
    for (int i = 1; i < logprobs.length; i++) {
      sum += logprobs[i];
    }
    return sum;
  }

  static double mean(float[] logprobs) {
    return logprobs.length < 2 ? Double.NaN : total(logprobs) / (logprobs.length - 1);
  }

  private static void dump(Scores scores, Path file) {
    List<Entry> entries = new ArrayList<>();
    entries.add(entry("logits", Objects.requireNonNull(scores.logits())));
    entries.add(entry("hidden", Objects.requireNonNull(scores.hidden())));
    SafetensorsWriter.write(file, Map.of(), entries);
  }

  /** A matrix written row by row, without a second copy of it. */
  static Entry entry(String name, float[][] rows) {
    int columns = rows[0].length;
    return new Entry(
        name,
        DType.F32,
        List.of((long) rows.length, (long) columns),
        (offset, chunk) -> fill(rows, columns, offset / Float.BYTES, chunk));
  }

  private static void fill(float[][] rows, int columns, long first, MemorySegment chunk) {
    int count = (int) (chunk.byteSize() / Float.BYTES);
    for (int done = 0; done < count; ) {
      int column = (int) ((first + done) % columns);
      int n = Math.min(columns - column, count - done);
      float[] row = rows[(int) ((first + done) / columns)];
      MemorySegment.copy(row, column, chunk, FLOAT, (long) done * Float.BYTES, n);
      done += n;
    }
  }
}
