package io.lrt4j.langchain4j;

import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.common.AbstractChatModelListenerIT;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import java.util.List;

/** LangChain4j's own tests of what a model tells its listeners. */
class LrtChatModelListenerTest extends AbstractChatModelListenerIT {
  @Override
  protected ChatModel createModel(ChatModelListener listener) {
    return LrtChatModel.builder()
        .engine(Knowing.engine())
        .modelName(modelName())
        .temperature(temperature())
        .topP(topP())
        .maxOutputTokens(maxTokens())
        .listeners(List.of(listener))
        .build();
  }

  @Override
  protected ChatModel createFailingModel(ChatModelListener listener) {
    return createModel(listener); // the question fails
  }

  @Override
  protected String modelName() {
    return "knowing";
  }

  @Override
  protected Class<? extends Exception> expectedExceptionClass() {
    return InvalidRequestException.class;
  }
}
