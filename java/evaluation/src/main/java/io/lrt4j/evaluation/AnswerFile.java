package io.lrt4j.evaluation;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Task;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * The folder of a run: {@code setting.json}, and {@code answers.jsonl} with a line for every
 * question answered, written at once. A run that was killed leaves at most its last line
 * unfinished, which is dropped when it is resumed.
 */
public final class AnswerFile implements AutoCloseable {
  /** In a setting, what tells one data set from others: {@link DataSet#fingerprint}. */
  public static final String QUESTIONS = "questions_hash";

  /** In a setting, the confidence below which auto thinks. */
  public static final String AUTO_THRESHOLD = "auto_threshold";

  /**
   * What a run may be begun without: by an earlier version, or before auto was asked for. It is
   * written down when the run goes on, and counts from then on.
   */
  private static final Set<String> LATER =
      Set.of(QUESTIONS, "model_hash", "network_hash", AUTO_THRESHOLD);

  private static final String SETTING = "setting.json";
  private static final JsonMapper MAPPER = new JsonMapper();

  private final Path file;
  private final FileChannel out;
  private final Map<String, Answered> answered = new LinkedHashMap<>();

  private AnswerFile(Path file, FileChannel out) {
    this.file = file;
    this.out = out;
  }

  /**
   * Begins a run, or goes on with one.
   *
   * @param setting what decides the answers: a run is only resumed with the same
   * @throws EvaluationException if the folder holds another run, or one and it is not to be resumed
   */
  public static AnswerFile open(Path folder, Map<String, String> setting, boolean resume) {
    Path file = folder.resolve("answers.jsonl");
    try {
      Files.createDirectories(folder);
      FileChannel out =
          FileChannel.open(
              file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
      var answers = new AnswerFile(file, out);
      try {
        // Before the setting is looked at: of two that begin at once, one begins.
        if (!ModelFiles.lock(out)) {
          throw new EvaluationException(
              folder + ": expected a folder of its own, found another run writing to it");
        }
        begin(folder, setting, resume, out.size() > 0);
        answers.read();
      } catch (IOException | RuntimeException e) {
        answers.close();
        throw e;
      }
      return answers;
    } catch (IOException e) {
      throw new EvaluationException(
          folder + ": cannot be written or read: " + ModelFiles.cause(e), e);
    }
  }

  /** The setting that a run in a folder was begun with; nothing if there is none. */
  public static Map<String, String> begunWith(Path folder) {
    Path settings = folder.resolve(SETTING);
    try {
      Map<String, String> setting = new LinkedHashMap<>();
      if (Files.exists(settings)) {
        MAPPER
            .readTree(settings.toFile())
            .properties()
            .forEach(e -> setting.put(e.getKey(), e.getValue().asText()));
      }
      return setting;
    } catch (IOException e) {
      throw new EvaluationException(
          folder + ": cannot be written or read: " + ModelFiles.cause(e), e);
    }
  }

  /** Writes the setting down, or compares it with the one that a run was begun with. */
  private static void begin(
      Path folder, Map<String, String> setting, boolean resume, boolean answered)
      throws IOException {
    Path settings = folder.resolve(SETTING);
    ObjectNode now = MAPPER.valueToTree(setting);
    if (!Files.exists(settings)) {
      if (answered) {
        throw new EvaluationException(
            settings + ": expected the setting that answers.jsonl was begun with, found none");
      }
      write(settings, now);
      return;
    }
    if (!resume) {
      throw new EvaluationException(folder + ": a run is there already; --resume goes on with it");
    }
    JsonNode before = MAPPER.readTree(settings.toFile());
    ObjectNode known = now.deepCopy();
    known.remove(LATER.stream().filter(name -> !before.has(name)).toList());
    if (!before.equals(known)) {
      throw new EvaluationException(
          folder
              + ": was begun with another setting: expected "
              + different(before, known)
              + ", found "
              + different(known, before));
    }
    if (!before.equals(now)) {
      write(settings, now);
    }
  }

  private static void write(Path settings, JsonNode setting) throws IOException {
    Path written = settings.resolveSibling(SETTING + ".tmp"); // it is there whole, or not at all
    Files.writeString(written, setting + "\n");
    Files.move(written, settings, StandardCopyOption.ATOMIC_MOVE);
  }

  /** What one setting says otherwise than another. */
  private static JsonNode different(JsonNode setting, JsonNode other) {
    var different = MAPPER.createObjectNode();
    for (var entry : setting.properties()) {
      if (!entry.getValue().equals(other.get(entry.getKey()))) {
        different.set(entry.getKey(), entry.getValue());
      }
    }
    return different;
  }

  /** Reads whole lines, and cuts off what follows the last of them. */
  private void read() throws IOException {
    byte[] bytes = new byte[Math.toIntExact(out.size())];
    ByteBuffer into = ByteBuffer.wrap(bytes);
    while (into.hasRemaining() && out.read(into) >= 0) {
      // until all is there
    }
    int end = into.position();
    while (end > 0 && bytes[end - 1] != '\n') {
      end--;
    }
    int number = 0;
    for (String line : new String(bytes, 0, end, StandardCharsets.UTF_8).split("\n", -1)) {
      number++;
      if (line.isEmpty()) {
        continue;
      }
      try {
        remember(MAPPER.readValue(line, Answered.class));
      } catch (JsonProcessingException e) {
        throw new EvaluationException(
            file + ", line " + number + ": expected an answered question", e);
      }
    }
    out.truncate(end);
    out.position(end);
  }

  private void remember(Answered a) {
    answered.put(a.cell() + "\n" + a.id(), a);
  }

  @Nullable Answered get(String cell, String id) {
    return answered.get(cell + "\n" + id);
  }

  /** All of the run, by cell in the order of the questions. */
  public List<Answered> all(DataSet data, List<Cell> cells) {
    List<Answered> all = new ArrayList<>();
    for (Cell cell : cells) {
      for (Task task : data.tasks()) {
        Answered a = get(cell.key(), task.id());
        if (a != null) {
          all.add(a);
        }
      }
    }
    return all;
  }

  /** Writes a line. */
  public void add(Answered a) {
    try {
      ByteBuffer line =
          ByteBuffer.wrap((MAPPER.writeValueAsString(a) + "\n").getBytes(StandardCharsets.UTF_8));
      while (line.hasRemaining()) {
        out.write(line);
      }
    } catch (IOException e) {
      throw new EvaluationException(
          file
              + ": cannot be written ("
              + e.getMessage()
              + "); "
              + answered.size()
              + " answered questions are kept, --resume goes on with them",
          e);
    }
    remember(a);
  }

  @Override
  public void close() {
    try {
      out.close();
    } catch (IOException e) {
      throw new EvaluationException(file + ": cannot be closed: " + e.getMessage(), e);
    }
  }
}
