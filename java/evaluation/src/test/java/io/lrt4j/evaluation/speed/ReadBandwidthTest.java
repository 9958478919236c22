package io.lrt4j.evaluation.speed;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

/** That memory is read, not how fast. */
class ReadBandwidthTest {
  @Test
  void everyWayReadsAll() {
    try (ReadBandwidth read = new ReadBandwidth(2, 16)) {
      for (long sum : read.sums()) {
        assertEquals(read.expectedSum(), sum);
      }
      assertTrue(read.measure(0).gigabytes() > 0);
      assertTrue(read.sustained(3 << 20) > 0);
    }
  }
}
