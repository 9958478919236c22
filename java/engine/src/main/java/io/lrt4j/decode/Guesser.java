package io.lrt4j.decode;

import java.util.Arrays;

/**
 * Guesses what a sequence says next: what followed when its last tokens were there before, in the
 * question or in what it has written (prompt lookup decoding: A. Saxena, 2023, and Leviathan et
 * al., 2023, for why guesses change nothing). The model reads the guesses together with the last
 * token, for little more than that one costs where weights are read once for all rows; those that
 * are what it would have chosen are kept. Guesses get longer while they are right, and rarer while
 * they are wrong. Allocates nothing per token.
 */
final class Guesser {
  /** Tokens guessed at once, at most. */
  static final int MOST = 7;

  /** Last tokens that have to be there before. */
  private static final int ALIKE = 2;

  private static final int FIRST = 2; // tokens guessed at once, to begin with
  private static final int LONGEST_PAUSE = 31; // tokens
  private static final int MOST_PLACES = 1 << 14;

  private final int[] tokens;
  private int count;
  // By the hash of ALIKE tokens: where what followed them last lies in `tokens`, 0 for nowhere.
  // Whoever has the same hash takes the place.
  private final int[] behind;
  private int length = FIRST; // of the next guess, at most
  private int misses; // guesses in a row of which nothing was right
  private int pause; // tokens that are not guessed

  /**
   * @param most tokens of question and answer together
   */
  Guesser(int most) {
    tokens = new int[most];
    behind = new int[Math.min(MOST_PLACES, Integer.highestOneBit(Math.max(1, most)) * 2)];
  }

  /** The next token of the sequence. */
  void add(int id) {
    if (count == tokens.length) {
      return; // the last one, which nothing follows
    }
    if (count >= ALIKE) {
      behind[place()] = count;
    }
    tokens[count++] = id;
  }

  /** Where the last tokens are looked up. */
  private int place() {
    int hash = 0;
    for (int i = count - ALIKE; i < count; i++) {
      hash = (hash + tokens[i]) * 0x9E3779B1;
      hash ^= hash >>> 15;
    }
    return hash & (behind.length - 1);
  }

  /**
   * Guesses at most {@code most} tokens, into {@code to} from its beginning, and returns how many.
   */
  int guess(int[] to, int most) {
    if (pause > 0) {
      pause--;
      return 0;
    }
    if (count < ALIKE) {
      return 0;
    }
    int from = behind[place()];
    if (from == 0 || !alike(from)) {
      return 0;
    }
    int n = Math.min(length, most);
    for (int i = 0; i < n; i++) {
      to[i] = from + i < count ? tokens[from + i] : to[from + i - count]; // it goes round
    }
    return n;
  }

  private boolean alike(int from) {
    return Arrays.equals(tokens, from - ALIKE, from, tokens, count - ALIKE, count);
  }

  /** What has come of a guess: the first {@code right} tokens of {@code n} were it. */
  void learn(int n, int right) {
    if (right > 0) {
      misses = 0;
      length = right == n ? Math.min(MOST, Math.max(length, n + 1)) : right;
    } else {
      misses++;
      pause = Math.min(LONGEST_PAUSE, (1 << Math.min(misses, 10)) - 1);
      length = FIRST;
    }
  }
}
