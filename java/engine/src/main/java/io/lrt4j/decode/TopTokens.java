package io.lrt4j.decode;

import io.lrt4j.Token;
import java.util.ArrayList;
import java.util.List;

/** The most probable tokens at a place, for those who ask what else could have been. */
final class TopTokens {
  private TopTokens() {}

  /**
   * The {@code count} largest of one row of logits, largest first; of equal ones the first.
   *
   * @param logSumExp of the row: what it takes from a logit to a log-probability
   */
  static List<Token.Alternative> of(float[] logits, int count, float logSumExp) {
    int[] ids = new int[Math.min(count, logits.length)];
    int found = 0;
    for (int id = 0; id < logits.length; id++) {
      if (found == ids.length && logits[id] <= logits[ids[found - 1]]) {
        continue;
      }
      int at = found < ids.length ? found++ : found - 1;
      while (at > 0 && logits[ids[at - 1]] < logits[id]) {
        ids[at] = ids[at - 1];
        at--;
      }
      ids[at] = id;
    }
    List<Token.Alternative> top = new ArrayList<>(found);
    for (int i = 0; i < found; i++) {
      top.add(new Token.Alternative(ids[i], logits[ids[i]] - logSumExp));
    }
    return top;
  }
}
