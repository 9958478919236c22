package io.lrt4j.training.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
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
    Lab lab = new Lab(5, Lab.Split.TRAIN, steps, steps);
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
        assertTrue(last >= 1 && last <= Lab.MAX_VALUE, line);
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
    Lab lab = new Lab(1, split, 1, 1);
    for (int i = 0; i < 20_000; i++) {
      Problem p = lab.problem(i);
      seen.add(
          CALCULATION.matcher(p.reasoning()).results().map(r -> r.group()).toList().toString());
    }
    return seen;
  }

  @Test
  void aProblemIsAFunctionOfItsIndex() {
    Lab lab = new Lab(3, Lab.Split.TRAIN, 1, 6);
    Problem seventh = lab.problem(7);
    lab.problem(1);
    assertEquals(seventh, new Lab(3, Lab.Split.TRAIN, 1, 6).problem(7));
    assertFalse(seventh.equals(lab.problem(8)));
    assertFalse(seventh.equals(new Lab(4, Lab.Split.TRAIN, 1, 6).problem(7)));
  }

  @Test
  void stepsOutOfRangeAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> new Lab(0, Lab.Split.TRAIN, 0, 3));
    assertThrows(IllegalArgumentException.class, () -> new Lab(0, Lab.Split.TRAIN, 4, 3));
    assertThrows(IllegalArgumentException.class, () -> new Lab(0, Lab.Split.TRAIN, 1, 7));
  }
}
