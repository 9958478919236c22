package io.lrt4j.training.data;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class RewardsTest {
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "NUMBER; 42; 42; 1",
        "NUMBER; The answer is 42.; 42; 1",
        "NUMBER; 3 + 4 = 7; 7; 1",
        "NUMBER; It costs $1,234.50 in all; 1234.5; 1",
        "NUMBER; 1/2; 0.5; 1",
        "NUMBER; -3; 3; 0",
        "NUMBER; -3; -3; 1",
        "NUMBER; 50%; 50; 1",
        "NUMBER; 421; 42; 0",
        "NUMBER; nothing; 42; 0",
        "NUMBER; 42 and then 43; 42; 0",
        "BOXED; so \\boxed{\\frac{1}{2}}; \\dfrac{1}{2}; 1",
        "BOXED; \\boxed{\\frac12}; 0.5; 1",
        "BOXED; \\boxed{x^{2}+1}; x^{2} + 1; 1",
        "BOXED; \\boxed{1} or \\boxed{2}; 2; 0",
        "BOXED; \\boxed{1} or rather: \\boxed{2}; 2; 1",
        "BOXED; \\boxed{\\left(3, 4\\right)}; (3,4); 1",
        "BOXED; \\boxed{90^\\circ}; 90; 1",
        "BOXED; \\boxed{\\text{Evelyn}}; Evelyn; 1",
        "BOXED; \\boxed{7; 7; 1",
        "BOXED; \\boxed{8}; 7; 0",
        "CHOICE; B; B; 1",
        "CHOICE; The answer is (B).; B; 1",
        "CHOICE; \\boxed{C}; C; 1",
        "CHOICE; A. because; A; 1",
        "CHOICE; The answer is (B).; A; 0",
        "CHOICE; no idea; A; 0",
        "AUTO; The answer is (B).; B; 1",
        "AUTO; so it is 12; 12; 1",
        "AUTO; \\boxed{12}; 12; 1",
        "AUTO; \\boxed{13}; 12; 0",
      })
  void table(Rewards reward, String answer, String truth, double expected) {
    assertEquals(expected, reward.score(answer, truth));
  }

  @ParameterizedTest
  @EnumSource(Rewards.class)
  void noTextIsTooMuch(Rewards reward) {
    for (String part : new String[] {"1", "{", "\\boxed{", "1,", "-$", "answer is ", "A. ", "/"}) {
      assertEquals(0, reward.score(part.repeat(20_000), "17"), part);
    }
    assertEquals(0, reward.score("", "17"));
  }

  @Test
  void theTruthIsRight() {
    for (String truth : new String[] {"42", "-7.25", "\\frac{3}{4}", "(1, 2)", "C", "1,000"}) {
      assertEquals(1, Rewards.AUTO.score(truth, truth), truth);
    }
  }
}
