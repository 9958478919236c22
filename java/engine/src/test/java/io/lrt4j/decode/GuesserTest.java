package io.lrt4j.decode;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

/** What is guessed from tokens that were there before, and how often. */
class GuesserTest {
  private static Guesser of(int... tokens) {
    var guesser = new Guesser(1000);
    Arrays.stream(tokens).forEach(guesser::add);
    return guesser;
  }

  private static int[] guess(Guesser guesser, int most) {
    int[] to = new int[Guesser.MOST];
    return Arrays.copyOf(to, guesser.guess(to, most));
  }

  @Test
  void whatFollowedTheSameTwoTokensLast() {
    assertArrayEquals(new int[] {8, 7}, guess(of(1, 2, 3, 9, 1, 2, 3, 8, 7, 1, 2, 3), 9));
    assertArrayEquals(new int[] {8}, guess(of(2, 3, 8, 7, 1, 2, 3), 1));
    assertArrayEquals(new int[0], guess(of(1, 2, 3, 8, 1, 3), 9));
    assertArrayEquals(new int[0], guess(of(1), 9));
  }

  /** With a few places, many pairs of tokens have the same: what another pair left is no guess. */
  @Test
  void onlyWhatFollowedTheSameTwoTokens() {
    for (int a = 0; a < 50; a++) {
      var guesser = new Guesser(8);
      Arrays.stream(new int[] {1, 2, 3, 4, a + 5, a + 6}).forEach(guesser::add);
      assertArrayEquals(new int[0], guess(guesser, 9), "after " + (a + 5));
    }
  }

  @Test
  void whatGoesRoundGoesOn() {
    Guesser guesser = of(5, 5, 5);
    assertArrayEquals(new int[] {5, 5}, guess(guesser, 9));
    guesser.learn(2, 2);
    assertArrayEquals(new int[] {3, 4}, guess(of(1, 2, 3, 4, 1, 2), 9));
    assertArrayEquals(new int[] {5, 5, 5}, guess(guesser, 9));
  }

  @Test
  void guessesGetLongerWhileTheyAreRight() {
    Guesser guesser = of(5, 5, 5);
    for (int length = 2; length < Guesser.MOST + 3; length++) {
      int n = Math.min(length, Guesser.MOST);
      assertEquals(n, guess(guesser, 9).length);
      guesser.learn(n, n);
    }
    guesser.learn(7, 1);
    assertEquals(1, guess(guesser, 9).length);
    guesser.learn(1, 1);
    assertEquals(2, guess(guesser, 9).length);
  }

  @Test
  void andRarerWhileTheyAreWrong() {
    Guesser guesser = of(5, 5, 5);
    for (int pause : new int[] {1, 3, 7, 15, 31, 31}) {
      assertEquals(2, guess(guesser, 9).length);
      guesser.learn(2, 0);
      for (int i = 0; i < pause; i++) {
        assertEquals(0, guess(guesser, 9).length);
      }
    }
    assertEquals(2, guess(guesser, 9).length);
    guesser.learn(2, 1);
    assertEquals(1, guess(guesser, 9).length);
    guesser.learn(1, 0);
    assertEquals(0, guess(guesser, 9).length);
    assertEquals(2, guess(guesser, 9).length);
  }

  /** Places are few, and every token is found that was not pushed out of its place. */
  @Test
  void longTextsAreRemembered() {
    int n = 5000;
    var guesser = new Guesser(2 * n);
    for (int i = 0; i < n; i++) {
      guesser.add(i);
    }
    int right = 0;
    for (int i = 0; i < n - 1; i++) {
      guesser.add(i);
      int[] guessed = guess(guesser, 1);
      right += guessed.length == 1 && guessed[0] == i + 1 ? 1 : 0;
    }
    assertEquals(n, right, n / 2.);
  }
}
