package io.lrt4j;

import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What to ask and how to answer it; immutable, every method returns a changed copy.
 *
 * @param messages the conversation in order, the question last
 * @param mode how to answer; null lets the engine choose: auto with a calibrated network, else
 *     latent with a network, else explicit
 * @param options sampling and limits
 */
public record Question(List<Message> messages, @Nullable Mode mode, GenerationOptions options) {

  /**
   * One turn of a conversation.
   *
   * @param role {@code system}, {@code user} or {@code assistant}
   * @param content its text
   */
  public record Message(String role, String content) {
    public Message {
      Objects.requireNonNull(role, "role");
      Objects.requireNonNull(content, "content");
    }
  }

  public Question {
    messages = List.copyOf(messages);
    if (messages.isEmpty()) {
      throw new QuestionException("a question needs at least one message, found none");
    }
  }

  /** One user message. */
  public static Question of(String text) {
    return new Question(List.of(new Message("user", text)), null, GenerationOptions.defaults());
  }

  /** A whole conversation, the question last. */
  public static Question of(List<Message> messages) {
    return new Question(messages, null, GenerationOptions.defaults());
  }

  /** A system message in front of the others. */
  public Question system(String text) {
    List<Message> all = new ArrayList<>();
    all.add(new Message("system", text));
    all.addAll(messages);
    return new Question(all, mode, options);
  }

  public Question mode(@Nullable Mode mode) {
    return new Question(messages, mode, options);
  }

  public Question options(GenerationOptions options) {
    return new Question(messages, mode, options);
  }

  public Question maxTokens(int maxTokens) {
    return options(options.withMaxTokens(maxTokens));
  }

  public Question budget(int budget) {
    return options(options.withBudget(budget));
  }

  public Question temperature(float temperature) {
    return options(options.withTemperature(temperature));
  }

  public Question topK(int topK) {
    return options(options.withTopK(topK));
  }

  public Question topP(float topP) {
    return options(options.withTopP(topP));
  }

  public Question seed(long seed) {
    return options(options.withSeed(seed));
  }

  public Question stop(String... stop) {
    return options(options.withStop(List.of(stop)));
  }

  public Question cancelledBy(Cancellation cancellation) {
    return options(options.withCancellation(cancellation));
  }
}
