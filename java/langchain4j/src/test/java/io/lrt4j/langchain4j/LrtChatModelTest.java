package io.lrt4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.common.AbstractChatModelIT;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import java.util.List;

/** LangChain4j's own tests of a chat model. */
class LrtChatModelTest extends AbstractChatModelIT {
  @Override
  protected List<ChatModel> models() {
    return List.of(LrtChatModel.builder().engine(Knowing.engine()).build());
  }

  @Override
  protected ChatModel createModelWith(ChatRequestParameters parameters) {
    return LrtChatModel.builder()
        .engine(Knowing.engine())
        .defaultRequestParameters(parameters)
        .build();
  }

  @Override
  protected ChatRequestParameters createIntegrationSpecificParameters(int maxOutputTokens) {
    return LrtChatRequestParameters.builder().maxOutputTokens(maxOutputTokens).build();
  }

  @Override
  protected Class<? extends ChatResponseMetadata> chatResponseMetadataType(ChatModel model) {
    return LrtChatResponseMetadata.class;
  }

  /** An engine has one model. */
  @Override
  protected boolean supportsModelNameParameter() {
    return false;
  }

  /** The models read text. */
  @Override
  protected boolean supportsSingleImageInputAsBase64EncodedString() {
    return false;
  }

  /** The models read text. */
  @Override
  protected boolean supportsSingleImageInputAsPublicURL() {
    return false;
  }
}
