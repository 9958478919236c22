package io.lrt4j.langchain4j;

import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import dev.langchain4j.model.output.TokenUsage;
import io.lrt4j.Answer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** LangChain4j's metadata, and with it the engine's own account of the answer. */
public final class LrtChatResponseMetadata extends ChatResponseMetadata {
  private final Answer answer;

  private LrtChatResponseMetadata(Builder builder, Answer answer) {
    super(builder);
    this.answer = answer;
  }

  private static final class Builder extends ChatResponseMetadata.Builder<Builder> {}

  static LrtChatResponseMetadata of(Answer answer, String modelName, String id) {
    Answer.TokenCounts tokens = answer.tokens();
    var builder =
        new Builder()
            .id(id)
            .modelName(modelName)
            .tokenUsage(new TokenUsage(tokens.prompt(), tokens.reasoning() + tokens.answer()))
            .finishReason(finishReason(answer));
    return new LrtChatResponseMetadata(builder, answer);
  }

  private static dev.langchain4j.model.output.FinishReason finishReason(Answer answer) {
    return switch (answer.finishReason()) {
      case STOP ->
          answer.toolCalls().isEmpty()
              ? dev.langchain4j.model.output.FinishReason.STOP
              : dev.langchain4j.model.output.FinishReason.TOOL_EXECUTION;
      case LENGTH -> dev.langchain4j.model.output.FinishReason.LENGTH;
      default -> dev.langchain4j.model.output.FinishReason.OTHER;
    };
  }

  /** Mode, latent and reasoning tokens, confidence, times, seed. */
  public Answer answer() {
    return answer;
  }

  @Override
  public boolean equals(@Nullable Object other) {
    return other instanceof LrtChatResponseMetadata that
        && super.equals(that)
        && answer.equals(that.answer);
  }

  @Override
  public int hashCode() {
    return Objects.hash(super.hashCode(), answer);
  }
}
