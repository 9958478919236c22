package io.lrt4j.training.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LabTest {
  private static final Pattern CALCULATION = Pattern.compile("(\\d+)([-+*/])(\\d+)=(\\d+)");

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 6})
  void everyStepIsRightAndLeadsToTheAnswer(int steps) {
    Lab lab = lab(5, Lab.Split.TRAIN, steps, steps);
    for (int i = 0; i < 2000; i++) {
      Problem p = lab.problem(i);
      int last = 0;
      Matcher m = CALCULATION.matcher(p.reasoning());
      int calculations = 0;
      for (String line = ""; m.find(); calculations++) {
        line = m.group();
        int a = Integer.parseInt(m.group(1));
        int b = Integer.parseInt(m.group(3));
        last = Integer.parseInt(m.group(4));
        int expected =
            switch (m.group(2)) {
              case "+" -> a + b;
              case "-" -> a - b;
              case "*" -> a * b;
              default -> a % b == 0 ? a / b : -1;
            };
        assertEquals(expected, last, line);
        assertTrue(last >= 1 && last <= Lab.Range.EASY.maxValue(), line);
      }
      assertTrue(calculations >= steps && calculations <= 2 * steps, p.reasoning());
      assertEquals(steps, p.reasoning().split("\n", -1).length, p.reasoning());
      assertEquals(Integer.toString(last), p.answer());
      assertEquals(p.answer(), p.truth());
    }
  }

  @Test
  void trainingAndHeldOutSetsShareNoCalculation() {
    Set<String> train = calculations(Lab.Split.TRAIN);
    for (String calculation : calculations(Lab.Split.HELDOUT)) {
      assertFalse(train.contains(calculation), calculation);
    }
  }

  /** One-step problems are few enough to meet each other if they could. */
  private static Set<String> calculations(Lab.Split split) {
    Set<String> seen = new HashSet<>();
    Lab lab = lab(1, split, 1, 1);
    for (int i = 0; i < 20_000; i++) {
      Problem p = lab.problem(i);
      seen.add(
          CALCULATION.matcher(p.reasoning()).results().map(r -> r.group()).toList().toString());
    }
    return seen;
  }

  @Test
  void aProblemIsAFunctionOfItsIndex() {
    Lab lab = lab(3, Lab.Split.TRAIN, 1, 6);
    Problem seventh = lab.problem(7);
    lab.problem(1);
    assertEquals(seventh, lab(3, Lab.Split.TRAIN, 1, 6).problem(7));
    assertFalse(seventh.equals(lab.problem(8)));
    assertFalse(seventh.equals(lab(4, Lab.Split.TRAIN, 1, 6).problem(7)));
  }

  private static Lab lab(long seed, Lab.Split split, int least, int most) {
    return new Lab(Lab.Range.EASY, Lab.Mix.even(least, most), seed, split);
  }

  private static int[] counts(Lab.Mix mix, long from, int n) {
    Lab lab = new Lab(Lab.Range.EASY, mix, 7, Lab.Split.TRAIN);
    int[] counts = new int[mix.most() + 1];
    for (long i = from; i < from + n; i++) {
      counts[lab.problem(i).reasoning().split("\n", -1).length]++;
    }
    return counts;
  }

  @Test
  void weightsSayHowOftenEachNumberOfStepsComes() {
    int[] counts = counts(new Lab.Mix(1, 3, List.of(1.0, 0.0, 3.0), 0), 0, 4000);
    assertEquals(1000, counts[1], 100);
    assertEquals(0, counts[2]);
    assertEquals(3000, counts[3], 100);
  }

  @Test
  void aCurriculumBeginsWithFewSteps() {
    var mix = new Lab.Mix(1, 6, List.of(), 5000);
    assertEquals(0, Arrays.stream(counts(mix, 0, 1000)).skip(3).sum());
    assertEquals(0, counts(mix, 4000, 999)[6]);
    assertTrue(counts(mix, 4000, 999)[5] > 100);
    assertTrue(counts(mix, 5000, 1000)[6] > 100);
  }

  @Test
  void widerNumbersComeUpWhenAskedFor() {
    var lab = new Lab(new Lab.Range(99, 20, 9, 5), Lab.Mix.even(6, 6), 1, Lab.Split.HELDOUT);
    int largest = 0;
    for (int i = 0; i < 1000; i++) {
      largest = Math.max(largest, Integer.parseInt(lab.problem(i).answer()));
    }
    assertTrue(largest > 90 && largest <= 99, "largest answer: " + largest);
  }

  @Test
  void stepsOutOfRangeAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> Lab.Mix.even(0, 3));
    assertThrows(IllegalArgumentException.class, () -> Lab.Mix.even(4, 3));
    assertThrows(IllegalArgumentException.class, () -> Lab.Mix.even(1, Lab.MAX_STEPS + 1));
    assertThrows(IllegalArgumentException.class, () -> new Lab.Mix(1, 2, List.of(1.0), 0));
    assertThrows(IllegalArgumentException.class, () -> new Lab.Mix(1, 2, List.of(0.0, 0.0), 0));
    assertThrows(IllegalArgumentException.class, () -> new Lab.Mix(1, 2, List.of(), -1));
    assertThrows(IllegalArgumentException.class, () -> new Lab.Range(29, 1, 5, 3));
    assertThrows(IllegalArgumentException.class, () -> new Lab.Range(29, 9, 5, 1));
  }
}
