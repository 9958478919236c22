package io.lrt4j.text.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Tool;
import io.lrt4j.ToolChoice;
import io.lrt4j.text.ToolCallReader;
import java.nio.charset.StandardCharsets;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Text is free, calls in it are not. */
class CallGrammarTest {
  private static final List<Tool> TOOLS =
      List.of(
          new Tool(
              "add",
              "",
              "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
                  + "\"integer\"}},\"required\":[\"a\"]}",
              true),
          new Tool("added", "", "{}"),
          new Tool("any", "", "{}", true));

  private static final Grammar GRAMMAR = CallGrammar.of(null, TOOLS, ToolChoice.AUTO);

  /** What goes on opening brackets is made to close them while that is still read as a call. */
  @ParameterizedTest
  @ValueSource(strings = {"[", "{\"a\":"})
  void nestingEndsInTime(String bracket) {
    String call = "<tool_call>{\"name\":\"any\",\"arguments\":{\"a\":";
    Grammar.State state = read(GRAMMAR, call);
    int depth = 0;
    for (var next = read(GRAMMAR, state, bracket);
        !next.ended();
        next = read(GRAMMAR, next, bracket)) {
      state = next;
      depth++;
    }
    char close = bracket.equals("[") ? ']' : '}';
    String written =
        (bracket.equals("[") ? "" : "1") + String.valueOf(close).repeat(depth) + "}}</tool_call>";
    assertTrue(read(GRAMMAR, state, written).accepting(), "depth " + depth);
    assertTrue(depth > 20, "depth " + depth);
    assertEquals(
        1,
        ToolCallReader.read(call + bracket.repeat(depth) + written).calls().size(),
        "depth " + depth);
  }

  private static Grammar.State read(Grammar grammar, String text) {
    return read(grammar, grammar.start(), text);
  }

  private static Grammar.State read(Grammar grammar, Grammar.State from, String text) {
    Grammar.State state = from;
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      state = grammar.next(state, b & 0xff);
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
    assertMay(may, GRAMMAR, written);
  }

  private static void assertMay(String may, Grammar grammar, String written) {
    String text =
        written
            .replace('@', '\n')
            .replace("C", "O{\"name\": \"add\", \"arguments\": {\"a\": -5}}E")
            .replace("O", "<tool_call>")
            .replace("E", "</tool_call>");
    Grammar.State state = read(grammar, text);
    assertEquals(may, state.accepting() ? "end" : state.ended() ? "no" : "go on");
  }

  /**
   * The same where only {@code add} may be called, by what is required and whether several are;
   * with a schema.
   */
  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "AUTO ~ several ~ text CC a ~ end",
        "AUTO ~ several ~ O{\"name\":\"any ~ no",
        "AUTO ~ one ~ text <tool_call ~ end",
        "AUTO ~ one ~ text C ~ end",
        "AUTO ~ one ~ CC ~ no",
        "AUTO ~ one ~ C< ~ no",
        "REQUIRED ~ several ~ `` ~ go on",
        "REQUIRED ~ several ~ a ~ no",
        "REQUIRED ~ several ~ @C ~ end",
        "REQUIRED ~ several ~ CC@C ~ end",
        "REQUIRED ~ several ~ C a ~ no",
        "REQUIRED ~ several ~ O{\"name\":\"any ~ no",
        "REQUIRED ~ one ~ @C ~ end",
        "REQUIRED ~ one ~ C@ ~ no",
        "REQUIRED ~ one ~ CC ~ no",
        "EITHER ~ one ~ 1 ~ end",
        "EITHER ~ one ~ C ~ end",
        "EITHER ~ one ~ CC ~ no",
        "EITHER REQUIRED ~ one ~ 1 ~ no",
        "EITHER REQUIRED ~ one ~ C ~ end",
        "EITHER REQUIRED ~ several ~ CC ~ end",
      })
  void languageOfAChoice(String kind, String number, String written, String may) {
    String schema = kind.startsWith("EITHER") ? "{\"type\":\"integer\"}" : null;
    boolean required = kind.endsWith("REQUIRED");
    var choice = new ToolChoice(required, number.equals("several"), List.of("add"));
    assertMay(may, CallGrammar.of(schema, TOOLS, choice), written);
  }

  /** A value of a schema or calls, but nothing beside them; the same letters. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "`` ~ go on",
        "{\"answer\": true} ~ end",
        "@@{\"answer\": true} ~ end",
        "{\"answer\": true}C ~ no",
        "{\"answer\": \"C ~ no",
        "C ~ end",
        "@@C ~ end",
        "C@ ~ end",
        "CC@C ~ end",
        "C{ ~ no",
        "C a ~ no",
        "C@O ~ go on",
        "<tool_ ~ go on",
        "I ~ no",
        "O{\"name\":\"added\",\"arguments\":{\"b\":[null]}}E ~ end",
        "O{\"name\":\"added\",\"arguments\":1 ~ no",
        "O{\"name\":\"add\",\"arguments\":{\"a\":\" ~ no",
        "O{\"name\":\"sub ~ no",
        "O{\"answer\" ~ no",
      })
  void languageWithAJsonSchema(String written, String may) {
    String schema =
        "{\"type\":\"object\",\"properties\":{\"answer\":{\"type\":\"boolean\"}},"
            + "\"required\":[\"answer\"]}";
    assertMay(may, CallGrammar.of(schema, TOOLS, ToolChoice.AUTO), written);
  }
}
