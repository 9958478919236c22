package io.lrt4j.langchain4j;

import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import java.util.List;
import java.util.Set;

/**
 * A chat model that an engine in this process answers for. Shared by threads. An interrupt ends the
 * answer; what there is of it then comes with {@code FinishReason.OTHER}.
 */
public final class LrtChatModel implements ChatModel {
  private final Asking asking;

  private LrtChatModel(Builder builder) {
    asking = Asking.of(builder);
  }

  /** A model of which nothing is set yet. */
  public static Builder builder() {
    return new Builder();
  }

  /** Sets what a model has. */
  public static final class Builder extends ModelBuilder<Builder> {
    private Builder() {}

    @Override
    Builder self() {
      return this;
    }

    public LrtChatModel build() {
      return new LrtChatModel(this);
    }
  }

  @Override
  public ChatResponse doChat(ChatRequest request) {
    var question = asking.question(request);
    try {
      return asking.response(asking.engine().ask(question), Asking.newId());
    } catch (RuntimeException e) {
      throw Asking.translated(e);
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
