package io.lrt4j.cli;

import io.lrt4j.Token;
import io.lrt4j.TokenListener;

/**
 * Shows an answer while it is being written: the answer on standard output, the thinking dimmed on
 * standard error if that is a terminal. Without a tokenizer, token ids stand in for the text.
 */
final class AnswerStream implements TokenListener {
  private static final String DIM = "\033[2m";
  private static final String PLAIN = "\033[0m";

  private final Console console;
  private final boolean ids;
  private boolean thinking;
  private String last = "";

  AnswerStream(Console console, boolean tokenizer) {
    this.console = console;
    this.ids = !tokenizer;
  }

  @Override
  public void onToken(Token token) {
    String text = ids ? (last.isEmpty() ? "" : ",") + token.id() : token.text();
    if (text.isEmpty()) {
      return;
    }
    if (token.phase() == Token.Phase.ANSWER) {
      endThinking();
      console.out().print(text);
      console.out().flush();
      last = text;
    } else if (console.errTerminal()) {
      console.err().print(thinking ? text : DIM + text);
      console.err().flush();
      thinking = true;
    }
  }

  /** Ends the answer's last line, and the thinking if there is no answer. */
  void end() {
    endThinking();
    if (!last.endsWith("\n")) {
      console.out().println();
    }
    console.out().flush();
  }

  /** Ends what is shown of an answer that failed; where nothing is, it stays so. */
  void fail() {
    endThinking();
    if (!last.isEmpty()) {
      end();
    }
  }

  private void endThinking() {
    if (thinking) {
      console.note(PLAIN);
      thinking = false;
    }
  }
}
