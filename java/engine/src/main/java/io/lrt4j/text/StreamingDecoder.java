package io.lrt4j.text;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Turns a stream of token ids into a stream of text that ends before the first stop string.
 *
 * <p>A piece of text is handed out as soon as nothing to come can change it: never half a
 * character, and nothing that may be the beginning of a stop string. All pieces together are {@link
 * Tokenizer#decode(int[], boolean)} of all ids, cut where the stop string that is complete first
 * begins (the longest, if several are complete at once). Stop strings are searched in all that was
 * generated, special tokens included, whether those are handed out or not. The cost of a token does
 * not grow with the length of the text.
 *
 * <p>One belongs to one thread and one sequence.
 */
public final class StreamingDecoder {
  private final Tokenizer tokenizer;
  private final boolean skipSpecialTokens;
  private final Detokenizer detokenizer;
  private final Detokenizer searcher; // sees special tokens too
  private final List<StopString> stops = new ArrayList<>();
  private final StringBuilder text = new StringBuilder();
  private final StringBuilder held = new StringBuilder(); // decoded, not handed out yet
  private final StringBuilder searched = new StringBuilder(); // may begin a stop string
  private int[] places = new int[64]; // where in held each char of searched stands, or would
  private boolean stopped;
  private boolean finished;

  /**
   * For a new sequence.
   *
   * @param stopStrings may be empty
   * @param skipSpecialTokens do not hand out the text of special tokens
   * @throws IllegalArgumentException if a stop string is empty or half a surrogate pair
   */
  public StreamingDecoder(
      Tokenizer tokenizer, List<String> stopStrings, boolean skipSpecialTokens) {
    this.tokenizer = tokenizer;
    this.skipSpecialTokens = skipSpecialTokens;
    this.detokenizer = tokenizer.detokenizer();
    this.searcher = tokenizer.detokenizer();
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
    String token = tokenizer.token(id, false);
    if (stopped || token == null) {
      return "";
    }
    int place = held.length();
    if (!skipSpecialTokens || !tokenizer.isSpecial(id)) {
      detokenizer.add(token, held);
    }
    if (stops.isEmpty()) {
      return handOut(held.length());
    }
    int from = searched.length();
    searcher.add(token, searched);
    return search(from, place, false);
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
    int place = held.length();
    detokenizer.finish(held);
    if (stops.isEmpty()) {
      return handOut(held.length());
    }
    int from = searched.length();
    searcher.finish(searched);
    return search(from, place, true);
  }

  /** Whether a stop string appeared; the text ends before it. */
  public boolean stopped() {
    return stopped;
  }

  /** All the text handed out so far. */
  public String text() {
    return text.toString();
  }

  /**
   * Searches the chars from {@code from} on, the first of which stands at {@code place}, and hands
   * out what cannot belong to a stop string.
   */
  private String search(int from, int place, boolean last) {
    if (searched.length() > places.length) {
      places = Arrays.copyOf(places, 2 * searched.length());
    }
    for (int i = from; i < searched.length(); i++) {
      places[i] = Math.min(place + i - from, held.length()); // a special token stands nowhere
    }
    int begun = from == searched.length() ? 0 : from;
    for (int end = from; !stopped && end < searched.length(); ) {
      char c = searched.charAt(end++);
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
    if (last && !stopped) {
      begun = searched.length();
    }
    String piece = handOut(begun < searched.length() ? places[begun] : held.length());
    for (int i = begun; i < searched.length(); i++) {
      places[i - begun] = places[i] - piece.length();
    }
    searched.delete(0, begun);
    return piece;
  }

  private String handOut(int upTo) {
    boolean half = upTo > 0 && Character.isHighSurrogate(held.charAt(upTo - 1));
    int length = half ? upTo - 1 : upTo; // the halves come together
    String piece = held.substring(0, length);
    held.delete(0, length);
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
