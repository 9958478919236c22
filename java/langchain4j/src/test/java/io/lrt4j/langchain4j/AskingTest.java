package io.lrt4j.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.model.chat.Capability;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import io.lrt4j.Question;
import io.lrt4j.Tool;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.Test;

/** What requests become for the engine. */
class AskingTest {
  private static final ToolSpecification WEATHER =
      ToolSpecification.builder()
          .name("weather")
          .description("tells it")
          .parameters(JsonObjectSchema.builder().addStringProperty("city").build())
          .build();

  private static final ToolSpecification TIME = ToolSpecification.builder().name("time").build();

  private static final String CITY =
      "{\"type\":\"object\",\"properties\":{\"city\":{\"type\":\"string\"}},\"required\":[]";

  private static LrtChatModel.Builder builder() {
    return LrtChatModel.builder().engine(Knowing.engine());
  }

  private static LrtChatModel.Builder choosing(ToolChoice choice) {
    return builder()
        .defaultRequestParameters(LrtChatRequestParameters.builder().toolChoice(choice).build());
  }

  private static Question question(LrtChatModel.Builder model, ToolSpecification... tools) {
    return Asking.of(model)
        .question(
            ChatRequest.builder()
                .messages(UserMessage.from("?"))
                .toolSpecifications(tools)
                .responseFormat(ResponseFormat.JSON)
                .build());
  }

  private static List<Tool> tools(LrtChatModel.Builder model, ToolSpecification... tools) {
    return question(model, tools).tools().stream()
        .map(
            t ->
                new Tool(
                    t.name(), t.description(), t.parameters().replaceAll("\\s", ""), t.strict()))
        .toList();
  }

  @Test
  void toolsAreStrictIfTheModelOrTheySaySo() {
    Tool weather = new Tool("weather", "tells it", CITY + "}", false);
    Tool strictWeather =
        new Tool("weather", "tells it", CITY + ",\"additionalProperties\":false}", true);
    Tool strictTime =
        new Tool(
            "time",
            "",
            "{\"type\":\"object\",\"properties\":{},\"required\":[],\"additionalProperties\":false}",
            true);
    assertEquals(List.of(weather, new Tool("time", "", "{}")), tools(builder(), WEATHER, TIME));
    assertEquals(
        List.of(strictWeather, strictTime), tools(builder().strictTools(true), WEATHER, TIME));
    ToolSpecification own = WEATHER.toBuilder().strict(true).build();
    assertEquals(List.of(strictWeather), tools(builder(), own));
    ToolSpecification not = WEATHER.toBuilder().strict(false).build();
    assertEquals(List.of(weather, strictTime), tools(builder().strictTools(true), not, TIME));
  }

  @Test
  void toolChoice() {
    Question asked = question(choosing(ToolChoice.REQUIRED), WEATHER);
    assertEquals(io.lrt4j.ToolChoice.REQUIRED, asked.toolChoice());
    assertEquals(1, asked.tools().size());
    asked = question(choosing(ToolChoice.AUTO), WEATHER);
    assertEquals(io.lrt4j.ToolChoice.AUTO, asked.toolChoice());
    assertEquals(1, asked.tools().size());
    assertEquals(List.of(), question(choosing(ToolChoice.NONE), WEATHER).tools());
    var thrown =
        assertThrows(InvalidRequestException.class, () -> question(choosing(ToolChoice.REQUIRED)));
    assertEquals("a tool must be called, but the question offers none", thrown.getMessage());
  }

  @Test
  void toolsBesideAResponseFormat() {
    Question question = question(builder(), WEATHER);
    assertEquals(1, question.tools().size());
    assertEquals("{\"type\":\"object\"}", question.options().jsonSchema());
    Set<Capability> capabilities = Set.of(Capability.RESPONSE_FORMAT_JSON_SCHEMA);
    assertEquals(capabilities, builder().build().supportedCapabilities());
    assertEquals(
        capabilities,
        LrtStreamingChatModel.builder().engine(Knowing.engine()).build().supportedCapabilities());
  }
}
