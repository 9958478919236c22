package io.lrt4j.text.grammar;

import io.lrt4j.QuestionException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A context-free language of bytes, read one byte at a time. Where a reader stands is a list of
 * stacks of what is still to come (so alternatives need not be decided); each list that is met is
 * kept, with where each byte leads from it, so that the next reader who comes there finds the way.
 * Every place can be gone on from to the end of a sentence. Not for several threads at a time.
 *
 * <p>A byte costs one look into a table where the way is known, else O(stacks), which are at most
 * {@value #MAX_STACKS}: of a language that is more ambiguous than that only a part can be read.
 */
final class Grammar {
  /** What may be open, by default, before only the shortest ways to an end are left. */
  static final int MAX_DEPTH = 512;

  private static final int MAX_STACKS = 1024;

  /** Places that are kept before all should be forgotten, to be found again as needed. */
  private static final int MAX_STATES = 5_000;

  /** Places whose tokens are kept: some 20 KB each for a large vocabulary. */
  private static final int MAX_MASKS = 256;

  /** Stacks that are looked at to find what may follow one place: some tenths of a second. */
  private static final int MAX_WORK = 2_000_000;

  private static final int ENDLESS = Integer.MAX_VALUE;

  /** A part of the language. Parts are the same only if they are one object. */
  abstract static sealed class Node {
    /** Rules within rules in its shortest sentence; {@link #ENDLESS} if it has no sentence. */
    abstract int height();

    /** Parts that it has in it. */
    List<Node> parts() {
      return List.of();
    }
  }

  /** A part whose height is that of its parts, which may change as they become known. */
  abstract static sealed class Compound extends Node {
    private int height = ENDLESS;

    @Override
    final int height() {
      return height;
    }

    abstract int heightOfParts();

    /** Whether its height was another one. */
    final boolean measure() {
      int measured = heightOfParts();
      boolean changed = measured != height;
      if (changed) { // nothing is written to what other grammars share
        height = measured;
      }
      return changed;
    }
  }

  /** Nothing. */
  static final Node EMPTY = new Empty();

  private static final class Empty extends Node {
    @Override
    int height() {
      return 0;
    }
  }

  /** One byte, of those that {@code set} has. */
  private static final class Bytes extends Node {
    private final long[] set;

    Bytes(long[] set) {
      this.set = set;
    }

    boolean has(int b) {
      return (set[b >> 6] >>> b & 1) != 0;
    }

    boolean isOnly(int b) {
      return has(b) && Arrays.stream(set).map(Long::bitCount).sum() == 1;
    }

    @Override
    int height() {
      return 0;
    }
  }

  /** One and then the other. */
  private static final class Sequence extends Compound {
    private final Node first;
    private final Node second;

    Sequence(Node first, Node second) {
      this.first = first;
      this.second = second;
      boolean _ = measure();
    }

    @Override
    int heightOfParts() {
      return Math.max(first.height(), second.height());
    }

    @Override
    List<Node> parts() {
      return List.of(first, second);
    }
  }

  private static final class Choice extends Compound {
    private final List<Node> of;

    Choice(List<Node> of) {
      this.of = of;
      boolean _ = measure();
    }

    @Override
    int heightOfParts() {
      int least = ENDLESS;
      for (Node node : of) {
        least = Math.min(least, node.height());
      }
      return least;
    }

    @Override
    List<Node> parts() {
      return of;
    }
  }

  /** A part that may have itself in it: it is said later what it is. */
  static final class Rule extends Compound {
    private @Nullable Node body;

    void is(Node body) {
      this.body = body;
    }

    private Node body() {
      return Objects.requireNonNull(body);
    }

    @Override
    int heightOfParts() {
      int inner = body().height();
      return inner == ENDLESS ? ENDLESS : inner + 1;
    }

    @Override
    List<Node> parts() {
      return List.of(body());
    }
  }

  /** From {@code least} to {@code most} times; less than 0 is any number of times. */
  private static final class Repeat extends Node {
    private final Node of;
    private final int least;
    private final int most;

    Repeat(Node of, int least, int most) {
      this.of = of;
      this.least = least;
      this.most = most;
    }

    @Override
    int height() {
      return least == 0 ? 0 : of.height();
    }

    @Override
    List<Node> parts() {
      return List.of(of);
    }
  }

  private static final Node[] ONE_BYTE = new Node[256];

  static {
    for (int b = 0; b < ONE_BYTE.length; b++) {
      ONE_BYTE[b] = bytes(b, b);
    }
  }

  /** One byte of several: pairs of the first and the last of a range. */
  static Node bytes(int... ranges) {
    long[] set = new long[4];
    for (int i = 0; i < ranges.length; i += 2) {
      for (int b = ranges[i]; b <= ranges[i + 1]; b++) {
        set[b >> 6] |= 1L << b;
      }
    }
    return new Bytes(set);
  }

  /** A text, in UTF-8. */
  static Node text(String text) {
    byte[] utf8 = text.getBytes(StandardCharsets.UTF_8);
    return text(utf8, 0, utf8.length);
  }

  private static Node text(byte[] utf8, int from, int to) {
    Node all = EMPTY;
    for (int i = to - 1; i >= from; i--) {
      Node one = ONE_BYTE[utf8[i] & 0xff];
      all = all == EMPTY ? one : new Sequence(one, all);
    }
    return all;
  }

  /** One of several texts. Those that begin alike are one way until they differ. */
  static Node oneOf(Collection<String> texts) {
    byte[][] all =
        texts.stream()
            .distinct()
            .map(text -> text.getBytes(StandardCharsets.UTF_8))
            .sorted(Arrays::compareUnsigned)
            .toArray(byte[][]::new);
    return oneOf(all, 0, all.length, 0);
  }

  /** Texts {@code from} to {@code to}, in their order, behind the first {@code at} bytes. */
  private static Node oneOf(byte[][] texts, int from, int to, int at) {
    byte[] first = texts[from];
    if (to - from == 1) {
      return text(first, at, first.length);
    }
    int differ = Arrays.mismatch(first, texts[to - 1]);
    List<Node> ways = new ArrayList<>();
    int next = from;
    if (first.length == differ) {
      ways.add(EMPTY);
      next++;
    }
    while (next < to) {
      int end = next + 1;
      while (end < to && texts[end][differ] == texts[next][differ]) {
        end++;
      }
      ways.add(oneOf(texts, next, end, differ));
      next = end;
    }
    return new Sequence(text(first, at, differ), choice(ways));
  }

  static Node sequence(Node... parts) {
    Node all = parts[parts.length - 1];
    for (int i = parts.length - 2; i >= 0; i--) {
      all = new Sequence(parts[i], all);
    }
    return all;
  }

  static Node choice(List<Node> of) {
    return of.size() == 1 ? of.getFirst() : new Choice(List.copyOf(of));
  }

  static Node choice(Node... of) {
    return choice(List.of(of));
  }

  static Node optional(Node of) {
    return choice(of, EMPTY);
  }

  /** From {@code least} to {@code most} times; less than 0 is any number of times. */
  static Node repeat(Node of, int least, int most) {
    return new Repeat(of, least, most);
  }

  /** A stack of what is still to come; those with the same parts are one object. */
  private static final class Stack {
    final Node node;
    final @Nullable Stack below;
    final int depth;
    final int number;
    final int count; // the largest in it that is left of a Repeat

    Stack(Node node, @Nullable Stack below, int number) {
      this.node = node;
      this.below = below;
      this.depth = below == null ? 1 : below.depth + 1;
      this.number = number;
      int own = node instanceof Repeat r ? Math.max(r.least, r.most) : 0;
      this.count = below == null ? own : Math.max(own, below.count);
    }
  }

  private record RepeatKey(Node of, int least, int most) {}

  private record StackKey(Node node, @Nullable Stack below) {}

  private record StateKey(List<Integer> stacks, boolean accepting) {}

  /** A place in the language. */
  static final class State {
    private final Stack[] stacks; // each with a byte on top, the alternatives named first before
    private final boolean accepting;
    private final Bytes[] kinds; // on top of the stacks, each once
    private final long[] live = new long[4]; // bytes that may follow
    private @Nullable State[] @Nullable [] next = {}; // by the upper and the lower half of a byte
    private @Nullable TokenMask tokens; // that may follow
    private int era = -1; // to which next and tokens belong

    private State(Stack[] stacks, boolean accepting) {
      this.stacks = stacks;
      this.accepting = accepting;
      kinds = Arrays.stream(stacks).map(s -> (Bytes) s.node).distinct().toArray(Bytes[]::new);
      for (Bytes kind : kinds) {
        for (int i = 0; i < live.length; i++) {
          live[i] |= kind.set[i];
        }
      }
    }

    /** Where a byte leads if that is known, of itself or of one that is of the same kinds. */
    @Nullable State known(int b) {
      for (int i = 0; i < 256; i++) {
        @Nullable State[] row = next[i >> 4];
        if (row == null) {
          i |= 15;
        } else if (row[i & 15] != null && alike(i, b)) {
          return row[i & 15];
        }
      }
      return null;
    }

    private boolean alike(int a, int b) {
      for (Bytes kind : kinds) {
        if (kind.has(a) != kind.has(b)) {
          return false;
        }
      }
      return true;
    }

    /** Whether what was read is a whole sentence. */
    boolean accepting() {
      return accepting;
    }

    /** Whether this byte may follow, and nothing else. */
    boolean onlyBegins(int b) {
      return !accepting && Arrays.stream(kinds).allMatch(kind -> kind.isOnly(b));
    }

    /** Whether this byte may follow. */
    boolean mayBegin(int b) {
      return (live[b >> 6] >>> b & 1) != 0;
    }

    /** Whether nothing can follow. */
    boolean ended() {
      return stacks.length == 0;
    }
  }

  /** Where bytes lead that may not follow. */
  private static final State NOWHERE = new State(new Stack[0], false);

  private final Node all;
  private final int maxDepth;
  private final Map<RepeatKey, Repeat> repeats = new HashMap<>();
  private final Map<StackKey, Stack> stacks = new HashMap<>();
  private final Map<StateKey, State> states = new HashMap<>();
  private @Nullable State start;
  private int numbers;
  private int masks; // places whose tokens are kept
  private int era;

  // While a step is found.
  private final List<Stack> tops = new ArrayList<>();
  private final Set<Stack> met = new HashSet<>();
  private boolean complete;
  private int work; // stacks looked at

  Grammar(Node all) {
    this(all, MAX_DEPTH);
  }

  Grammar(Node all, int maxDepth) {
    this.all = all;
    this.maxDepth = maxDepth;
    measure(all);
  }

  /** Whether there is no sentence: every one would have another one of its kind in it. */
  boolean isEmpty() {
    return all.height() == ENDLESS;
  }

  /** Finds the heights of all parts: they fall, pass by pass, until they are right. */
  private static void measure(Node all) {
    Set<Node> found = new LinkedHashSet<>();
    Deque<Node> open = new ArrayDeque<>(List.of(all));
    while (!open.isEmpty()) {
      Node node = open.removeFirst();
      if (found.add(node)) {
        open.addAll(node.parts());
      }
    }
    List<Node> innerFirst = List.copyOf(found).reversed();
    boolean changed = true;
    while (changed) {
      changed = false;
      for (Node node : innerFirst) {
        changed |= node instanceof Compound compound && compound.measure();
      }
    }
  }

  /** Where nothing was read. */
  State start() {
    if (start == null) {
      open(all, null);
      start = found();
    }
    return start;
  }

  /** What may follow a place is about to be found. */
  void begin() {
    work = 0;
    tops.clear(); // of a step that was given up
    met.clear();
    complete = false;
  }

  /** Whether more places were met, or more of them have tokens, than should be kept. */
  boolean isFull() {
    return states.size() > MAX_STATES || masks >= MAX_MASKS;
  }

  /** Lets go of all places; those that readers stand at stay good. */
  void forget() {
    repeats.clear();
    stacks.clear();
    states.clear();
    masks = 0;
    start = null;
    era++;
  }

  private void renew(State state) {
    if (state.era != era) {
      state.era = era;
      state.next = new State[16][];
      state.tokens = null;
    }
  }

  /** The tokens that may follow a place, as far as they were found; of {@code size} at first. */
  TokenMask tokens(State at, int size) {
    renew(at);
    TokenMask known = at.tokens;
    if (known == null) {
      known = new TokenMask(size);
      at.tokens = known;
      masks++;
    }
    return known;
  }

  /**
   * A place from which the next {@code bytes} may be read as from {@code at}, the same for many: to
   * read that many it is all the same how much more often something may, or must, be repeated.
   */
  State alike(State at, int bytes) {
    if (at.stacks.length > MAX_STACKS / 2) {
      return at; // may be cut off, and the other one not
    }
    boolean changed = false;
    for (Stack stack : at.stacks) {
      changed |= stack.count > bytes;
    }
    if (!changed) {
      return at;
    }
    Map<Stack, Stack> known = new HashMap<>();
    for (Stack stack : at.stacks) {
      if (met.add(alike(stack, bytes, known))) {
        tops.add(alike(stack, bytes, known));
      }
    }
    complete = at.accepting;
    return found();
  }

  private Stack alike(Stack stack, int bytes, Map<Stack, Stack> known) {
    if (stack.count <= bytes) {
      return stack;
    }
    Stack found = known.get(stack);
    if (found == null) {
      Node node =
          stack.node instanceof Repeat r
              ? repeated(r.of, Math.min(r.least, bytes), Math.min(r.most, bytes))
              : stack.node;
      found = stack(node, stack.below == null ? null : alike(stack.below, bytes, known));
      known.put(stack, found);
    }
    return found;
  }

  private Repeat repeated(Node of, int least, int most) {
    return repeats.computeIfAbsent(
        new RepeatKey(of, least, most), _ -> new Repeat(of, least, most));
  }

  /** What is left after one. */
  private Repeat less(Repeat r) {
    return r.least == 0 && r.most < 0
        ? r
        : repeated(r.of, Math.max(0, r.least - 1), r.most < 0 ? r.most : r.most - 1);
  }

  /** Where a byte leads; a place that is {@link State#ended} and not accepting if it may not be. */
  State next(State from, int b) {
    if (!from.mayBegin(b)) {
      return NOWHERE;
    }
    renew(from);
    @Nullable State[] row = from.next[b >> 4];
    if (row == null) {
      row = new State[16];
      from.next[b >> 4] = row;
    }
    State next = row[b & 15];
    if (next == null) {
      next = from.known(b);
      if (next == null) {
        for (Stack stack : from.stacks) {
          if (((Bytes) stack.node).has(b)) {
            open(stack.below);
          }
        }
        next = found();
      }
      row[b & 15] = next;
    }
    return next;
  }

  /** Finds the bytes that a stack may begin with. */
  private void open(@Nullable Stack stack) {
    if (stack == null) {
      complete = true;
    } else if (tops.size() < MAX_STACKS && met.add(stack)) {
      if (++work > MAX_WORK) {
        throw new QuestionException(
            "the JSON schema has a pattern or alternatives that may go on in too many ways at"
                + " once");
      }
      Stack below = stack.below;
      boolean deep = stack.depth > maxDepth;
      switch (stack.node) {
        case Bytes _ -> tops.add(stack);
        case Empty _ -> open(below);
        case Sequence s -> open(s.first, stack(s.second, below));
        case Choice c -> {
          int highest = deep ? c.height() : ENDLESS - 1;
          for (Node node : c.of) {
            if (node.height() <= highest) {
              open(node, below);
            }
          }
        }
        case Rule r -> open(r.body(), below);
        case Repeat r -> {
          if (r.least == 0) {
            open(below);
          }
          int highest = deep ? r.height() : ENDLESS - 1;
          if (r.most != 0 && r.of.height() <= highest) {
            open(r.of, stack(less(r), below));
          }
        }
      }
    }
  }

  private void open(Node node, @Nullable Stack below) {
    open(stack(node, below));
  }

  private Stack stack(Node node, @Nullable Stack below) {
    return stacks.computeIfAbsent(
        new StackKey(node, below), _ -> new Stack(node, below, numbers++));
  }

  private State found() {
    List<Integer> key = tops.stream().map(s -> s.number).toList();
    Stack[] found = tops.toArray(new Stack[0]);
    boolean accepting = complete;
    tops.clear();
    met.clear();
    complete = false;
    return states.computeIfAbsent(new StateKey(key, accepting), _ -> new State(found, accepting));
  }
}
