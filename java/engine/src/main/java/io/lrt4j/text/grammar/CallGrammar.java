package io.lrt4j.text.grammar;

import static io.lrt4j.text.grammar.Grammar.bytes;
import static io.lrt4j.text.grammar.Grammar.choice;
import static io.lrt4j.text.grammar.Grammar.repeat;
import static io.lrt4j.text.grammar.Grammar.sequence;
import static io.lrt4j.text.grammar.Grammar.text;

import io.lrt4j.QuestionException;
import io.lrt4j.Tool;
import io.lrt4j.text.ToolCallReader;
import io.lrt4j.text.grammar.Grammar.Node;
import io.lrt4j.text.grammar.Grammar.Rule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Answers of a model with tools: any text, or the value of a JSON schema, and calls, which begin
 * with {@link ToolCallReader#OPEN}, of one of them, with arguments that its parameters allow if it
 * is strict.
 */
final class CallGrammar {
  /** What may be open: what nests deeper than {@link ToolCallReader} reads cannot be written. */
  private static final int MAX_DEPTH = 120;

  private CallGrammar() {}

  /** Any text, with calls in it. */
  static Grammar of(List<Tool> tools) {
    return new Grammar(answer(call(tools)), MAX_DEPTH);
  }

  /** A value of the schema, or calls and nothing else: what it begins with decides. */
  static Grammar of(String jsonSchema, List<Tool> tools) {
    Node value = JsonSchema.values(jsonSchema);
    Node call = sequence(text(ToolCallReader.OPEN), call(tools));
    Node calls = sequence(call, repeat(sequence(JsonSchema.SPACE, call), 0, -1), JsonSchema.SPACE);
    return new Grammar(sequence(JsonSchema.BEFORE, choice(value, calls)), MAX_DEPTH);
  }

  /** What follows {@link ToolCallReader#OPEN}. */
  private static Node call(List<Tool> tools) {
    List<Node> calls = new ArrayList<>();
    for (Tool tool : tools) {
      calls.add(
          sequence(
              text(tool.name() + "\","),
              JsonSchema.SPACE,
              text("\"arguments\":"),
              JsonSchema.SPACE,
              arguments(tool)));
    }
    return sequence(
        JsonSchema.SPACE,
        text("{"),
        JsonSchema.SPACE,
        text("\"name\":"),
        JsonSchema.SPACE,
        text("\""),
        choice(calls),
        JsonSchema.SPACE,
        text("}"),
        JsonSchema.SPACE,
        text(ToolCallReader.CLOSE));
  }

  private static Node arguments(Tool tool) {
    try {
      return JsonSchema.objects(tool.strict() ? tool.parameters() : "{}");
    } catch (QuestionException e) {
      throw new QuestionException("the tool " + tool.name() + " is strict: " + e.getMessage(), e);
    }
  }

  /** Text with a call behind each OPEN: a rule for each number of bytes of OPEN it may end with. */
  private static Node answer(Node call) {
    String open = ToolCallReader.OPEN; // "<", of which there is no other in it, and what is above
    Rule[] after = new Rule[open.length()];
    Arrays.setAll(after, _ -> new Rule());
    for (int i = 0; i < after.length; i++) {
      char next = open.charAt(i);
      List<Node> ways = new ArrayList<>(List.of(Grammar.EMPTY));
      Node more = i + 1 < after.length ? after[i + 1] : sequence(call, after[0]);
      ways.add(sequence(bytes(next, next), more));
      if (i > 0) {
        ways.add(sequence(bytes('<', '<'), after[1]));
      }
      ways.add(sequence(bytes(0, '<' - 1, '<' + 1, next - 1, next + 1, 0xff), after[0]));
      after[i].is(choice(ways));
    }
    return after[0];
  }
}
