package io.lrt4j.reasoning;

import io.lrt4j.Question;
import io.lrt4j.QuestionException;
import io.lrt4j.text.ChatTemplate;
import io.lrt4j.text.Tokenizer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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

  /** The question with an open thinking block behind it. */
  public int[] thinking(Question question) {
    return tokenizer("ask").encode(opened(question));
  }

  /**
   * The question with a thinking block that is already closed: the template's own empty one if it
   * knows {@code enable_thinking}, else the NoThinking sentence.
   */
  public int[] direct(Question question) {
    Tokenizer tokenizer = tokenizer("ask");
    String plain = render(question, true);
    String closed = render(question, false);
    return tokenizer.encode(closed.equals(plain) ? opened(question) + NO_THINKING + CLOSE : closed);
  }

  /** Tokens of a text that follows a question. */
  public int[] encode(String text) {
    return text.isEmpty() ? new int[0] : tokenizer("ask").encode(text);
  }

  private String opened(Question question) {
    String text = render(question, true);
    boolean open = text.stripTrailing().endsWith(OPEN.strip()); // DeepSeek-R1's template does it
    return open ? text : text + OPEN;
  }

  private String render(Question question, boolean enableThinking) {
    if (template == null) {
      throw new QuestionException(
          "the model came without a chat template (chat_template.jinja or tokenizer_config.json): "
              + "it can complete text, not answer questions");
    }
    List<Map<String, String>> messages = new ArrayList<>();
    for (Question.Message message : question.messages()) {
      Map<String, String> map = new LinkedHashMap<>(); // a template may print it whole
      map.put("role", message.role());
      map.put("content", message.content());
      messages.add(map);
    }
    return template.render(messages, true, Map.of("enable_thinking", enableThinking));
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
