package io.lrt4j.text;

import io.lrt4j.ToolCall;
import java.util.ArrayList;
import java.util.List;

/**
 * Takes the calls out of an answer, while it comes: Hermes' form, which Qwen's models write, {@code
 * <tool_call>}, a JSON object with {@code name} and {@code arguments}, {@code </tool_call>}. What
 * is no such object stays text. White space around calls belongs to them.
 */
public final class ToolCallReader {
  /** Begins a call. */
  public static final String OPEN = "<tool_call>";

  /** Ends it. */
  public static final String CLOSE = "</tool_call>";

  private final StringBuilder held = new StringBuilder(); // may be a call, or space around one
  private final List<ToolCall> calls = new ArrayList<>();
  private int taken; // of the calls
  private boolean inside; // held begins with white space and OPEN
  private int begin; // of what is between the tags
  private int searched; // characters of held in which no tag ends
  private int scanned; // of held, for texts
  private boolean inText; // they end within one
  private int firstEnd; // of a closing tag in a text; 0: there is none
  private boolean afterCall; // and nothing but white space since

  /** Takes a piece of the answer, and returns the text that is certain to be outside of calls. */
  public String add(String piece) {
    held.append(piece);
    var out = new StringBuilder();
    while (inside ? endCall(out) : beginCall(out)) {}
    return out.toString();
  }

  /** The answer has ended; returns what is left of its text. */
  public String finish() {
    if (inside) {
      ToolCall call = ToolTexts.parse(held.substring(begin));
      if (call != null) { // a model may end with its call
        found(call, held.length());
      }
      inside = false;
    }
    var rest = new StringBuilder();
    handOut(rest, held.length());
    return rest.toString();
  }

  /** Calls that were completed since this was asked last. */
  public List<ToolCall> take() {
    List<ToolCall> fresh = List.copyOf(calls.subList(taken, calls.size()));
    taken = calls.size();
    return fresh;
  }

  /** Hands out what is before the next call; whether there is one. */
  private boolean beginCall(StringBuilder out) {
    int at = held.indexOf(OPEN);
    int end = at < 0 ? held.length() - begun() : at;
    int text = end;
    while (text > 0 && Character.isWhitespace(held.charAt(text - 1))) {
      text--;
    }
    if (text > 0) {
      handOut(out, text);
      end -= text;
    }
    if (at < 0) {
      return false;
    }
    inside = true;
    begin = end + OPEN.length();
    searched = begin;
    scanned = begin;
    inText = false;
    firstEnd = 0;
    return true;
  }

  /** Whether what is held is within a text of JSON there, which has no line breaks. */
  private boolean inText(int at) {
    for (; scanned < at; scanned++) {
      char c = held.charAt(scanned);
      if (c == '"' || c < ' ') {
        inText = c == '"' && !inText;
      } else if (c == '\\' && inText) {
        scanned++;
      }
    }
    return inText;
  }

  /** How many characters at the end of what is held may begin a call. */
  private int begun() {
    for (int n = Math.min(OPEN.length() - 1, held.length()); n > 0; n--) {
      if (OPEN.startsWith(held.substring(held.length() - n))) {
        return n;
      }
    }
    return 0;
  }

  /** Takes the call out of what is held, if it is complete. */
  private boolean endCall(StringBuilder out) {
    int at = held.indexOf(CLOSE, searched);
    while (at >= 0 && inText(at)) { // of an argument that says it
      searched = at + CLOSE.length();
      firstEnd = firstEnd == 0 ? searched : firstEnd;
      at = held.indexOf(CLOSE, searched);
    }
    if (at < 0) {
      searched = Math.max(searched, held.length() - CLOSE.length() + 1);
      return false;
    }
    int end = at + CLOSE.length();
    ToolCall call = ToolTexts.parse(held.substring(begin, at));
    if (call == null) {
      handOut(out, firstEnd == 0 ? end : firstEnd);
    } else {
      found(call, end);
    }
    inside = false;
    return true;
  }

  private void found(ToolCall call, int end) {
    calls.add(call);
    held.delete(0, end);
    afterCall = true;
  }

  private void handOut(StringBuilder out, int end) {
    int from = 0;
    while (afterCall && from < end && Character.isWhitespace(held.charAt(from))) {
      from++;
    }
    out.append(held, from, end);
    held.delete(0, end);
    afterCall = false;
  }

  /**
   * What an answer says, and what it calls.
   *
   * @param text outside of its calls
   */
  public record Read(String text, List<ToolCall> calls) {}

  /** Reads a whole answer. */
  public static Read read(String answer) {
    var reader = new ToolCallReader();
    String text = reader.add(answer);
    return new Read(text + reader.finish(), reader.take());
  }
}
