package io.lrt4j.training.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.training.TrainingException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ProblemFilesTest {
  @TempDir Path directory;

  private List<Problem> read(String text) throws IOException {
    Path file = directory.resolve("problems.jsonl");
    Files.writeString(file, text);
    return ProblemFiles.read(file);
  }

  private String line(int number) {
    return directory.resolve("problems.jsonl") + ", line " + number;
  }

  @Test
  void threeDialects() throws IOException {
    List<Problem> problems =
        read(
            """
            {"question":"1+1?","reasoning":"1+1=2","answer":"2"}

            {"question":"Eggs?","answer":"He has 2*3=<<2*3=6>>6.\\nSo six.\\n#### 1,006"}
            {"problem":"Half of 1?","solution":"Divide.","answer":"\\\\frac{1}{2}"}
            {"question":"Plain?","answer":7}
            """);
    assertEquals(
        List.of(
            new Problem("1+1?", "1+1=2", "2", "2", line(1)),
            new Problem("Eggs?", "He has 2*3=6.\nSo six.", "1006", "1006", line(3)),
            new Problem("Half of 1?", "Divide.", "\\frac{1}{2}", "\\frac{1}{2}", line(4)),
            new Problem("Plain?", "", "7", "7", line(5))),
        problems);
  }

  @Test
  void aByteOrderMarkMayComeFirst() throws IOException {
    String line = "{\"question\":\"a\",\"answer\":\"b\"}\n";
    assertEquals(read(line + line), read("\uFEFF" + line + line));
  }

  @ParameterizedTest
  @ValueSource(strings = {"{\"question\":\"x\"}", "not json", "[]", "{\"answer\":\"1\"}", "7"})
  void aBadLineIsNamed(String line) {
    var thrown =
        assertThrows(
            TrainingException.class,
            () -> read("{\"question\":\"a\",\"answer\":\"b\"}\n" + line + "\n"));
    assertTrue(String.valueOf(thrown.getMessage()).contains("line 2"), thrown.getMessage());
  }

  @Test
  void anEpochHasEveryProblemOnce() {
    List<Problem> problems =
        List.of("a", "b", "c", "d", "e").stream().map(q -> new Problem(q, "", q, q)).toList();
    ProblemSource source = ProblemSource.shuffled(problems, 1);
    Set<List<Problem>> orders = new HashSet<>();
    for (int epoch = 0; epoch < 10; epoch++) {
      long first = epoch * 5L;
      List<Problem> order =
          List.of(0, 1, 2, 3, 4).stream().map(i -> source.get(first + i)).toList();
      assertEquals(Set.copyOf(problems), Set.copyOf(order));
      orders.add(order);
    }
    assertTrue(orders.size() > 3);
    assertEquals(source.get(3), ProblemSource.shuffled(problems, 1).get(3));
  }

  @Test
  void problemsHaveAFingerprint() {
    Problem p = new Problem("a", "b", "c", "d");
    String one = ProblemFiles.fingerprint(List.of(p));
    assertEquals(one, ProblemFiles.fingerprint(List.of(new Problem("a", "b", "c", "d", "there"))));
    for (Problem other :
        List.of(
            new Problem("x", "b", "c", "d"),
            new Problem("a", "x", "c", "d"),
            new Problem("a", "b", "x", "d"),
            new Problem("a", "b", "c", "x"))) {
      assertNotEquals(one, ProblemFiles.fingerprint(List.of(other)));
      assertNotEquals(
          ProblemFiles.fingerprint(List.of(p, other)), ProblemFiles.fingerprint(List.of(other, p)));
    }
  }
}
