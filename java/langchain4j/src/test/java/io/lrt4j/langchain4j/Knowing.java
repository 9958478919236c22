package io.lrt4j.langchain4j;

import io.lrt4j.Answer;
import io.lrt4j.Cancellation;
import io.lrt4j.Engine;
import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.QuestionException;
import io.lrt4j.Role;
import io.lrt4j.Token;
import io.lrt4j.TokenListener;
import io.lrt4j.Tool;
import io.lrt4j.ToolCall;
import java.lang.reflect.Proxy;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;

/**
 * Stands for an engine whose model knows what LangChain4j's own tests ask (no model of a few
 * megabytes does), so that what lies between is tested: each word is a token.
 */
final class Knowing {
  /** A question that contains this fails. */
  static final String FAILS = "will fail";

  private static final Pattern BETWEEN_WORDS = Pattern.compile("(?<= )");

  /** What tools are called with. */
  private static final Map<String, String> ARGUMENTS =
      Map.of(
          "getWeather", "{\"city\":\"Munich\"}",
          "getTime", "{\"country\":\"France\"}",
          "get_current_time", "{}");

  private Knowing() {}

  static Engine engine() {
    return (Engine)
        Proxy.newProxyInstance(
            Engine.class.getClassLoader(),
            new Class<?>[] {Engine.class},
            (_, method, args) ->
                switch (method.getName()) {
                  case "ask" ->
                      answer((Question) args[0], args.length < 2 ? null : (TokenListener) args[1]);
                  case "model" -> Path.of("knowing");
                  default -> throw new UnsupportedOperationException(method.getName());
                });
  }

  private static String known(Question question) {
    String schema = question.options().jsonSchema();
    if (schema != null) {
      return schema.contains("weather") ? "{\"weather\": \"sunny\"}" : "{\"city\":\"Berlin\"}";
    }
    String asked = question.messages().getLast().content();
    boolean german =
        question.messages().stream()
            .anyMatch(m -> m.role() == Role.SYSTEM && m.content().contains("German"));
    if (asked.contains(FAILS)) {
      throw new QuestionException("this question cannot be answered");
    }
    if (question.messages().getLast().role() == Role.TOOL) {
      return question.messages().stream()
          .filter(m -> m.role() == Role.TOOL)
          .map(Question.Message::content)
          .collect(Collectors.joining(" ", "It is ", ""));
    }
    if (german) {
      return "Ich liebe dich";
    }
    if (asked.contains("favorite color")) {
      return question.messages().getFirst().content().replaceFirst(".* is ", "It is ");
    }
    if (asked.contains("capital of Germany")) {
      return "Berlin is the capital of Germany, and 2 + 2 is 4.";
    }
    return asked.contains("Hello World") ? "Hello World" : "and then ".repeat(40);
  }

  /** Each tool that it knows, once. */
  private static List<ToolCall> calls(Question question) {
    if (question.messages().getLast().role() != Role.USER) {
      return List.of();
    }
    return question.tools().stream()
        .map(Tool::name)
        .filter(ARGUMENTS::containsKey)
        .map(name -> new ToolCall(name, Objects.requireNonNull(ARGUMENTS.get(name))))
        .toList();
  }

  private static Answer answer(Question question, @Nullable TokenListener listener) {
    GenerationOptions options = question.optionsOver(GenerationOptions.defaults());
    Cancellation cancellation = options.cancellation();
    List<ToolCall> calls = calls(question);
    List<String> words =
        BETWEEN_WORDS.splitAsStream(calls.isEmpty() ? known(question) : "").toList();
    var text = new StringBuilder();
    FinishReason reason = FinishReason.STOP;
    int count = 0;
    for (String word : words) {
      if (count == options.maxTokens()) {
        reason = FinishReason.LENGTH;
        break;
      }
      if (options.stop().stream().anyMatch(word::startsWith)) {
        break;
      }
      count++;
      text.append(word);
      if (listener != null) {
        listener.onToken(new Token(count, word, -1, Token.Phase.ANSWER, List.of(), calls));
      }
      if (cancellation != null && cancellation.isCancelled()) {
        reason = FinishReason.CANCELLED;
        break;
      }
    }
    List<Integer> ids = new ArrayList<>();
    for (int i = 1; i <= count; i++) {
      ids.add(i);
    }
    return new Answer(
        text.toString(),
        "",
        Mode.DIRECT,
        reason,
        new Answer.TokenCounts(7, 0, 0, count),
        ids,
        Collections.nCopies(count, -1f),
        new Answer.Confidence(-1, 1),
        null,
        new Answer.Timings(0, 0, 0, 0, 0, 0),
        calls);
  }
}
