package io.lrt4j.text.grammar;

import static io.lrt4j.text.grammar.Grammar.bytes;
import static io.lrt4j.text.grammar.Grammar.choice;
import static io.lrt4j.text.grammar.Grammar.repeat;
import static io.lrt4j.text.grammar.Grammar.sequence;
import static io.lrt4j.text.grammar.Grammar.text;

import io.lrt4j.QuestionException;
import io.lrt4j.Tool;
import io.lrt4j.ToolChoice;
import io.lrt4j.text.ToolCallReader;
import io.lrt4j.text.grammar.Grammar.Node;
import io.lrt4j.text.grammar.Grammar.Rule;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Answers of a model with tools: calls, which begin with {@link ToolCallReader#OPEN}, of those that
 * may be called, with arguments that the parameters allow if the tool is strict; and if none is
 * required, any text around them, or the value of a JSON schema in place of them.
 */
final class CallGrammar {
  /** What may be open: what nests deeper than {@link ToolCallReader} reads cannot be written. */
  private static final int MAX_DEPTH = 120;

  private CallGrammar() {}

  /**
   * @param jsonSchema null for any text
   * @throws QuestionException if this or the parameters of a tool are no schema, or have what is
   *     not understood; it says of a tool that it is about one
   */
  static Grammar of(@Nullable String jsonSchema, List<Tool> tools, ToolChoice choice) {
    List<String> names = choice.names();
    Node call = call(tools.stream().filter(t -> names.isEmpty() || names.contains(t.name())));
    Node value = jsonSchema == null ? null : JsonSchema.values(jsonSchema);
    if (value == null && !choice.required()) {
      return new Grammar(answer(call, choice.parallel()), MAX_DEPTH);
    }
    Node calls = sequence(text(ToolCallReader.OPEN), call);
    if (choice.parallel()) {
      calls = sequence(calls, repeat(sequence(JsonSchema.SPACE, calls), 0, -1), JsonSchema.SPACE);
    }
    Node answer = value == null || choice.required() ? calls : choice(value, calls);
    return new Grammar(sequence(JsonSchema.BEFORE, answer), MAX_DEPTH);
  }

  /** What follows {@link ToolCallReader#OPEN}. */
  private static Node call(Stream<Tool> tools) {
    List<Node> calls =
        tools
            .map(
                tool ->
                    sequence(
                        text(tool.name() + "\","),
                        JsonSchema.SPACE,
                        text("\"arguments\":"),
                        JsonSchema.SPACE,
                        arguments(tool)))
            .toList();
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
      throw new QuestionException("the tool " + tool.name() + " is strict: " + e.getMessage(), e)
          .about(QuestionException.Part.TOOLS);
    }
  }

  /**
   * Text with a call behind each OPEN, or up to the first call: a rule for each number of bytes of
   * OPEN it may end with.
   */
  private static Node answer(Node call, boolean parallel) {
    String open = ToolCallReader.OPEN; // "<", of which there is no other in it, and what is above
    Rule[] after = new Rule[open.length()];
    Arrays.setAll(after, _ -> new Rule());
    for (int i = 0; i < after.length; i++) {
      char next = open.charAt(i);
      List<Node> ways = new ArrayList<>(List.of(Grammar.EMPTY));
      Node more = i + 1 < after.length ? after[i + 1] : parallel ? sequence(call, after[0]) : call;
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
