package io.lrt4j.server;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.FinishReason;
import io.lrt4j.Scores;
import io.lrt4j.Token;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The log-probabilities of one answer's tokens, collected as they come. Those of the thinking, of
 * the blank lines behind it, which are not in the answer's text, and of the token that ends the
 * answer are not asked for.
 */
final class Logprobs {
  /** What a token is when it is a part of a character. */
  private static final char REPLACEMENT = '\uFFFD';

  /**
   * One token.
   *
   * @param token its text, with a replacement character where it is a part of one
   * @param logprob natural log-probability; NaN of the first of a prompt
   * @param top the most probable tokens at its place, if they are asked for
   */
  record Entry(String token, float logprob, List<Entry> top) {
    /** Its UTF-8 bytes; null if it is a part of a character. */
    byte @Nullable [] bytes() {
      return token.indexOf(REPLACEMENT) < 0 ? token.getBytes(StandardCharsets.UTF_8) : null;
    }
  }

  private final Engine engine;
  private final List<Entry> pending = new ArrayList<>();
  private boolean afterThinking; // and before the answer's text
  private int length; // characters of what was taken

  Logprobs(Engine engine) {
    this.engine = engine;
  }

  void add(Token token) {
    if (token.phase() == Token.Phase.REASONING) {
      afterThinking = true;
      return;
    }
    String text = text(token.id());
    if (afterThinking && text.isBlank()) {
      return;
    }
    afterThinking = false;
    pending.add(new Entry(text, token.logprob(), entries(token.alternatives(), engine)));
  }

  private String text(int id) {
    return text(id, engine);
  }

  private static String text(int id, Engine engine) {
    return engine.decode(new int[] {id});
  }

  /** The tokens of a prompt. */
  static List<Entry> of(int[] prompt, Scores scores, Engine engine) {
    List<Entry> entries = new ArrayList<>();
    for (int i = 0; i < prompt.length; i++) {
      List<Token.Choice> top =
          scores.alternatives().isEmpty() ? List.of() : scores.alternatives().get(i);
      entries.add(new Entry(text(prompt[i], engine), scores.logprobs()[i], entries(top, engine)));
    }
    return entries;
  }

  private static List<Entry> entries(List<Token.Choice> top, Engine engine) {
    return top.stream().map(t -> new Entry(text(t.id(), engine), t.logprob(), List.of())).toList();
  }

  /** Characters of the tokens that were taken. */
  int offset() {
    return length;
  }

  /** What has come since it was asked last. */
  List<Entry> take() {
    List<Entry> taken = List.copyOf(pending);
    pending.clear();
    taken.forEach(entry -> length += entry.token.length());
    return taken;
  }

  /** The same at the end, without the token that ended the answer. */
  List<Entry> takeLast(Answer answer) {
    boolean ended =
        answer.finishReason() == FinishReason.STOP
            && !pending.isEmpty()
            && !answer.text().endsWith(pending.getLast().token);
    if (ended) {
      pending.removeLast();
    }
    return take();
  }
}
