package io.lrt4j.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.Token.Alternative;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;

/** The most probable tokens against sorting all of them. */
class TopTokensTest {
  @Test
  void asSorted() {
    Random random = new Random(1);
    for (int n = 1; n < 60; n += 7) {
      float[] logits = new float[n];
      List<Integer> ids = new ArrayList<>();
      for (int i = 0; i < n; i++) {
        logits[i] = random.nextInt(9); // so that some are equal
        ids.add(i);
      }
      ids.sort((a, b) -> Float.compare(logits[b], logits[a])); // stable: of equal ones the first
      for (int count = 1; count <= 20; count++) {
        List<Alternative> expected =
            ids.stream().limit(count).map(id -> new Alternative(id, logits[id] - 2)).toList();
        assertEquals(expected, TopTokens.of(logits, count, 2), n + " " + count);
      }
    }
  }
}
