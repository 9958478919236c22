package io.lrt4j.text;

import java.util.ArrayList;
import java.util.List;

/**
 * Turns a stream of token ids into a stream of text that ends before the first stop string.
 *
 * <p>A piece of text is handed out as soon as nothing to come can change it: never half a
 * character, and nothing that may be the beginning of a stop string. All pieces together are {@link
 * Tokenizer#decode(int[], boolean)} of all ids, cut where the stop string that is complete first
 * begins (the longest, if several are complete at once). The cost of a token does not grow with the
 * length of the text.
 *
 * <p>One belongs to one thread and one sequence.
 */
public final class StreamingDecoder {
  private final Tokenizer tokenizer;
  private final boolean skipSpecialTokens;
  private final Detokenizer detokenizer;
  private final List<StopString> stops = new ArrayList<>();
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder decoded = new StringBuilder(); // new, not yet searched
  private final StringBuilder held = new StringBuilder(); // may begin a stop string
  private boolean stopped;
  private boolean finished;

  /**
   * For a new sequence.
   *
   * @param stopStrings may be empty
   * @param skipSpecialTokens leave out the text of special tokens
   * @throws IllegalArgumentException if a stop string is empty or half a surrogate pair
   */
  public StreamingDecoder(
      Tokenizer tokenizer, List<String> stopStrings, boolean skipSpecialTokens) {
    this.tokenizer = tokenizer;
    this.skipSpecialTokens = skipSpecialTokens;
    this.detokenizer = tokenizer.detokenizer();
    for (String stop : stopStrings) {
      if (stop.isEmpty() || Surrogates.lone(stop) >= 0) {
        throw new IllegalArgumentException("a stop string must be text, not \"" + stop + "\"");
      }
      stops.add(new StopString(stop));
    }
  }

  /**
   * Takes the next id.
   *
   * @return the text that is now certain, often empty; always empty once {@link #stopped()}
   * @throws IllegalStateException after {@link #finish()}
   */
  public String add(int id) {
    if (finished) {
      throw new IllegalStateException("the text is finished");
    }
    String token = tokenizer.token(id, skipSpecialTokens);
    if (stopped || token == null) {
      return "";
    }
    detokenizer.add(token, decoded);
    return release(false);
  }

  /**
   * Ends the sequence, at the length limit or an end token.
   *
   * @return the text that was held back, such as the beginning of a stop string that did not go on,
   *     or U+FFFD for an unfinished character; empty if called again
   */
  public String finish() {
    if (finished) {
      return "";
    }
    finished = true;
    if (stopped) {
      return "";
    }
    detokenizer.finish(decoded);
    return release(true);
  }

  /** Whether a stop string appeared; the text ends before it. */
  public boolean stopped() {
    return stopped;
  }

  /** All the text handed out so far. */
  public String text() {
    return text.toString();
  }

  /** Searches what was decoded and hands out what cannot belong to a stop string. */
  private String release(boolean all) {
    if (decoded.isEmpty() && !all) {
      return "";
    }
    int end = held.length(); // of the text searched so far
    held.append(decoded);
    decoded.setLength(0);
    int begun = held.length(); // from here on it may be a stop string
    while (!stopped && end < held.length()) {
      char c = held.charAt(end++);
      int longest = 0;
      int complete = 0;
      for (StopString stop : stops) {
        int matched = stop.next(c);
        longest = Math.max(longest, matched);
        complete = stop.complete() ? Math.max(complete, matched) : complete;
      }
      stopped = complete > 0;
      begun = end - (stopped ? complete : longest);
    }
    if (all && !stopped) {
      begun = held.length();
    }
    String piece = held.substring(0, begun);
    held.delete(0, begun);
    text.append(piece);
    return piece;
  }

  /** One stop string, matched character by character (Knuth, Morris and Pratt, 1977). */
  private static final class StopString {
    private final String stop;
    private final int[] border; // of each prefix: its longest proper prefix that is also its end
    private int matched;

    StopString(String stop) {
      this.stop = stop;
      this.border = new int[stop.length() + 1];
      border[0] = -1;
      for (int i = 0, k = -1; i < stop.length(); ) {
        while (k >= 0 && stop.charAt(k) != stop.charAt(i)) {
          k = border[k];
        }
        border[++i] = ++k;
      }
    }

    /** How many characters of the stop string the text now ends with. */
    int next(char c) {
      while (matched >= 0 && stop.charAt(matched) != c) {
        matched = border[matched];
      }
      return ++matched;
    }

    /** The search ends with the first match of any. */
    boolean complete() {
      return matched == stop.length();
    }
  }
}
