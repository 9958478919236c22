package io.lrt4j.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialThinking;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The default model through LangChain4j: what the engine says, and how it came about. */
class DefaultModelTest {
  private static final String QUESTION =
      "Tom has 3 apples. He doubles them. He buys 4 more. How many are there?";

  private static Engine engine;

  @BeforeAll
  static void load() {
    engine = Engine.load(Path.of("../../models/default"), EngineOptions.defaults().withThreads(1));
  }

  @AfterAll
  static void close() {
    engine.close();
  }

  private static ChatRequest request(LrtChatRequestParameters parameters) {
    return ChatRequest.builder()
        .messages(UserMessage.from(QUESTION))
        .parameters(parameters)
        .build();
  }

  @ParameterizedTest
  @EnumSource
  void answersOfEveryMode(Mode mode) {
    Answer expected = engine.ask(QUESTION, mode);
    var model = LrtChatModel.builder().engine(engine).mode(mode).returnThinking(true).build();
    ChatResponse response = model.chat(UserMessage.from(QUESTION));
    assertEquals(expected.text(), response.aiMessage().text());
    assertEquals(
        expected.reasoning().isEmpty() ? null : expected.reasoning(),
        response.aiMessage().thinking());
    assertEquals("default", response.metadata().modelName());
    assertEquals(expected.tokens().prompt(), response.tokenUsage().inputTokenCount());
    assertEquals(
        expected.tokens().reasoning() + expected.tokens().answer(),
        response.tokenUsage().outputTokenCount());
    Answer answer = ((LrtChatResponseMetadata) response.metadata()).answer();
    assertEquals(expected.mode(), answer.mode());
    assertEquals(engine.ask(QUESTION, mode).tokens(), answer.tokens()); // a second time, too
  }

  @Test
  void requestsOverrideDefaults() {
    var model = LrtChatModel.builder().engine(engine).mode(Mode.DIRECT).seed(1L).build();
    var parameters =
        LrtChatRequestParameters.builder().mode(Mode.EXPLICIT).temperature(1.5).budget(6).build();
    Answer expected =
        engine.ask(Question.of(QUESTION).mode(Mode.EXPLICIT).temperature(1.5f).seed(1).budget(6));
    ChatResponse response = model.chat(request(parameters));
    assertEquals(expected.text(), response.aiMessage().text());
    assertNull(response.aiMessage().thinking()); // unless it is asked for
    assertTrue(response.tokenUsage().outputTokenCount() <= 6);
  }

  @Test
  void thinkingIsStreamedWhereItIsWanted() {
    Answer expected = engine.ask(QUESTION, Mode.EXPLICIT);
    var model =
        LrtStreamingChatModel.builder()
            .engine(engine)
            .mode(Mode.EXPLICIT)
            .returnThinking(true)
            .build();
    var thinking = new StringBuilder();
    var text = new StringBuilder();
    var whole = new CompletableFuture<ChatResponse>();
    model.chat(
        request(LrtChatRequestParameters.builder().build()),
        new StreamingChatResponseHandler() {
          @Override
          public void onPartialThinking(PartialThinking part) {
            thinking.append(part.text());
          }

          @Override
          public void onPartialResponse(String part) {
            text.append(part);
          }

          @Override
          public void onCompleteResponse(ChatResponse response) {
            whole.complete(response);
          }

          @Override
          public void onError(Throwable error) {
            whole.completeExceptionally(error);
          }
        });
    assertEquals(expected.text(), whole.join().aiMessage().text());
    assertEquals(expected.text(), text.toString());
    assertEquals(expected.reasoning(), thinking.toString().strip());
    assertFalse(thinking.isEmpty());
  }

  @Test
  void whatIsWrongIsAnInvalidRequest() {
    var model = LrtChatModel.builder().engine(engine).build();
    var hot = LrtChatRequestParameters.builder().temperature(-1.0).build();
    var thrown = assertThrows(InvalidRequestException.class, () -> model.chat(request(hot)));
    assertEquals("temperature must be 0 or more, found -1.0", thrown.getMessage());
    String tooLong = "word ".repeat(2000);
    assertThrows(InvalidRequestException.class, () -> model.chat(tooLong));
  }

  @Test
  void parametersAreValues() {
    var one = LrtChatRequestParameters.builder().mode(Mode.LATENT).topK(3).build();
    var same = LrtChatRequestParameters.builder().overrideWith(one).build();
    assertEquals(one, same);
    assertEquals(one.hashCode(), same.hashCode());
    assertEquals(one, LrtChatRequestParameters.builder().build().overrideWith(one));
    assertEquals(one, one.defaultedBy(LrtChatRequestParameters.builder().mode(Mode.AUTO).build()));
  }
}
