package io.lrt4j.langchain4j;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.common.AbstractStreamingChatModelIT;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import java.util.List;

/** LangChain4j's own tests of a streaming chat model. */
class LrtStreamingChatModelTest extends AbstractStreamingChatModelIT {
  @Override
  protected List<StreamingChatModel> models() {
    return List.of(LrtStreamingChatModel.builder().engine(Knowing.engine()).build());
  }

  @Override
  protected StreamingChatModel createModelWith(ChatRequestParameters parameters) {
    return LrtStreamingChatModel.builder()
        .engine(Knowing.engine())
        .defaultRequestParameters(parameters)
        .build();
  }

  @Override
  public StreamingChatModel createModelWith(ChatModelListener listener) {
    return LrtStreamingChatModel.builder()
        .engine(Knowing.engine())
        .listeners(List.of(listener))
        .build();
  }

  @Override
  protected ChatRequestParameters createIntegrationSpecificParameters(int maxOutputTokens) {
    return LrtChatRequestParameters.builder().maxOutputTokens(maxOutputTokens).build();
  }

  @Override
  protected Class<? extends ChatResponseMetadata> chatResponseMetadataType(
      StreamingChatModel model) {
    return LrtChatResponseMetadata.class;
  }

  /** An engine has one model. */
  @Override
  protected boolean supportsModelNameParameter() {
    return false;
  }

  /** Not there yet. */
  @Override
  protected boolean supportsTools() {
    return false;
  }

  /** Not there yet. */
  @Override
  protected boolean supportsToolChoiceRequired() {
    return false;
  }

  /** Answers are not constrained to a form. */
  @Override
  protected boolean supportsJsonResponseFormat() {
    return false;
  }

  /** Answers are not constrained to a form. */
  @Override
  protected boolean supportsJsonResponseFormatWithSchema() {
    return false;
  }

  /** Answers are not constrained to a form. */
  @Override
  protected boolean supportsJsonResponseFormatWithRawSchema() {
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
