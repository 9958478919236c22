package io.lrt4j.langchain4j;

import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.onCompleteToolCall;
import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.onPartialResponse;
import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.onPartialThinking;
import static dev.langchain4j.internal.InternalStreamingChatResponseHandlerUtils.withLoggingExceptions;

import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.CompleteToolCall;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import io.lrt4j.Answer;
import io.lrt4j.Cancellation;
import io.lrt4j.Question;
import io.lrt4j.Token;
import io.lrt4j.ToolCall;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Executor;

/**
 * A chat model that an engine in this process answers for, token by token. Shared by threads. Each
 * answer has a thread to itself, on which its handler is called: one that takes its time holds up
 * nobody else. {@code StreamingHandle.cancel()} ends the answer within a token and frees its place;
 * nothing is called after it.
 */
public final class LrtStreamingChatModel implements StreamingChatModel {
  private final Asking asking;
  private final Executor executor;

  private LrtStreamingChatModel(Builder builder) {
    asking = Asking.of(builder);
    executor = builder.executor;
  }

  /** A model of which nothing is set yet. */
  public static Builder builder() {
    return new Builder();
  }

  /** Sets what a model has. */
  public static final class Builder extends ModelBuilder<Builder> {
    // The platform's: an answer may be computed on its thread.
    private Executor executor = Thread.ofPlatform().daemon().name("lrt-stream-", 0)::start;

    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    /** Where answers are waited for, and handlers called; by default a new thread for each. */
    public Builder executor(Executor executor) {
      this.executor = executor;
      return this;
    }

    public LrtStreamingChatModel build() {
      return new LrtStreamingChatModel(this);
    }
  }

  @Override
  public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
    Question question = asking.question(request);
    executor.execute(() -> answer(question, handler));
  }

  private void answer(Question question, StreamingChatResponseHandler handler) {
    var handle = new Handle();
    ChatResponse response;
    try {
      Answer answer =
          asking
              .engine()
              .ask(
                  question.cancelledBy(handle.cancellation), token -> tell(token, handler, handle));
      if (handle.isCancelled()) {
        return;
      }
      response = asking.response(answer, handle.id);
    } catch (RuntimeException e) {
      withLoggingExceptions(() -> handler.onError(Asking.translated(e)));
      return;
    }
    try {
      handler.onCompleteResponse(response);
    } catch (RuntimeException e) {
      withLoggingExceptions(() -> handler.onError(e));
    }
  }

  private void tell(Token token, StreamingChatResponseHandler handler, Handle handle) {
    if (!token.text().isEmpty() && !handle.isCancelled()) {
      tellText(token, handler, handle);
    }
    for (ToolCall call : token.toolCalls()) {
      if (handle.isCancelled()) {
        return;
      }
      int index = handle.calls++;
      onCompleteToolCall(
          handler, new CompleteToolCall(index, Asking.request(call, handle.id, index)));
    }
  }

  private void tellText(Token token, StreamingChatResponseHandler handler, Handle handle) {
    if (token.phase() == Token.Phase.ANSWER) {
      onPartialResponse(handler, token.text(), handle);
    } else if (asking.returnThinking()) {
      onPartialThinking(handler, token.text(), handle);
    }
  }

  private static final class Handle implements StreamingHandle {
    private final Cancellation cancellation = new Cancellation();
    private final String id = Asking.newId();
    private int calls; // that were told of

    @Override
    public void cancel() {
      cancellation.cancel();
    }

    @Override
    public boolean isCancelled() {
      return cancellation.isCancelled();
    }
  }

  @Override
  public ChatRequestParameters defaultRequestParameters() {
    return asking.defaults();
  }

  /** AI services then ask for a schema, rather than say in the question what the form is. */
  @Override
  public Set<Capability> supportedCapabilities() {
    return Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
  }

  @Override
  public List<ChatModelListener> listeners() {
    return asking.listeners();
  }
}
