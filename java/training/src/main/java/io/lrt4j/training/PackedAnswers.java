package io.lrt4j.training;

import io.lrt4j.compute.PackedBatch;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Contexts and the answers that share them, as rows of one batch, and the tokens that are to be
 * predicted there. The last token of an answer is predicted and never fed.
 */
final class PackedAnswers {
  private final PackedBatch batch = new PackedBatch();
  private int[] ids = new int[64]; // of each row; 0 where an embedding is put in its place
  private int tokens;
  private int[] rows = new int[64]; // of each token, the row that predicts it
  private int[] targets = new int[64];
  private int answers;
  private int[] firstToken = new int[16]; // of each answer; of the one after the last, the count
  private int @Nullable [] predicting; // worked out when asked for
  private int[] places = {};
  private int contexts;
  private int[] firstRow = new int[16]; // of each context

  PackedAnswers clear() {
    batch.clear();
    tokens = 0;
    answers = 0;
    contexts = 0;
    predicting = null;
    return this;
  }

  /**
   * Appends a context and its answers.
   *
   * @param embeddings rows at its beginning that are no tokens
   * @param lead tokens after them
   * @param scoreLead whether the lead's tokens (but the very first row's) are predicted too, as an
   *     answer of its own before the others
   * @param prefixFrom where the constant prefix begins in the pass that has it
   * @param prefixRows its rows; 0 for none
   */
  void add(
      int embeddings,
      int[] lead,
      boolean scoreLead,
      int prefixFrom,
      int prefixRows,
      List<int[]> answers) {
    boolean alone = answers.size() == 1;
    int context = embeddings + lead.length;
    int own = context + (alone ? answers.getFirst().length - 1 : 0);
    int first = batch.rows();
    int run = batch.add(own, prefixFrom, prefixRows);
    if (contexts == firstRow.length) {
      firstRow = Arrays.copyOf(firstRow, 2 * contexts);
    }
    firstRow[contexts++] = first;
    ids = roomFor(ids, batch.rows());
    Arrays.fill(ids, first, first + embeddings, 0);
    System.arraycopy(lead, 0, ids, first + embeddings, lead.length);
    if (scoreLead && context > 1) {
      beginAnswer();
      for (int i = embeddings == 0 ? 1 : 0; i < lead.length; i++) {
        predict(first + embeddings + i - 1, lead[i]);
      }
    }
    for (int[] answer : answers) {
      beginAnswer();
      predict(first + context - 1, answer[0]);
      if (answer.length == 1) {
        continue;
      }
      int from = first + context;
      if (!alone) {
        from = batch.rows();
        batch.addChild(answer.length - 1, run);
        ids = roomFor(ids, batch.rows());
      }
      System.arraycopy(answer, 0, ids, from, answer.length - 1);
      for (int i = 1; i < answer.length; i++) {
        predict(from + i - 1, answer[i]);
      }
    }
  }

  private void beginAnswer() {
    firstToken = roomFor(firstToken, answers + 2);
    firstToken[answers++] = tokens;
  }

  private void predict(int row, int target) {
    rows = roomFor(rows, tokens + 1);
    targets = roomFor(targets, tokens + 1);
    rows[tokens] = row;
    targets[tokens++] = target;
    firstToken[answers] = tokens;
  }

  private static int[] roomFor(int[] array, int size) {
    return array.length >= size ? array : Arrays.copyOf(array, Math.max(size, 2 * array.length));
  }

  PackedBatch batch() {
    return batch;
  }

  /** Token of each row. */
  int[] ids() {
    return ids;
  }

  /** How many tokens are predicted. */
  int tokens() {
    return tokens;
  }

  /** The rows that predict tokens, in their order, each once. */
  int[] predicting() {
    if (predicting == null) {
      var some = new BitSet(batch.rows());
      for (int i = 0; i < tokens; i++) {
        some.set(rows[i]);
      }
      predicting = some.stream().toArray();
      places = new int[tokens];
      for (int i = 0; i < tokens; i++) {
        places[i] = Arrays.binarySearch(predicting, rows[i]);
      }
    }
    return predicting;
  }

  /** Which of {@link #predicting} predicts each token. */
  int[] places() {
    predicting();
    return places;
  }

  /** The tokens to predict. */
  int[] targets() {
    return targets;
  }

  int answers() {
    return answers;
  }

  /** First token of an answer; of answer {@code answers()}, the number of tokens. */
  int firstToken(int answer) {
    return firstToken[answer];
  }

  /** The answer that a token belongs to. */
  int answerOf(int token) {
    int at = Arrays.binarySearch(firstToken, 0, answers, token);
    return at >= 0 ? at : -at - 2;
  }

  /** First row of a context. */
  int firstRow(int context) {
    return firstRow[context];
  }
}
