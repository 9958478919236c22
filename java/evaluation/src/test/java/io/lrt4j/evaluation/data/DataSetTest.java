package io.lrt4j.evaluation.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.evaluation.EvaluationException;
import io.lrt4j.evaluation.data.DataSet.Reading;
import io.lrt4j.evaluation.grade.Grader;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class DataSetTest {
  @TempDir Path folder;

  private static Path resource(String name) throws URISyntaxException {
    return Path.of(Objects.requireNonNull(DataSetTest.class.getResource("/data/" + name)).toURI());
  }

  private Path file(String... lines) throws IOException {
    return Files.writeString(folder.resolve("file.jsonl"), String.join("\n", lines) + "\n");
  }

  @ParameterizedTest
  @CsvSource({
    "gsm8k.jsonl, 18, AUTO, boxed",
    "math500.jsonl, '\\left( 3, \\frac{\\pi}{2} \\right)', MATH, boxed",
    "amc23.jsonl, 27, MATH, boxed",
    "lsat.jsonl, C, CHOICE, '\n(E)'",
    "gpqa.jsonl, D, CHOICE, '\n(D) 4'",
    "lab.jsonl, 8, AUTO, 'how many?'",
  })
  void formatsAreKnownByTheirFields(String name, String truth, Grader grader, String said)
      throws URISyntaxException {
    DataSet data = DataSet.read(resource(name), Reading.AUTO);
    Task first = data.tasks().getFirst();
    assertEquals(name, data.name() + ".jsonl");
    assertEquals(truth, first.truth());
    assertEquals(grader, first.grader());
    assertTrue(first.prompt().contains(said), first.prompt());
  }

  /** The answer of a worked solution is right, and a changed one is not. */
  @Test
  void workedSolutionsAreRight() throws IOException, URISyntaxException {
    var mapper = new ObjectMapper();
    for (String name : new String[] {"gsm8k.jsonl", "math500.jsonl", "amc23.jsonl"}) {
      Path file = resource(name);
      var lines = Files.readAllLines(file);
      DataSet data = DataSet.read(file, Reading.AUTO);
      for (int i = 0; i < lines.size(); i++) {
        JsonNode json = mapper.readTree(lines.get(i));
        Task task = data.tasks().get(i);
        String solution =
            json.has("solution") ? json.get("solution").asText() : json.get("answer").asText();
        assertTrue(task.grader().isRight(solution, task.truth()), solution);
        String wrong = task.truth().replaceFirst("[0-8]", "9");
        boolean changed = !wrong.equals(task.truth());
        assertFalse(
            changed && task.grader().isRight("\\boxed{" + wrong + "}", task.truth()), wrong);
      }
    }
  }

  @Test
  void namedFields() throws IOException {
    Path file = file("{\"q\":\"Which?\",\"a\":\"the cat\",\"id\":\"x\"}");
    DataSet data = DataSet.read(file, new Reading(Format.AUTO, "q", "a", Grader.TEXT));
    assertEquals(new Task("x", "Which?", "the cat", Grader.TEXT, ""), data.tasks().getFirst());
    assertEquals("file", data.name());
  }

  @Test
  void gpqaPutsTheRightChoiceAnywhere() throws IOException {
    StringBuilder seen = new StringBuilder();
    for (int i = 0; i < 40; i++) {
      Path file =
          file(
              "{\"Question\":\"q"
                  + i
                  + "\",\"Correct Answer\":\"r\",\"Incorrect Answer 1\":\"a\","
                  + "\"Incorrect Answer 2\":\"b\",\"Incorrect Answer 3\":\"c\"}");
      Task task = DataSet.read(file, Reading.AUTO).tasks().getFirst();
      assertTrue(task.prompt().contains("(" + task.truth() + ") r"), task.prompt());
      seen.append(task.truth());
    }
    for (String letter : new String[] {"A", "B", "C", "D"}) {
      assertTrue(seen.indexOf(letter) >= 0, seen.toString());
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{\"question\":\"x\" | line 2: expected one JSON object",
        "[1] | line 2: expected one JSON object",
        "{\"question\":\"x\",\"answer\":1e999} | line 2: expected a text \"answer\", found a number"
            + " that is too large",
        "{\"question\":\"x\"} | line 2: expected a text \"answer\", found none",
        "{\"question\":\"\",\"answer\":1} | line 2: expected a text \"question\", found an empty"
            + " one",
        "{\"question\":[],\"answer\":1} | line 2: expected a text \"question\", found ARRAY",
        "{\"options\":3,\"label\":\"A\"} | line 2: expected a list of choices \"options\"",
        "{\"id\":1,\"question\":\"x\",\"answer\":\"1\"} | line 2: the id 1 was used before",
      })
  void badLines(String line, String message) throws IOException {
    Path file = file("{\"id\":1,\"question\":\"x\",\"answer\":1e0}", line);
    var e = assertThrows(EvaluationException.class, () -> DataSet.read(file, Reading.AUTO));
    assertTrue(String.valueOf(e.getMessage()).contains(message), e.getMessage());
  }

  /** Only there: in the middle it is a character that no JSON begins with. */
  @Test
  void aByteOrderMarkMayComeFirst() throws IOException {
    String line = "{\"question\":\"x\",\"answer\":\"1\"}";
    DataSet plain = DataSet.read(file(line, line), Reading.AUTO);
    assertEquals(plain, DataSet.read(file("\uFEFF" + line, line), Reading.AUTO));
    Path second = file(line, "\uFEFF" + line);
    assertThrows(EvaluationException.class, () -> DataSet.read(second, Reading.AUTO));
  }

  @Test
  void emptyAndMissing() throws IOException {
    Path empty = file("");
    var e = assertThrows(EvaluationException.class, () -> DataSet.read(empty, Reading.AUTO));
    assertEquals(empty + ": expected at least one question, found none", e.getMessage());
    Path none = folder.resolve("none.jsonl");
    e = assertThrows(EvaluationException.class, () -> DataSet.read(none, Reading.AUTO));
    assertTrue(
        String.valueOf(e.getMessage()).startsWith(none + ": expected a JSONL file")
            && String.valueOf(e.getMessage()).endsWith(": there is no such file"),
        e.getMessage());
  }
}
