package io.lrt4j.reasoning;

import io.lrt4j.Question;
import io.lrt4j.QuestionException;
import io.lrt4j.Role;
import io.lrt4j.text.ChatTemplate;
import io.lrt4j.text.MessageGuard;
import io.lrt4j.text.Tokenizer;
import io.lrt4j.text.ToolTexts;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * The texts around a question in each mode.
 *
 * @param tokenizer of the model
 * @param template of the model
 */
public record Prompts(@Nullable Tokenizer tokenizer, @Nullable ChatTemplate template) {
  /** Opens a thinking block. */
  public static final String OPEN = "<think>\n";

  /** Closes a thinking block. */
  public static final String CLOSE = "\n</think>\n\n";

  /**
   * "Reasoning Models Can Be Effective Without Thinking" (2025): what stands for the thinking that
   * is skipped.
   */
  static final String NO_THINKING = "Okay, I think I have finished thinking.";

  /**
   * Whether the model's tokenizer or chat template knows thinking. A plain instruct model, of which
   * neither does, is asked plainly unless somebody wants it otherwise.
   */
  public boolean knowsThinking() {
    return (template != null && template.knowsThinking())
        || (tokenizer != null
            && (tokenizer.id(OPEN.strip()).isPresent() || tokenizer.id(CLOSE.strip()).isPresent()));
  }

  /** What is wrong with the template, if it cannot be rendered. */
  Optional<String> templateFault() {
    return template == null ? Optional.empty() : template.fault();
  }

  /** The question with an open thinking block behind it. */
  public int[] thinking(Question question) {
    Messages messages = Messages.of(question, tokenizer("ask"));
    return messages.encode(opened(messages));
  }

  /**
   * The question with a thinking block that is already closed: the template's own empty one if it
   * knows {@code enable_thinking}, else the NoThinking sentence; the question alone if the model
   * does not know thinking.
   */
  public int[] direct(Question question) {
    Messages messages = Messages.of(question, tokenizer("ask"));
    String plain = render(messages, true);
    String closed = render(messages, false);
    boolean alike = closed.equals(plain) && knowsThinking();
    return messages.encode(alike ? opened(messages) + NO_THINKING + CLOSE : closed);
  }

  /** Tokens of a text that follows a question. */
  public int[] encode(String text) {
    return text.isEmpty() ? new int[0] : tokenizer("ask").encode(text);
  }

  private String opened(Messages messages) {
    String text = render(messages, true);
    boolean open = text.stripTrailing().endsWith(OPEN.strip()); // DeepSeek-R1's template does it
    return open ? text : text + OPEN;
  }

  private String render(Messages messages, boolean enableThinking) {
    if (template == null) {
      throw new QuestionException(
          "the model came without a chat template (chat_template.jinja or tokenizer_config.json): "
              + "it can complete text, not answer questions");
    }
    Map<String, Object> variables = new HashMap<>();
    variables.put("enable_thinking", enableThinking);
    if (!messages.tools.isEmpty()) {
      if (!template.knowsTools()) {
        throw new QuestionException(
                "tools are not supported with this model: its chat template does not have it write"
                    + " calls as <tool_call> with a JSON object")
            .about(QuestionException.Part.TOOLS);
      }
      variables.put("tools", messages.tools);
    }
    return template.render(messages.maps, true, variables);
  }

  /**
   * A question's messages as a template takes them.
   *
   * @param tools that it offers
   * @param guard against special tokens in both, unless the question allows them
   */
  private record Messages(
      List<Map<String, Object>> maps,
      List<Map<String, Object>> tools,
      Tokenizer tokenizer,
      @Nullable MessageGuard guard) {

    static Messages of(Question question, Tokenizer tokenizer) {
      MessageGuard guard = null;
      if (!question.allowsSpecialTokens()) {
        List<String> texts = new ArrayList<>();
        question.messages().forEach(m -> texts.add(m.content()));
        question.tools().forEach(t -> ToolTexts.tool(t, keptIn(texts)));
        guard = tokenizer.guard(texts);
      }
      UnaryOperator<String> guarded = guard == null ? t -> t : guard::guard;
      List<Map<String, Object>> tools =
          question.tools().stream().map(t -> ToolTexts.tool(t, guarded)).toList();
      List<Map<String, Object>> maps = new ArrayList<>();
      for (Question.Message message : question.messages()) {
        // What the model said itself stays as it is: templates look for </think> in it.
        boolean own = message.role() == Role.ASSISTANT;
        Map<String, Object> map = new LinkedHashMap<>(); // a template may print it whole
        map.put("role", message.role().key());
        map.put("content", own ? message.content() : guarded.apply(message.content()));
        if (!message.toolCalls().isEmpty()) {
          map.put("tool_calls", message.toolCalls().stream().map(ToolTexts::call).toList());
        }
        maps.add(map);
      }
      return new Messages(maps, tools, tokenizer, guard);
    }

    private static UnaryOperator<String> keptIn(List<String> texts) {
      return text -> {
        texts.add(text);
        return text;
      };
    }

    int[] encode(String text) {
      return guard == null ? tokenizer.encode(text) : guard.encode(text);
    }
  }

  /** The tokenizer, for {@code what}, which needs one. */
  public Tokenizer tokenizer(String what) {
    if (tokenizer == null) {
      throw new QuestionException(
          "the model came without a tokenizer (tokenizer.json): it takes token ids only, so it"
              + " cannot "
              + what);
    }
    return tokenizer;
  }
}
