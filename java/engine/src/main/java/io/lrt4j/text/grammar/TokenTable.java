package io.lrt4j.text.grammar;

import io.lrt4j.QuestionException;
import io.lrt4j.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** The bytes of a vocabulary's tokens, in the order of the bytes. Shared by threads. */
public final class TokenTable {
  private static final byte[] NONE = {};

  private final byte[][] bytes; // by id; none of those that are no text
  private final int[] ids; // that are text, in the order of their bytes
  private final int[] common; // bytes that each of them has in common with the one before

  /**
   * @param size most ids, those that only pad the vocabulary included
   */
  public TokenTable(Tokenizer tokenizer, int size) {
    bytes = new byte[size][];
    Arrays.fill(bytes, NONE);
    List<Integer> texts = new ArrayList<>();
    for (int id = 0; id < Math.min(size, tokenizer.vocabularySize()); id++) {
      byte[] text = tokenizer.bytes(id);
      if (text.length > 0) {
        bytes[id] = text;
        texts.add(id);
      }
    }
    texts.sort((a, b) -> Arrays.compareUnsigned(bytes[a], bytes[b]));
    ids = texts.stream().mapToInt(Integer::intValue).toArray();
    common = new int[ids.length];
    for (int i = 1; i < ids.length; i++) {
      byte[] text = bytes[ids[i]];
      int differ = Arrays.mismatch(bytes[ids[i - 1]], text);
      common[i] = differ < 0 ? text.length : differ;
    }
  }

  int size() {
    return bytes.length;
  }

  byte[] bytes(int id) {
    return bytes[id];
  }

  /**
   * Sets the bits of the tokens that may be read from {@code from} on.
   *
   * @throws QuestionException if that takes too long
   */
  void find(Grammar grammar, Grammar.State from, long[] mask) {
    Grammar.State[] path =
        new Grammar.State[1 + Arrays.stream(ids).map(i -> bytes[i].length).max().orElse(0)];
    path[0] = from;
    grammar.begin();
    int good = 0; // bytes of the last token that could be read
    boolean stuck = false; // it could not be read to its end
    for (int i = 0; i < ids.length; i++) {
      if (stuck && common[i] > good) {
        continue; // it has the byte that could not be read
      }
      byte[] text = bytes[ids[i]];
      good = Math.min(good, common[i]);
      stuck = false;
      while (good < text.length && !stuck) {
        Grammar.State next = grammar.next(path[good], text[good] & 0xff);
        if (next.ended() && !next.accepting()) {
          stuck = true;
        } else {
          path[++good] = next;
        }
      }
      if (!stuck) {
        mask[ids[i] >> 6] |= 1L << ids[i];
      }
    }
  }
}
