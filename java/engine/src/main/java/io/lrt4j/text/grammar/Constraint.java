package io.lrt4j.text.grammar;

import io.lrt4j.QuestionException;
import io.lrt4j.Tool;
import io.lrt4j.ToolChoice;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Holds answers to a JSON schema, calls of tools to theirs, or both: says which tokens may follow.
 * Shared by threads and answers, which have a {@link Place} each.
 *
 * <p>A step costs O(vocabulary) for the mask over the logits. Finding the mask of a place where no
 * answer has been costs a walk over the vocabulary's tokens in the order of their bytes, which
 * looks at beginnings that several have in common once, and no further where the grammar cannot go
 * on; it is kept with the place. See {@link TokenTable} for what places have in common.
 */
public final class Constraint {
  private final Grammar grammar; // guarded by itself
  private final TokenTable tokens;
  private final QuestionException.Part part; // of a question that it comes from

  private Constraint(Grammar grammar, TokenTable tokens, QuestionException.Part part) {
    this.grammar = grammar;
    this.tokens = tokens;
    this.part = part;
  }

  /**
   * Reads a schema; see {@link JsonSchema} for what is understood.
   *
   * @throws QuestionException if it is none, or has what is not understood
   */
  public static Constraint of(String jsonSchema, TokenTable tokens) {
    return new Constraint(
        JsonSchema.grammar(jsonSchema), tokens, QuestionException.Part.JSON_SCHEMA);
  }

  /**
   * Holds answers to calls of {@code tools} as {@code choice} has them, of those that are strict to
   * their parameters, and what is none to a schema.
   *
   * @param jsonSchema null if text is free
   * @throws QuestionException if one of these is no schema, or has what is not understood; of a
   *     tool's it is about the tools
   */
  public static Constraint of(
      @Nullable String jsonSchema, List<Tool> tools, ToolChoice choice, TokenTable tokens) {
    return new Constraint(
        CallGrammar.of(jsonSchema, tools, choice),
        tokens,
        jsonSchema == null ? QuestionException.Part.TOOLS : QuestionException.Part.JSON_SCHEMA);
  }

  /** How far one answer has come; for one thread. */
  public final class Place {
    private Grammar.State state;

    private Place(Grammar.State state) {
      this.state = state;
    }

    /** Whether it is whole, and nothing may follow. */
    public boolean hasEnded() {
      return state.ended();
    }

    /**
     * Sets the logits of all tokens that may not follow to -infinity.
     *
     * @param logits [vocab]
     * @param ends tokens that may follow what is whole, and nothing else
     * @throws QuestionException if the vocabulary has nothing that may, or finding it takes too
     *     long, as hostile patterns want
     */
    public void restrict(float[] logits, BitSet ends) {
      if (!keep(logits, allowed(state), ends, state.accepting())) {
        throw new QuestionException(
                "the model's vocabulary has no token to go on with as the JSON schema"
                    + (part == QuestionException.Part.TOOLS ? " of a tool says" : " says"))
            .about(part);
      }
    }

    /** A token follows, one of those that may. */
    public void add(int id) {
      synchronized (grammar) {
        for (byte b : tokens.bytes(id)) {
          state = grammar.next(state, b & 0xff);
        }
      }
    }
  }

  /** A new answer's place. */
  public Place start() {
    synchronized (grammar) {
      return new Place(grammar.start());
    }
  }

  private long[] allowed(Grammar.State state) {
    try {
      synchronized (grammar) {
        return tokens.find(grammar, state);
      }
    } catch (QuestionException e) {
      throw e.about(part); // it may go on in too many ways
    }
  }

  /** Leaves the logits of tokens that may follow as they are; whether there are some. */
  private static boolean keep(float[] logits, long[] allowed, BitSet ends, boolean whole) {
    long[] endWords = ends.toLongArray();
    boolean some = false;
    for (int from = 0; from < logits.length; from += Long.SIZE) {
      int word = from / Long.SIZE;
      long end = word < endWords.length ? endWords[word] : 0;
      long may = whole ? allowed[word] | end : allowed[word] & ~end;
      int to = Math.min(logits.length, from + Long.SIZE);
      if (may == 0) {
        Arrays.fill(logits, from, to, Float.NEGATIVE_INFINITY);
        continue;
      }
      some = true;
      for (long not = ~may; not != 0; not &= not - 1) {
        int id = from + Long.numberOfTrailingZeros(not);
        if (id < to) {
          logits[id] = Float.NEGATIVE_INFINITY;
        }
      }
    }
    return some;
  }
}
