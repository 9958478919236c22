package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.Token;
import io.lrt4j.Token.Phase;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

/** What a person or a script sees while an answer is being written. */
class AnswerStreamTest {
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  private AnswerStream stream(boolean terminal, boolean tokenizer) {
    var console =
        new Console(
            InputStream.nullInputStream(),
            new PrintStream(out, false, StandardCharsets.UTF_8),
            new PrintStream(err, false, StandardCharsets.UTF_8),
            false,
            false,
            terminal,
            null);
    return new AnswerStream(console, tokenizer);
  }

  private static Token token(int id, String text, Phase phase) {
    return new Token(id, text, -1, phase);
  }

  private void expect(String expectedOut, String expectedErr) {
    assertEquals(expectedOut, out.toString(StandardCharsets.UTF_8));
    assertEquals(expectedErr, err.toString(StandardCharsets.UTF_8));
  }

  @Test
  void everyTokenIsShownAtOnce() {
    var stream = stream(false, true);
    stream.onToken(token(1, "中", Phase.ANSWER));
    expect("中", "");
    stream.onToken(token(2, "", Phase.ANSWER));
    stream.onToken(token(3, "国", Phase.ANSWER));
    stream.end();
    expect("中国\n", "");
  }

  @Test
  void answerThatEndsItsLineGetsNoSecondEnd() {
    var stream = stream(false, true);
    stream.onToken(token(1, "a\n", Phase.ANSWER));
    stream.end();
    expect("a\n", "");
  }

  @Test
  void thinkingIsForTerminalsOnly() {
    var stream = stream(false, true);
    stream.onToken(token(1, "hm", Phase.REASONING));
    stream.onToken(token(2, "a", Phase.ANSWER));
    stream.end();
    expect("a\n", "");
  }

  @Test
  void thinkingIsDimmed() {
    var stream = stream(true, true);
    stream.onToken(token(1, "hm", Phase.REASONING));
    stream.onToken(token(2, " hm", Phase.REASONING));
    stream.onToken(token(3, "a", Phase.ANSWER));
    stream.end();
    expect("a\n", "\033[2mhm hm\033[0m\n");
  }

  @Test
  void thinkingWithoutAnswerIsEndedToo() {
    var stream = stream(true, true);
    stream.onToken(token(1, "hm", Phase.REASONING));
    stream.end();
    expect("\n", "\033[2mhm\033[0m\n");
  }

  @Test
  void whatThereIsOfAnAnswerThatFailedIsALine() {
    var stream = stream(true, true);
    stream.fail();
    expect("", "");
    stream.onToken(token(1, "hm", Phase.REASONING));
    stream.fail();
    expect("", "\033[2mhm\033[0m\n");
    stream.onToken(token(2, "a", Phase.ANSWER));
    stream.fail();
    expect("a\n", "\033[2mhm\033[0m\n");
  }

  @Test
  void idsWithoutTokenizer() {
    var stream = stream(false, false);
    stream.onToken(token(7, "", Phase.ANSWER));
    stream.onToken(token(8, "", Phase.ANSWER));
    stream.end();
    expect("7,8\n", "");
  }
}
