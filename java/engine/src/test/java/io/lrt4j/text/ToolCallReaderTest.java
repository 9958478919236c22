package io.lrt4j.text;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.ToolCall;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What is text and what is a call, however the answer comes in pieces. */
class ToolCallReaderTest {
  private static final String CALL =
      """
      <tool_call>
      {"name": "add", "arguments": {"a": 1.5, "b": ["</tool"]}}
      </tool_call>\
      """;

  private static final ToolCall ADD = new ToolCall("add", "{\"a\":1.5,\"b\":[\"</tool\"]}");

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "`no call`|`no call`|0",
        "` <tool_cal `|` <tool_cal `|0",
        "`C`|``|1",
        "`\nC\n`|``|1",
        "`One.\n\nC\nC\n`|`One.`|2",
        "`One.  C  Two. `|`One.Two. `|1",
        "`C\n\nTwo.\nC`|`Two.`|2",
        "`<tool_call>{}</tool_call>`|`<tool_call>{}</tool_call>`|0",
        "`a <tool_call>x</tool_call> C`|`a <tool_call>x</tool_call>`|1",
        "`<tool_call>{\"name\":\"add\"`|`<tool_call>{\"name\":\"add\"`|0",
        "`<<tool_call>`|`<<tool_call>`|0",
        "`a < b <`|`a < b <`|0",
      })
  void textAndCalls(String answer, String text, int calls) {
    String written = answer.replace("C", CALL);
    var expected = new ToolCallReader.Read(text, Collections.nCopies(calls, ADD));
    assertEquals(expected, ToolCallReader.read(written));
    for (int length = 1; length < 9; length++) {
      var reader = new ToolCallReader();
      var found = new StringBuilder();
      List<ToolCall> read = new ArrayList<>();
      for (int at = 0; at < written.length(); at += length) {
        found.append(reader.add(written.substring(at, Math.min(at + length, written.length()))));
        read.addAll(reader.take());
      }
      found.append(reader.finish());
      read.addAll(reader.take());
      assertEquals(expected, new ToolCallReader.Read(found.toString(), read));
    }
  }

  @Test
  void textIsNotHeldBackForLong() {
    var reader = new ToolCallReader();
    assertEquals("One", reader.add("One"));
    assertEquals(" two <b>", reader.add(" two <b>"));
    assertEquals("", reader.add(" <tool"));
    assertEquals(" <tools>", reader.add("s>"));
    assertEquals("", reader.finish());
  }

  @Test
  void formsOfCalls() {
    assertEquals(
        ADD,
        ToolTexts.parse(
            ADD.arguments().replace("{\"a", "{\"name\":\"add\",\"arguments\":{\"a") + "}"));
    assertEquals(
        new ToolCall("f", "{}"), ToolTexts.parse("{\"arguments\":\"{ }\",\"name\":\"f\"}"));
    for (String none :
        List.of(
            "",
            "1",
            "[]",
            "{\"name\":\"f\"}",
            "{\"name\":1,\"arguments\":{}}",
            "{\"name\":\"f\",\"arguments\":[]}",
            "{\"name\":\"f\",\"arguments\":{}} x",
            "[".repeat(100_000))) {
      assertEquals(null, ToolTexts.parse(none));
    }
  }

  @Test
  void argumentsMaySayTheClosingTag() {
    String arguments = "{\"a</tool_call>\":\"b</tool_call>c</tool_call>\"}";
    String call = "<tool_call>{\"name\":\"f\",\"arguments\":" + arguments + "}</tool_call>";
    var f = new ToolCall("f", arguments);
    assertEquals(
        new ToolCallReader.Read("x", List.of(f, f)), ToolCallReader.read("x" + call + call));
    for (String broken :
        List.of("<tool_call>{\"name\":\"f\n</tool_call>", "<tool_call>{\"a\":\"b</tool_call>\n")) {
      var read = ToolCallReader.read(broken + call); // its text ends with the line
      assertEquals(new ToolCallReader.Read(broken.strip(), List.of(f)), read);
    }
    String many = "</tool_call>".repeat(100_000);
    arguments = arguments.replace("c</", many + "</");
    assertEquals(
        List.of(new ToolCall("f", arguments)),
        ToolCallReader.read(call.replace("c</", many + "</")).calls());
  }

  /** What ends without the closing tag may be a call. */
  @Test
  void lastCallMayBeOpen() {
    String open = CALL.replace("</tool_call>", "");
    assertEquals(new ToolCallReader.Read("", List.of(ADD)), ToolCallReader.read(open));
  }
}
