package io.lrt4j;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * What to ask and how to answer it; immutable, every method returns a changed copy. Settings that a
 * question does not make are the checkpoint's, {@link Engine#defaultOptions()}: many ask to be
 * sampled from. {@link #options} makes all of them.
 */
public final class Question {
  private final List<Message> messages;
  private final @Nullable Mode mode;
  private final UnaryOperator<GenerationOptions> settings;
  private final boolean specialTokens;

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

  private Question(
      List<Message> messages,
      @Nullable Mode mode,
      UnaryOperator<GenerationOptions> settings,
      boolean specialTokens) {
    this.messages = List.copyOf(messages);
    this.mode = mode;
    this.settings = settings;
    this.specialTokens = specialTokens;
    if (messages.isEmpty()) {
      throw new QuestionException("a question needs at least one message, found none");
    }
  }

  /** One user message. */
  public static Question of(String text) {
    return of(List.of(new Message("user", text)));
  }

  /** A whole conversation, the question last. */
  public static Question of(List<Message> messages) {
    return new Question(messages, null, UnaryOperator.identity(), false);
  }

  /** The conversation in order, the question last. */
  public List<Message> messages() {
    return messages;
  }

  /** How to answer; null lets the engine choose, see {@link Engine#defaultMode()}. */
  public @Nullable Mode mode() {
    return mode;
  }

  /** Whether special tokens written out in messages are taken as such. */
  public boolean allowsSpecialTokens() {
    return specialTokens;
  }

  /** Sampling and limits, where the question does not say them those of {@code defaults}. */
  public GenerationOptions optionsOver(GenerationOptions defaults) {
    return settings.apply(defaults);
  }

  /** A system message in front of the others. */
  public Question system(String text) {
    List<Message> all = new ArrayList<>();
    all.add(new Message("system", text));
    all.addAll(messages);
    return new Question(all, mode, settings, specialTokens);
  }

  public Question mode(@Nullable Mode mode) {
    return new Question(messages, mode, settings, specialTokens);
  }

  /**
   * Whether a special token such as {@code <|im_end|>}, written out in a message, becomes that
   * token. By default it is text like any other in all but the assistant's messages: users must not
   * be able to end their turn and forge one of the system or the assistant. Allow it for messages
   * that only you wrote.
   */
  public Question allowSpecialTokens(boolean allowed) {
    return new Question(messages, mode, settings, allowed);
  }

  /** Sets all options, whatever the checkpoint says. */
  public Question options(GenerationOptions options) {
    Objects.requireNonNull(options, "options");
    return new Question(messages, mode, defaults -> options, specialTokens);
  }

  public Question maxTokens(int maxTokens) {
    return with(o -> o.withMaxTokens(maxTokens));
  }

  public Question budget(int budget) {
    return with(o -> o.withBudget(budget));
  }

  public Question temperature(float temperature) {
    return with(o -> o.withTemperature(temperature));
  }

  public Question topK(int topK) {
    return with(o -> o.withTopK(topK));
  }

  public Question topP(float topP) {
    return with(o -> o.withTopP(topP));
  }

  public Question minP(float minP) {
    return with(o -> o.withMinP(minP));
  }

  public Question repetitionPenalty(float repetitionPenalty) {
    return with(o -> o.withRepetitionPenalty(repetitionPenalty));
  }

  public Question seed(long seed) {
    return with(o -> o.withSeed(seed));
  }

  public Question stop(String... stop) {
    List<String> texts = Arrays.asList(stop.clone());
    return with(o -> o.withStop(texts));
  }

  public Question cancelledBy(Cancellation cancellation) {
    return with(o -> o.withCancellation(cancellation));
  }

  private Question with(UnaryOperator<GenerationOptions> change) {
    var _ = change.apply(GenerationOptions.defaults()); // refuses a value out of range now
    return new Question(
        messages, mode, defaults -> change.apply(settings.apply(defaults)), specialTokens);
  }
}
