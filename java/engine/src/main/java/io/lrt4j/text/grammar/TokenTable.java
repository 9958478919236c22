package io.lrt4j.text.grammar;

import io.lrt4j.QuestionException;
import io.lrt4j.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntPredicate;
import java.util.stream.IntStream;

/**
 * The bytes of a vocabulary's tokens, in the order of the bytes. Shared by threads.
 *
 * <p>Which tokens may follow a place is found for the short ones, that are many, and the long ones
 * apart: places that differ only in how many characters may come, as all within a text of limited
 * length do, are the same to all tokens that have fewer bytes than that.
 */
public final class TokenTable {
  private static final byte[] NONE = {};

  /** Most bytes of the tokens of a group, but for the last one. */
  private static final int[] LONGEST = {4, 8, 16, 32};

  /** Tokens of some lengths. */
  private static final class Group {
    final int longest; // bytes of a token
    final int[] ids; // in the order of their bytes
    final byte[] texts; // theirs, one behind the other: to be read as they lie in memory
    final int[] ends; // of each of them in there
    final int[] common; // bytes that each of them has in common with the one before
    final int[] begins = new int[257]; // where those of each first byte begin, and the last end
    final long[] members; // bits by id

    Group(int[] ids, byte[][] bytes) {
      this.ids = ids;
      longest = Arrays.stream(ids).map(id -> bytes[id].length).max().orElse(0);
      texts = new byte[Arrays.stream(ids).map(id -> bytes[id].length).sum()];
      ends = new int[ids.length];
      common = new int[ids.length];
      members = new long[(bytes.length + Long.SIZE - 1) / Long.SIZE];
      for (int i = 0; i < ids.length; i++) {
        byte[] text = bytes[ids[i]];
        int at = i == 0 ? 0 : ends[i - 1];
        ends[i] = at + text.length;
        System.arraycopy(text, 0, texts, at, text.length);
        if (i > 0) {
          int differ = Arrays.mismatch(bytes[ids[i - 1]], text);
          common[i] = differ < 0 ? text.length : differ;
        }
        Arrays.fill(begins, (text[0] & 0xff) + 1, begins.length, i + 1);
        members[ids[i] >> 6] |= 1L << ids[i];
      }
    }
  }

  private final byte[][] bytes; // by id; none of those that are no text
  private final List<Group> groups = new ArrayList<>(); // the shortest tokens first

  /**
   * @param size most ids, those that only pad the vocabulary included
   */
  public TokenTable(Tokenizer tokenizer, int size) {
    this(
        IntStream.range(0, size)
            .mapToObj(id -> id < tokenizer.vocabularySize() ? tokenizer.bytes(id) : NONE)
            .toArray(byte[][]::new));
  }

  TokenTable(byte[][] bytes) {
    this.bytes = bytes;
    int[] sorted =
        IntStream.range(0, bytes.length)
            .boxed()
            .sorted((a, b) -> Arrays.compareUnsigned(bytes[a], bytes[b]))
            .mapToInt(Integer::intValue)
            .toArray();
    for (int i = 0; i <= LONGEST.length; i++) {
      int above = i == 0 ? 0 : LONGEST[i - 1];
      int most = i == LONGEST.length ? Integer.MAX_VALUE : LONGEST[i];
      IntPredicate isOf = id -> bytes[id].length > above && bytes[id].length <= most;
      groups.add(new Group(Arrays.stream(sorted).filter(isOf).toArray(), bytes));
    }
  }

  int size() {
    return bytes.length;
  }

  byte[] bytes(int id) {
    return bytes[id];
  }

  /**
   * The tokens that may be read from a place on, bits by id.
   *
   * @throws QuestionException if finding them takes too long
   */
  long[] find(Grammar grammar, Grammar.State from) {
    TokenMask mask = grammar.tokens(from, size());
    if (mask.groups < groups.size() && grammar.isFull()) {
      grammar.forget();
    }
    grammar.begin();
    return find(grammar, from, groups.size());
  }

  /** The same of the first {@code count} groups at least. */
  private long[] find(Grammar grammar, Grammar.State from, int count) {
    TokenMask mask = grammar.tokens(from, size());
    for (; mask.groups < count; mask.groups++) {
      Group group = groups.get(mask.groups);
      Grammar.State alike = grammar.alike(from, group.longest);
      if (alike == from) {
        read(group, grammar, from, mask.bits);
      } else {
        long[] found = find(grammar, alike, mask.groups + 1);
        for (int i = 0; i < found.length; i++) {
          mask.bits[i] |= found[i] & group.members[i];
        }
      }
    }
    return mask.bits;
  }

  /** Sets the bits of those tokens of a group that may be read. */
  private void read(Group group, Grammar grammar, Grammar.State from, long[] mask) {
    Grammar.State[] path = new Grammar.State[1 + group.longest];
    path[0] = from;
    for (int first = 0; first < 256; first++) {
      if (from.mayBegin(first)) {
        read(group, group.begins[first], group.begins[first + 1], grammar, path, mask);
      }
    }
  }

  private void read(
      Group group, int begin, int end, Grammar grammar, Grammar.State[] path, long[] mask) {
    int good = 0; // bytes of the last token that could be read
    boolean stuck = false; // it could not be read to its end
    for (int i = begin; i < end; i++) {
      if (stuck && group.common[i] > good) {
        continue; // it has the byte that could not be read
      }
      int at = i == 0 ? 0 : group.ends[i - 1];
      int length = group.ends[i] - at;
      good = Math.min(good, group.common[i]);
      stuck = false;
      while (good < length && !stuck) {
        Grammar.State next = grammar.next(path[good], group.texts[at + good] & 0xff);
        if (next.ended() && !next.accepting()) {
          stuck = true;
        } else {
          path[++good] = next;
        }
      }
      if (!stuck) {
        mask[group.ids[i] >> 6] |= 1L << group.ids[i];
      }
    }
  }
}
