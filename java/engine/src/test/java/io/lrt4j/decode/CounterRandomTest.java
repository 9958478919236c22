package io.lrt4j.decode;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import org.junit.jupiter.api.Test;

class CounterRandomTest {
  /** The known answers that come with the paper's code (Random123, kat_vectors, philox4x32 10). */
  @Test
  void knownAnswers() {
    assertEquals(0x6627e8d5_e169c58dL, CounterRandom.bits(0, 0, 0));
    assertEquals(0x408f276d_41c83b0eL, CounterRandom.bits(-1, -1, -1));
    assertEquals(
        0xd16cfe09_94fdccebL,
        CounterRandom.bits(0x299f31d0_a4093822L, 0x85a308d3_243f6a88L, 0x03707344_13198a2eL));
  }

  @Test
  void uniformIsTheUpper24Bits() {
    assertEquals(0x6627e8 * 0x1p-24f, new CounterRandom(0).uniform(0, 0));
    assertEquals(0x408f27 * 0x1p-24f, new CounterRandom(-1).uniform(-1, -1));
  }

  @Test
  void drawsDependOnSeedStreamAndPositionAlone() {
    var random = new CounterRandom(42);
    float first = random.uniform(3, 7);
    assertNotEquals(first, random.uniform(3, 8));
    assertNotEquals(first, random.uniform(4, 7));
    assertNotEquals(first, new CounterRandom(43).uniform(3, 7));
    assertNotEquals(random.uniform(0, 1), random.uniform(1, 0));
    assertEquals(first, new CounterRandom(42).uniform(3, 7));
  }

  /** Chi-square over 64 bins, along positions and along streams; 103.4 is the 0.1 % point of 63. */
  @Test
  void isUniform() {
    for (boolean alongPositions : new boolean[] {true, false}) {
      var random = new CounterRandom(1);
      var bins = new int[64];
      var distinct = new HashSet<Float>();
      int draws = 1 << 16;
      for (int i = 0; i < draws; i++) {
        float u = alongPositions ? random.uniform(5, i) : random.uniform(i, 5);
        assertTrue(u >= 0 && u < 1);
        bins[(int) (u * 64)]++;
        distinct.add(u);
      }
      double expected = draws / 64.0;
      double chi = 0;
      for (int bin : bins) {
        chi += (bin - expected) * (bin - expected) / expected;
      }
      assertTrue(chi < 103.4, "chi-square " + chi);
      assertTrue(distinct.size() > draws - 300, "birthdays: " + (draws - distinct.size()));
    }
  }
}
