package io.lrt4j.evaluation.grade;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class GraderTest {
  static List<Arguments> pairs() throws IOException {
    try (InputStream in =
        Objects.requireNonNull(GraderTest.class.getResourceAsStream("/grade/pairs.txt"))) {
      List<Arguments> pairs =
          new String(in.readAllBytes(), StandardCharsets.UTF_8)
              .lines()
              .filter(line -> !line.startsWith("#"))
              .map(line -> line.split(" ;; ", -1))
              .map(p -> Arguments.of(p[0], p[1].replace("\\n#", "\n#"), p[2].equals("1")))
              .toList();
      assertTrue(pairs.size() >= 150, "pairs: " + pairs.size());
      return pairs;
    }
  }

  @ParameterizedTest
  @MethodSource
  void pairs(String truth, String answer, boolean right) {
    assertEquals(right, Grader.MATH.isRight(answer, truth), answer);
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "CHOICE; The answer is (B).; B; true",
        "CHOICE; \\boxed{\\text{C}}; C; true",
        "CHOICE; **D.** because; D; true",
        "CHOICE; Option A; A; true",
        "CHOICE; The answer is (B).; A; false",
        "CHOICE; A man walks; A; false",
        "CHOICE; The answer is A. But no, the answer is B.; B; true",
        "CHOICE; The correct answer is (B). Answer choice (A) is wrong.; B; true",
        "CHOICE; The correct answer is (B). Answer choice (A) is wrong.; A; false",
        "CHOICE; The best answer is option B.; B; true",
        "CHOICE; Option A fails. Option D works.; D; true",
        "CHOICE; It is not (A).; A; false",
        "CHOICE; **Answer:** B; B; true",
        "CHOICE; **Answer**: (B); B; true",
        "CHOICE; '**Answer:**\n**B**'; B; true",
        "CHOICE; The answer is \\(B\\).; B; true",
        "CHOICE; The answer is $B$.; B; true",
        "CHOICE; The answer is \"B\".; B; true",
        "CHOICE; (C) It is said.; C; true",
        "CHOICE; \\boxed{b}; B; true",
        "CHOICE; \\boxed{\\textbf{(B)}}; B; true",
        "CHOICE; \\boxed{\\mathrm{B}}; B; true",
        "CHOICE; \\boxed{\\text{B. The mayor}}; B; true",
        "CHOICE; \\boxed{\\text{(B) The mayor}}; B; true",
        "CHOICE; '\\boxed{A, B}'; A; false",
        "CHOICE; (J) It is said.; J; true",
        "AUTO; \\boxed{(E)}; E; true",
        "AUTO; It takes 3 bolts; 3; true",
        "AUTO; \\boxed{\\frac{6}{2}}; 3; true",
        "AUTO; -2; 2; false",
        "AUTO; \\boxed{3 bolts}; 3; true",
        "AUTO; \\boxed{3 bolts of blue cloth}; 3; true",
        "AUTO; '\\boxed{$1,200 dollars}'; 1200; true",
        "AUTO; '\\boxed{70{,}000}'; 70000; true",
        "AUTO; \\boxed{70 000}; 70000; true",
        "AUTO; \\boxed{x = 6}; 6; true",
        "AUTO; \\boxed{6 + 7}; 13; true",
        "AUTO; \\boxed{1 1/2}; 1.5; true",
        "AUTO; \\boxed{50%}; 1/2; true",
        "AUTO; \\boxed{2 bolts}; 3; false",
        "AUTO; \\boxed{3 million}; 3; false",
        "AUTO; \\boxed{3 dozen eggs}; 3; false",
        "AUTO; \\boxed{3 and a half}; 3; false",
        "AUTO; \\boxed{7 hours and 30 minutes}; 30; false",
        "AUTO; \\boxed{3 or 4}; 3; false",
        "NUMBER; He has 1,234 left.; 1234; true",
        "NUMBER; so 0.5; 1/2; true",
        "NUMBER; .5; 1/2; true",
        "NUMBER; none; 1; false",
        "NUMBER; it is 7.00; 7; true",
        "NUMBER; it is −5; -5; true",
        "NUMBER; 20; 20%; true",
        "NUMBER; '18 because 9 * 2 = 18, and not 16'; 18; true",
        "NUMBER; '18 because 9 * 2 = 18, and not 16'; 16; false",
        "NUMBER; '18, not **16**'; 18; true",
        "NUMBER; '18, NOT $16'; 18; true",
        "NUMBER; It is not 16.; 16; false",
        "NUMBER; 'not 16, but 18'; 18; true",
        "NUMBER; He undid the knot 16 times; 16; true",
        "AUTO; '18 because 9 * 2 = 18, and not 16'; 18; true",
        "AUTO; '\\boxed{3}, \\boxed{5}'; 5; false",
        "CHOICE; '\\boxed{A} and \\boxed{B}'; B; false",
        "CHOICE; '\\boxed{A}, so \\boxed{B}'; B; true",
        "MATH; 'The answer is 5\nIt took 3 steps.'; 5; true",
        "MATH; #### 5, no: #### 6; 6; true",
        "NUMBER; 3 and 4 #### 5; 5; true",
        "TEXT; The  Cat; the cat; true",
        "TEXT; so \\boxed{The cat}; the cat; true",
        "TEXT; a dog; the cat; false",
      })
  void otherKinds(Grader grader, String answer, String truth, boolean right) {
    assertEquals(right, grader.isRight(answer, truth));
  }

  /** What majority votes are counted by. */
  @Test
  void finalAnswersAgreeByWhatTheyMean() {
    assertTrue(Grader.NUMBER.agree("0.5", "1/2"));
    assertTrue(Grader.MATH.agree("\\frac{1}{2}", "0.5"));
    assertFalse(Grader.MATH.agree("1", "2"));
    for (Grader grader : Grader.values()) {
      assertFalse(grader.agree("", ""));
      assertFalse(grader.agree("1", ""));
      assertFalse(grader.agree("", "1"));
    }
  }

  /** Long, deep and huge: graded, wrong, at once. */
  @ParameterizedTest
  @EnumSource(Grader.class)
  void noTextIsTooMuch(Grader grader) {
    for (String part :
        List.of(
            "1",
            "(",
            "{",
            "[",
            "\\boxed{",
            "\\boxed{1} ",
            "\\boxed{1},",
            "\\boxed{1}, \\boxed{2} and ",
            "x=1, y=2,",
            "(x,y)=",
            "not 1 ",
            "1,",
            "-",
            "-$",
            "answer is ",
            "A. ",
            "/",
            "^",
            "9^9",
            "9^",
            "\\frac",
            "\\frac{",
            "1\\frac{",
            "\\sqrt{",
            "\\{",
            "x=(",
            "!",
            "|",
            " ",
            ", ",
            "$",
            "\\(",
            "\\left",
            "_",
            "1_",
            "\\begin{matrix}",
            "\\text{",
            "e9",
            "\\pm 1",
            "1 ",
            "a+",
            "x",
            "\\cup",
            "% ",
            "\\",
            "<",
            "\n",
            "\u0000",
            "١",
            "\uD800")) {
      for (int length : new int[] {1, 60, 10_000}) {
        String text = part.repeat(length);
        assertFalse(grader.isRight(text, "17"), part);
        assertFalse(grader.isRight("\\boxed{" + text + "}", "\\frac{17}{3}"), part);
        assertFalse(grader.isRight("17", text + "y"), part);
      }
    }
    for (String text :
        List.of(
            "9^{9^{9^{9}}}",
            "10^{-99999}!", "1e999", "99999999!", "\\binom{9^9}{3}", "1/0", "0^{-1}")) {
      assertFalse(grader.isRight("\\boxed{" + text + "}", "17"), text);
    }
  }

  @Test
  void hugeNumbersAreStillCompared() {
    assertTrue(Grader.MATH.isRight("7".repeat(390), "7".repeat(390)));
    assertFalse(Grader.MATH.isRight("7".repeat(390), "7".repeat(389) + "8"));
    assertTrue(Grader.MATH.isRight("9^{9^{9^{9}}}", "9^{9^{9^{9}}}"));
  }
}
