package io.lrt4j.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.internal.Json;
import dev.langchain4j.internal.JsonSchemaElementUtils;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.lrt4j.Answer;
import io.lrt4j.CacheMemoryException;
import io.lrt4j.Engine;
import io.lrt4j.LrtException;
import io.lrt4j.OverloadedException;
import io.lrt4j.Question;
import io.lrt4j.QuestionException;
import io.lrt4j.Role;
import io.lrt4j.TemplateException;
import io.lrt4j.Tool;
import io.lrt4j.ToolCall;
import io.lrt4j.ToolChoice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * What both chat models have in common: the engine, the defaults, and both directions of
 * translation.
 *
 * @param defaults what a request does not set
 * @param returnThinking whether the thinking comes with the answer
 * @param strictTools whether tools are strict that do not say it themselves
 */
record Asking(
    Engine engine,
    String modelName,
    LrtChatRequestParameters defaults,
    List<ChatModelListener> listeners,
    boolean returnThinking,
    boolean strictTools) {

  static Asking of(ModelBuilder<?> builder) {
    Engine engine =
        Objects.requireNonNull(builder.engine, "a model needs an engine: call engine(…)");
    Path directory = engine.model().toAbsolutePath().normalize().getFileName();
    String byDefault = directory == null ? "lrt" : directory.toString();
    String name = builder.modelName == null ? byDefault : builder.modelName;
    LrtChatRequestParameters defaults = builder.parameters.build();
    Asking asking =
        new Asking(
            engine,
            name,
            defaults,
            List.copyOf(builder.listeners),
            builder.returnThinking,
            builder.strictTools);
    asking.checkSupported(defaults);
    return asking;
  }

  /** A request in the engine's terms. */
  Question question(ChatRequest request) {
    LrtChatRequestParameters parameters = defaults.overrideWith(request.parameters());
    checkSupported(parameters);
    Question question = Question.of(request.messages().stream().map(Asking::message).toList());
    try {
      return tools(options(question, parameters), parameters);
    } catch (QuestionException e) {
      throw translated(e);
    }
  }

  private Question tools(Question question, LrtChatRequestParameters parameters) {
    List<Tool> tools = parameters.toolSpecifications().stream().map(this::tool).toList();
    return switch (parameters.toolChoice()) {
      case NONE -> question;
      case REQUIRED -> question.tools(tools, ToolChoice.REQUIRED);
      case AUTO -> question.tools(tools);
      case null -> question.tools(tools);
    };
  }

  private static Question options(Question from, LrtChatRequestParameters parameters) {
    Question question = from.mode(parameters.mode());
    if (parameters.maxOutputTokens() != null) {
      question = question.maxTokens(parameters.maxOutputTokens());
    }
    if (parameters.temperature() != null) {
      question = question.temperature(parameters.temperature().floatValue());
    }
    if (parameters.topP() != null) {
      question = question.topP(parameters.topP().floatValue());
    }
    if (parameters.topK() != null) {
      question = question.topK(parameters.topK());
    }
    if (parameters.presencePenalty() != null) {
      question = question.presencePenalty(parameters.presencePenalty().floatValue());
    }
    if (parameters.frequencyPenalty() != null) {
      question = question.frequencyPenalty(parameters.frequencyPenalty().floatValue());
    }
    if (!parameters.stopSequences().isEmpty()) {
      question = question.stop(parameters.stopSequences().toArray(String[]::new));
    }
    ResponseFormat format = parameters.responseFormat();
    if (format != null && format.type() == ResponseFormatType.JSON) {
      question = question.jsonSchema(schema(format.jsonSchema()));
    }
    Integer budget = parameters.budget();
    if (budget != null) {
      question = question.budget(budget);
    }
    Long seed = parameters.seed();
    return seed == null ? question : question.seed(seed);
  }

  private static String schema(@Nullable JsonSchema schema) {
    return schema == null
        ? "{\"type\":\"object\"}"
        : Json.toJson(JsonSchemaElementUtils.toMap(schema.rootElement()));
  }

  /** Refuses by name what is not done here. */
  private void checkSupported(ChatRequestParameters parameters) {
    String asked = parameters.modelName();
    if (asked != null && !asked.equals(modelName)) {
      throw unsupported("modelName " + asked + ": the engine has " + modelName);
    }
  }

  private static UnsupportedFeatureException unsupported(String what) {
    return new UnsupportedFeatureException("not supported by lrt4j: " + what);
  }

  private static Question.Message message(ChatMessage message) {
    return switch (message) {
      case SystemMessage m -> new Question.Message(Role.SYSTEM, m.text());
      case UserMessage m -> new Question.Message(Role.USER, text(m.contents()));
      case AiMessage m ->
          new Question.Message(
              Role.ASSISTANT,
              Objects.requireNonNullElse(m.text(), ""),
              m.toolExecutionRequests().stream()
                  .map(r -> new ToolCall(r.name(), r.arguments()))
                  .toList());
      case ToolExecutionResultMessage m -> new Question.Message(Role.TOOL, m.text());
      default -> throw unsupported("messages of type " + message.type());
    };
  }

  private Tool tool(ToolSpecification specification) {
    Boolean own = specification.strict();
    boolean strict = own == null ? strictTools : own;
    return new Tool(
        specification.name(),
        Objects.requireNonNullElse(specification.description(), ""),
        parameters(specification.parameters(), strict),
        strict);
  }

  /** Of a tool's arguments; one that names none takes none if it is strict, else any. */
  private static String parameters(@Nullable JsonObjectSchema parameters, boolean strict) {
    if (!strict) {
      return parameters == null ? "{}" : Json.toJson(JsonSchemaElementUtils.toMap(parameters));
    }
    JsonObjectSchema named = parameters == null ? JsonObjectSchema.builder().build() : parameters;
    Map<String, Object> schema = new LinkedHashMap<>(JsonSchemaElementUtils.toMap(named));
    schema.put("additionalProperties", Boolean.TRUE.equals(named.additionalProperties()));
    return Json.toJson(schema);
  }

  /**
   * A call in LangChain4j's terms.
   *
   * @param id of the answer
   * @param index of the call in it
   */
  static ToolExecutionRequest request(ToolCall call, String id, int index) {
    return ToolExecutionRequest.builder()
        .id(id + "-call-" + index)
        .name(call.name())
        .arguments(call.arguments())
        .build();
  }

  private static String text(List<Content> contents) {
    List<String> texts = new ArrayList<>();
    for (Content content : contents) {
      if (!(content instanceof TextContent text)) {
        throw unsupported(content.type().name().toLowerCase(Locale.ROOT) + " content");
      }
      texts.add(text.text());
    }
    return String.join("\n", texts);
  }

  /** What an answer is called. */
  static String newId() {
    return "lrt-" + UUID.randomUUID();
  }

  /** An answer in LangChain4j's terms. */
  ChatResponse response(Answer answer, String id) {
    String thinking = returnThinking && !answer.reasoning().isEmpty() ? answer.reasoning() : null;
    List<ToolCall> calls = answer.toolCalls();
    return ChatResponse.builder()
        .aiMessage(
            AiMessage.builder()
                .text(calls.isEmpty() || !answer.text().isEmpty() ? answer.text() : null)
                .thinking(thinking)
                .toolExecutionRequests(
                    IntStream.range(0, calls.size())
                        .mapToObj(i -> request(calls.get(i), id, i))
                        .toList())
                .build())
        .metadata(LrtChatResponseMetadata.of(answer, modelName, id))
        .build();
  }

  /** An exception of the engine as one of LangChain4j's, which say whether to try again. */
  static RuntimeException translated(RuntimeException thrown) {
    return switch (thrown) {
      case QuestionException e -> new InvalidRequestException(e.getMessage(), e);
      case TemplateException e -> new InvalidRequestException(e.getMessage(), e);
      case OverloadedException e -> new RateLimitException(e.getMessage(), e);
      case CacheMemoryException e -> new RateLimitException(e.getMessage(), e);
      case LrtException e -> new InternalServerException(e.getMessage(), e);
      default -> thrown;
    };
  }
}
