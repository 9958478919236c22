package io.lrt4j.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.mockito.ArgumentMatchers.any;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.common.AbstractStreamingChatModelIT;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.ChatResponseMetadata;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import org.junit.jupiter.api.Test;
import org.mockito.InOrder;

/** LangChain4j's own tests of a streaming chat model, and of cancelling ours. */
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

  /** A call comes once it is complete. */
  @Override
  protected boolean supportsPartialToolStreaming(StreamingChatModel model) {
    return false;
  }

  @Override
  protected void verifyToolCallbacks(
      StreamingChatResponseHandler handler, InOrder order, String id) {
    order
        .verify(handler)
        .onCompleteToolCall(complete(0, id, "getWeather", "{\"city\":\"Munich\"}"));
  }

  @Override
  protected void verifyToolCallbacks(
      StreamingChatResponseHandler handler, InOrder order, StreamingChatModel model) {
    order.verify(handler).onCompleteToolCall(any());
  }

  @Override
  protected void verifyToolCallbacks(
      StreamingChatResponseHandler handler, InOrder order, String first, String second) {
    verifyToolCallbacks(handler, order, first);
    order
        .verify(handler)
        .onCompleteToolCall(complete(1, second, "getTime", "{\"country\":\"France\"}"));
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

  /**
   * It does: {@link #nothingIsSaidAfterACancellation}, without the half minute that theirs waits.
   */
  @Override
  protected boolean supportsStreamingCancellation() {
    return false;
  }

  @Test
  void nothingIsSaidAfterACancellation() {
    List<StreamingHandle> handles = new CopyOnWriteArrayList<>();
    List<String> ends = new CopyOnWriteArrayList<>();
    try (var executor = Executors.newSingleThreadExecutor()) { // closed once all has been said
      LrtStreamingChatModel.builder()
          .engine(Knowing.engine())
          .executor(executor)
          .build()
          .chat(
              "Tell me a long story about animals",
              new StreamingChatResponseHandler() {
                @Override
                public void onPartialResponse(
                    PartialResponse part, PartialResponseContext context) {
                  StreamingHandle handle = context.streamingHandle();
                  if (handle.isCancelled()) {
                    ends.add("cancelled before");
                  }
                  handles.add(handle);
                  if (handles.size() == 5) {
                    handle.cancel();
                  }
                }

                @Override
                public void onCompleteResponse(ChatResponse response) {
                  ends.add("complete");
                }

                @Override
                public void onError(Throwable error) {
                  ends.add(error.toString());
                }
              });
    }
    assertEquals(5, handles.size());
    assertEquals(List.of(), ends);
    assertTrue(handles.getFirst().isCancelled());
    handles.getFirst().cancel(); // once more changes nothing
    assertTrue(handles.getFirst().isCancelled());
  }
}
