package io.lrt4j.text.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Tool;
import io.lrt4j.text.ToolCallReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Text is free, calls in it are not. */
class CallGrammarTest {
  private static final Grammar GRAMMAR =
      CallGrammar.of(
          List.of(
              new Tool(
                  "add",
                  "",
                  "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
                      + "\"integer\"}},\"required\":[\"a\"]}",
                  true),
              new Tool("added", "", "{}"),
              new Tool("any", "", "{}", true)));

  /** What goes on opening brackets is made to close them while that is still read as a call. */
  @ParameterizedTest
  @ValueSource(strings = {"[", "{\"a\":"})
  void nestingEndsInTime(String bracket) {
    String call = "<tool_call>{\"name\":\"any\",\"arguments\":{\"a\":";
    Grammar.State state = read(GRAMMAR.start(), call);
    int depth = 0;
    for (var next = read(state, bracket); !next.ended(); next = read(next, bracket)) {
      state = next;
      depth++;
    }
    char close = bracket.equals("[") ? ']' : '}';
    String written =
        (bracket.equals("[") ? "" : "1") + String.valueOf(close).repeat(depth) + "}}</tool_call>";
    assertTrue(read(state, written).accepting(), "depth " + depth);
    assertTrue(depth > 20, "depth " + depth);
    assertEquals(
        1,
        ToolCallReader.read(call + bracket.repeat(depth) + written).calls().size(),
        "depth " + depth);
  }

  private static Grammar.State read(Grammar.State from, String text) {
    Grammar.State state = from;
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      state = GRAMMAR.next(state, b & 0xff);
    }
    return state;
  }

  /**
   * Whether a text may end there, go on there, or neither. C is a call, O and E its tags, @ a line
   * break.
   */
  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "`` ~ end",
        "a < b <tool é </tool_call> {\"name\" ~ end",
        "`<tool_call` ~ end",
        "<<tool_<tool_call ~ end",
        "O ~ go on",
        "<<tool_O ~ go on",
        "a C ~ end",
        "CC a C < ~ end",
        "C O ~ go on",
        "O@{@  \"name\": \"add\", \"arguments\": {\"a\": 1}}@E ~ end",
        "O{\"name\":\"add\",\"arguments\":{\"a\":1}} ~ go on",
        "O{\"name\":\"added\",\"arguments\":{}}E ~ end",
        "O{\"name\":\"added\",\"arguments\":{\"b\":[null]}}E ~ end",
        "O{\"name\":\"any\",\"arguments\":{\"b\":\"E\"}}E ~ end",
        "O{\"name\":\"any\",\"arguments\":1 ~ no",
        "O{\"name\":\"add\",\"arguments\":{} ~ no",
        "O{\"name\":\"add\",\"arguments\":{\"a\":\" ~ no",
        "O{\"name\":\"sub ~ no",
        "O{\"name\":\"adde\" ~ no",
        "O{\"arg ~ no",
        "Oadd ~ no",
        "OO ~ no",
        "CO< ~ no",
      })
  void language(String written, String may) {
    String text =
        written
            .replace('@', '\n')
            .replace("C", "O{\"name\": \"add\", \"arguments\": {\"a\": -5}}E")
            .replace("O", "<tool_call>")
            .replace("E", "</tool_call>");
    Grammar.State state = read(GRAMMAR.start(), text);
    assertEquals(may, state.accepting() ? "end" : state.ended() ? "no" : "go on");
  }
}
