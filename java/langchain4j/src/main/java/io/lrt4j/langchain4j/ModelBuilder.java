package io.lrt4j.langchain4j;

import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import io.lrt4j.Engine;
import io.lrt4j.Mode;
import io.lrt4j.Tool;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What is set of a chat model; only {@link #engine} must be. What is not set is the checkpoint's
 * own. LangChain4j's exceptions are thrown for what is not supported.
 *
 * @param <B> the builder itself
 */
public abstract sealed class ModelBuilder<B extends ModelBuilder<B>>
    permits LrtChatModel.Builder, LrtStreamingChatModel.Builder {
  @Nullable Engine engine;
  @Nullable String modelName;
  final LrtChatRequestParameters.Builder parameters = LrtChatRequestParameters.builder();
  List<ChatModelListener> listeners = List.of();
  boolean returnThinking;
  boolean strictTools;

  ModelBuilder() {}

  abstract B self();

  /** The engine that answers. It is yours to close, after the last request. */
  public B engine(Engine engine) {
    this.engine = engine;
    return self();
  }

  /** What responses call the model; by default its directory's name. */
  public B modelName(String modelName) {
    this.modelName = modelName;
    parameters.modelName(modelName);
    return self();
  }

  /** How to reason; by default {@link Engine#defaultMode()}. */
  public B mode(@Nullable Mode mode) {
    parameters.mode(mode);
    return self();
  }

  /** Explicit mode: tokens for thinking and answer together. */
  public B budget(@Nullable Integer budget) {
    parameters.budget(budget);
    return self();
  }

  public B maxOutputTokens(Integer maxOutputTokens) {
    parameters.maxOutputTokens(maxOutputTokens);
    return self();
  }

  /** 0 is greedy. */
  public B temperature(Double temperature) {
    parameters.temperature(temperature);
    return self();
  }

  public B topP(Double topP) {
    parameters.topP(topP);
    return self();
  }

  public B topK(Integer topK) {
    parameters.topK(topK);
    return self();
  }

  public B seed(@Nullable Long seed) {
    parameters.seed(seed);
    return self();
  }

  public B stopSequences(List<String> stopSequences) {
    parameters.stopSequences(stopSequences);
    return self();
  }

  /** Defaults of requests, over what is set so far. */
  public B defaultRequestParameters(ChatRequestParameters defaults) {
    parameters.overrideWith(defaults);
    return self();
  }

  /** Told of requests, responses and errors. */
  public B listeners(List<ChatModelListener> listeners) {
    this.listeners = List.copyOf(listeners);
    return self();
  }

  /**
   * Whether thinking in text is handed out, as {@code AiMessage.thinking()} and to {@code
   * onPartialThinking}; by default it is not.
   */
  public B returnThinking(boolean returnThinking) {
    this.returnThinking = returnThinking;
    return self();
  }

  /**
   * Whether tools are strict whose {@code ToolSpecification.strict()} does not say so or otherwise;
   * by default they are not. Calls of a strict tool have arguments that its parameters allow, which
   * are no others than those named; see {@link Tool#strict}.
   */
  public B strictTools(boolean strictTools) {
    this.strictTools = strictTools;
    return self();
  }
}
