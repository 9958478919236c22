package io.lrt4j.evaluation.speed;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class SamplesTest {
  @Test
  void theFirstIsToWarmUp() {
    Samples samples = new Samples();
    samples.add("speed", 1000);
    assertThrows(IllegalStateException.class, () -> samples.median("speed"));
    samples.add("speed", 3);
    assertEquals(3, samples.median("speed"));
    samples.add("speed", 1);
    assertEquals(2, samples.median("speed"));
    samples.add("speed", 10);
    assertEquals(3, samples.median("speed"));
    assertEquals(10, samples.largest("speed"));
    assertEquals(List.of(3.0, 1.0, 10.0), samples.counted("speed"));
  }

  @Test
  void percentiles() {
    List<Double> hundred = IntStream.rangeClosed(1, 100).mapToObj(i -> (double) i).toList();
    assertEquals(50, Samples.percentile(hundred.reversed(), 50));
    assertEquals(99, Samples.percentile(hundred, 99));
    assertEquals(100, Samples.percentile(hundred, 100));
    assertEquals(7, Samples.percentile(List.of(7.0), 50));
    assertEquals(2, Samples.percentile(List.of(2.0, 1.0), 90));
    assertEquals(1, Samples.percentile(List.of(2.0, 1.0), 50));
  }
}
