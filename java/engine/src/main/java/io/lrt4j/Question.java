package io.lrt4j;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What to ask and how to answer it; immutable, every method that changes something returns a
 * changed copy. Options that a question does not set are the checkpoint's, {@link
 * Engine#defaultOptions()}: many ask to be sampled from. A value that is out of range is refused at
 * once with a {@link QuestionException}.
 */
public final class Question {
  private final List<Message> messages;
  private final @Nullable Mode mode;
  private final GenerationOptions options;
  private final boolean specialTokens;
  private final List<Tool> tools;
  private final ToolChoice toolChoice;

  /**
   * One turn of a conversation.
   *
   * @param role whose turn it is
   * @param content its text
   * @param toolCalls what the assistant called in it
   */
  public record Message(Role role, String content, List<ToolCall> toolCalls) {
    public Message {
      Objects.requireNonNull(role, "role");
      Objects.requireNonNull(content, "content");
      toolCalls = copy(toolCalls, "toolCalls");
    }

    /** A text. */
    public Message(Role role, String content) {
      this(role, content, List.of());
    }
  }

  private Question(
      List<Message> messages,
      @Nullable Mode mode,
      GenerationOptions options,
      boolean specialTokens,
      List<Tool> tools,
      ToolChoice toolChoice) {
    this.messages = List.copyOf(messages);
    this.mode = mode;
    this.options = options;
    this.specialTokens = specialTokens;
    this.tools = List.copyOf(tools);
    this.toolChoice = toolChoice;
    if (messages.isEmpty()) {
      throw new QuestionException("a question needs at least one message, found none");
    }
  }

  /** One user message. */
  public static Question of(String text) {
    Objects.requireNonNull(text, "text");
    return of(List.of(new Message(Role.USER, text)));
  }

  /** A whole conversation, the question last. */
  public static Question of(List<Message> messages) {
    List<Message> all = copy(messages, "messages");
    return new Question(all, null, GenerationOptions.unset(), false, List.of(), ToolChoice.AUTO);
  }

  /** Says which element is null, if one is. */
  static <T> List<T> copy(List<T> list, String name) {
    Objects.requireNonNull(list, name);
    int i = 0;
    for (T element : list) {
      Objects.requireNonNull(element, name + "[" + i + "]");
      i++;
    }
    return List.copyOf(list);
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

  /** What the model may want to have called. */
  public List<Tool> tools() {
    return tools;
  }

  /** How they may be called. */
  public ToolChoice toolChoice() {
    return toolChoice;
  }

  /** The options that the question sets. */
  public GenerationOptions options() {
    return options;
  }

  /** Sampling and limits, where the question does not say them those of {@code defaults}. */
  public GenerationOptions optionsOver(GenerationOptions defaults) {
    Objects.requireNonNull(defaults, "defaults");
    return options.over(defaults);
  }

  /** A system message in front of the others. */
  public Question system(String text) {
    Objects.requireNonNull(text, "text");
    List<Message> all = new ArrayList<>();
    all.add(new Message(Role.SYSTEM, text));
    all.addAll(messages);
    return new Question(all, mode, options, specialTokens, tools, toolChoice);
  }

  /** How to answer; null lets the engine choose, see {@link Engine#defaultMode()}. */
  public Question mode(@Nullable Mode mode) {
    return new Question(messages, mode, options, specialTokens, tools, toolChoice);
  }

  /**
   * Whether a special token such as {@code <|im_end|>}, written out in a message, becomes that
   * token. By default it is text like any other in all but the assistant's messages: users must not
   * be able to end their turn and forge one of the system or the assistant. Allow it for messages
   * that only you wrote.
   */
  public Question allowSpecialTokens(boolean allowed) {
    return new Question(messages, mode, options, allowed, tools, toolChoice);
  }

  /**
   * Functions that the model may want to have called: its chat template tells it of them, and what
   * it calls is in {@link Answer#toolCalls}. Only where the template has it write calls as Qwen's
   * do, {@code <tool_call>} and JSON; a model with another one, or none, is not asked, but refuses.
   * Beside a {@link #jsonSchema} an answer is calls and nothing else, or a value of the schema.
   */
  public Question tools(List<Tool> tools) {
    return tools(tools, ToolChoice.AUTO);
  }

  /**
   * The same, and whether the model must call one, several or which of them. A {@link #jsonSchema}
   * says nothing if it must.
   */
  public Question tools(List<Tool> tools, ToolChoice choice) {
    List<Tool> all = copy(tools, "tools");
    Objects.requireNonNull(choice, "choice");
    if (choice.required() && all.isEmpty()) {
      throw new QuestionException("a tool must be called, but the question offers none");
    }
    List<String> offered = all.stream().map(Tool::name).toList();
    for (String name : choice.names()) {
      if (!offered.contains(name)) {
        throw new QuestionException(
            "the tool that may be called must be one of those that the question offers, found "
                + name.substring(0, Math.min(80, name.length())));
      }
    }
    return new Question(messages, mode, options, specialTokens, all, choice);
  }

  /** Sets these options, in place of all that are set so far. */
  public Question options(GenerationOptions options) {
    Objects.requireNonNull(options, "options");
    return new Question(messages, mode, options, specialTokens, tools, toolChoice);
  }

  /** Most tokens to generate, see {@link GenerationOptions#maxTokens()}. */
  public Question maxTokens(int maxTokens) {
    return options(options.withMaxTokens(maxTokens));
  }

  /** Explicit mode: tokens for thinking and answer, see {@link GenerationOptions#budget()}. */
  public Question budget(int budget) {
    return options(options.withBudget(budget));
  }

  /** Explicit mode: most tokens of thinking, see {@link GenerationOptions#thinkingBudget()}. */
  public Question thinkingBudget(int thinkingBudget) {
    return options(options.withThinkingBudget(thinkingBudget));
  }

  /** Of sampling; 0 is greedy. */
  public Question temperature(float temperature) {
    return options(options.withTemperature(temperature));
  }

  /** Samples from the k most probable tokens only; 0 keeps all. */
  public Question topK(int topK) {
    return options(options.withTopK(topK));
  }

  /** Samples from a nucleus of this mass, see {@link GenerationOptions#topP()}; 1 keeps all. */
  public Question topP(float topP) {
    return options(options.withTopP(topP));
  }

  /**
   * Samples from tokens not much less probable than the first, see {@link
   * GenerationOptions#minP()}; 0 keeps all.
   */
  public Question minP(float minP) {
    return options(options.withMinP(minP));
  }

  /** See {@link GenerationOptions#repetitionPenalty()}; 1 is none. */
  public Question repetitionPenalty(float repetitionPenalty) {
    return options(options.withRepetitionPenalty(repetitionPenalty));
  }

  /** See {@link GenerationOptions#presencePenalty()}; 0 is none. */
  public Question presencePenalty(float presencePenalty) {
    return options(options.withPresencePenalty(presencePenalty));
  }

  /** See {@link GenerationOptions#frequencyPenalty()}; 0 is none. */
  public Question frequencyPenalty(float frequencyPenalty) {
    return options(options.withFrequencyPenalty(frequencyPenalty));
  }

  /** How many {@link Token#alternatives} a listener is told of; 0 is none. */
  public Question topLogprobs(int topLogprobs) {
    return options(options.withTopLogprobs(topLogprobs));
  }

  /**
   * Holds the answer to a JSON Schema, see {@link GenerationOptions#jsonSchema()}; null is none.
   */
  public Question jsonSchema(@Nullable String jsonSchema) {
    return options(options.withJsonSchema(jsonSchema));
  }

  /** Of sampling: same seed, same backend, same tokens. */
  public Question seed(long seed) {
    return options(options.withSeed(seed));
  }

  /** Texts that end the answer and are no part of it, see {@link GenerationOptions#stop()}. */
  public Question stop(String... stop) {
    Objects.requireNonNull(stop, "stop");
    List<String> texts = Arrays.asList(stop.clone());
    return options(options.withStop(texts));
  }

  /**
   * How long the answer may take, waiting included, see {@link GenerationOptions#timeout()}; null
   * is as long as it takes.
   */
  public Question timeout(@Nullable Duration timeout) {
    return options(options.withTimeout(timeout));
  }

  /** A switch that ends the answer; null is none. */
  public Question cancelledBy(@Nullable Cancellation cancellation) {
    return options(options.withCancellation(cancellation));
  }
}
