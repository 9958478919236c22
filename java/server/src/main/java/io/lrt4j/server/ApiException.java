package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.CacheMemoryException;
import io.lrt4j.LrtException;
import io.lrt4j.OverloadedException;
import io.lrt4j.QuestionException;
import io.lrt4j.QuestionTooLongException;
import io.lrt4j.TemplateException;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/** What a client is told instead of an answer, in OpenAI's form. */
final class ApiException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** Seconds after which it makes sense to come again. */
  static final int RETRY_SECONDS = 1;

  private final int status;
  private final String type;
  private final @Nullable String param;
  private final @Nullable String code;

  /**
   * @param status of HTTP
   * @param type OpenAI's kind of error
   * @param param the field of the request that it is about, if it is about one
   * @param code OpenAI's name of the error, if there is one
   */
  private ApiException(
      int status, String type, @Nullable String param, @Nullable String code, String message) {
    super(message);
    this.status = status;
    this.type = type;
    this.param = param;
    this.code = code;
  }

  /** The request is wrong at {@code param}. */
  static ApiException invalid(@Nullable String param, String message) {
    return new ApiException(400, "invalid_request_error", param, null, message);
  }

  /** The request asks for something that is not run here. */
  static ApiException unsupported(String param, String message) {
    return new ApiException(400, "invalid_request_error", param, "unsupported_parameter", message);
  }

  /** A wrong request, with OpenAI's name for what is wrong. */
  static ApiException refused(
      int status, @Nullable String param, @Nullable String code, String message) {
    return new ApiException(status, "invalid_request_error", param, code, message);
  }

  static ApiException full(String message) {
    return new ApiException(429, "rate_limit_error", null, "queue_full", message);
  }

  static ApiException unavailable(String message) {
    return new ApiException(503, "server_error", null, "unavailable", message);
  }

  static ApiException timeout(String message) {
    return new ApiException(504, "server_error", null, "timeout", message);
  }

  /**
   * What an exception of the engine means to a client.
   *
   * @param param the field of the request that a question was refused for
   */
  static ApiException of(Throwable thrown, Function<QuestionException, @Nullable String> param) {
    return switch (thrown) {
      case ApiException e -> e;
      case QuestionTooLongException e ->
          refused(400, param.apply(e), "context_length_exceeded", said(e));
      case QuestionException e -> invalid(param.apply(e), said(e));
      case TemplateException e -> invalid("messages", said(e));
      case OverloadedException e -> full(said(e));
      case CacheMemoryException e -> unavailable(said(e));
      case LrtException e -> new ApiException(500, "server_error", null, null, said(e));
      default -> new ApiException(500, "server_error", null, null, "internal error");
    };
  }

  private static String said(LrtException e) {
    return String.valueOf(e.getMessage());
  }

  int status() {
    return status;
  }

  /** Whether the same request may succeed later. */
  boolean retryable() {
    return status == 429 || status == 503;
  }

  ObjectNode json() {
    ObjectNode error = Json.object();
    error
        .putObject("error")
        .put("message", getMessage())
        .put("type", type)
        .put("param", param)
        .put("code", code);
    return error;
  }
}
