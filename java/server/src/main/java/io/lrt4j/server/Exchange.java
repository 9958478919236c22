package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.helidon.http.HeaderNames;
import io.helidon.http.HeaderValues;
import io.helidon.http.Method;
import io.helidon.http.RequestException;
import io.helidon.http.Status;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.http.ServerRequest;
import io.helidon.webserver.http.ServerResponse;
import io.lrt4j.Answer;
import java.io.IOException;
import java.io.InputStream;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.HexFormat;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One request and what becomes of it. */
final class Exchange {
  /** In the access log only: the client went away before its answer (nginx's number for it). */
  static final int CLIENT_CLOSED = 499;

  /** What a client may take to send a request's body. */
  private static final Duration SEND_LIMIT = Duration.ofSeconds(30);

  /** What a client may take to read an answer that has reached its time limit. */
  static final Duration READ_LIMIT = Duration.ofSeconds(30);

  private static final SecureRandom RANDOM = new SecureRandom();

  private final ServerRequest request;
  private final ServerResponse response;
  private final String id;
  private final long start = System.nanoTime();
  private int status;
  private List<Answer> answers = List.of();
  private int each = 1; // of them, to a prompt
  private long firstToken; // nanoseconds after the start; 0 before
  private Connections.@Nullable Watch watch;

  Exchange(ServerRequest request, ServerResponse response) {
    this.request = request;
    this.response = response;
    byte[] random = new byte[12];
    RANDOM.nextBytes(random);
    id = HexFormat.of().formatHex(random);
    response.header(HeaderNames.create("x-request-id"), id);
  }

  /** Its name in answers and in the log. */
  String id() {
    return id;
  }

  ServerRequest request() {
    return request;
  }

  Method method() {
    return request.prologue().method();
  }

  ServerResponse response() {
    return response;
  }

  /** The body, which the web server keeps below its limit. */
  ObjectNode body(Connections connections) {
    byte[] bytes;
    try (var _ = connections.limit(SEND_LIMIT);
        InputStream in = request.content().inputStream()) {
      bytes = in.readAllBytes();
    } catch (RequestException e) {
      if (e.status().code() == 413) {
        throw e;
      }
      throw noSoundBody();
    } catch (NumberFormatException e) { // of a chunk's size
      throw noSoundBody();
    } catch (IOException | RuntimeException e) {
      throw new CloseConnectionException("the request broke off", e);
    }
    return Json.parse(bytes);
  }

  /** Where the next request would begin is not known, so there is none. */
  private ApiException noSoundBody() {
    response.header(HeaderValues.CONNECTION_CLOSE);
    return ApiException.invalid(
        null,
        "the body's chunks cannot be read: expected their sizes in hexadecimal, without extensions,"
            + " and nothing behind the last");
  }

  /** The status of an answer that is sent elsewhere. */
  void status(int status) {
    this.status = status;
  }

  int status() {
    return status;
  }

  /** The answers that were given, {@code each} to a prompt. */
  void answered(List<Answer> answers, int each) {
    this.answers = answers;
    this.each = each;
  }

  /** Its first token is there. */
  void firstToken() {
    if (firstToken == 0) {
      firstToken = System.nanoTime() - start;
    }
  }

  /** Tells what became of it; to be called at its end. */
  void report(Metrics metrics, String path) {
    String mode = answers.isEmpty() ? "none" : Replies.mode(answers.getFirst());
    metrics.requested(path, mode, status, System.nanoTime() - start);
    if (firstToken != 0) {
      metrics.firstToken(firstToken);
    }
    if (!answers.isEmpty()) {
      metrics.answered(answers, each);
    }
  }

  /** One that looks after the connection from now on; see {@link Connections.Watch#awaitNext}. */
  void watch(Connections.Watch watch) {
    this.watch = watch;
  }

  Connections.@Nullable Watch watch() {
    return watch;
  }

  /**
   * Whether nothing can be said any more: an answer has begun and cannot go on, or nobody is there.
   */
  boolean isLost() {
    return response.isSent() || (watch != null && watch.isGone());
  }

  void send(JsonNode json) {
    send(200, json);
  }

  void send(int code, JsonNode json) {
    status = code;
    response.status(Status.create(code));
    transmit("application/json", Json.bytes(json));
  }

  /** Something that is not JSON. */
  void send(String contentType, byte[] content) {
    status = 200;
    transmit(contentType, content);
  }

  /** Has a browser give the answer to a page of another origin, which has been let in. */
  void letPagesRead() {
    if (request.headers().contains(HeaderNames.ORIGIN)) {
      response.header(HeaderNames.ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    }
  }

  /** That these methods are allowed, and to pages all headers. */
  void sendNothing(String allowed) {
    status = 204;
    if (request.headers().contains(HeaderNames.ORIGIN)) {
      response
          .header(HeaderNames.ACCESS_CONTROL_ALLOW_METHODS, allowed)
          .header(HeaderNames.ACCESS_CONTROL_ALLOW_HEADERS, "authorization, *"); // * has it not
    }
    response.status(Status.NO_CONTENT_204).header(HeaderNames.ALLOW, allowed).send();
  }

  /** To HEAD, all but the content itself. */
  private void transmit(String contentType, byte[] content) {
    response.header(HeaderNames.CONTENT_TYPE, contentType);
    if (method().equals(Method.HEAD)) {
      response.header(HeaderNames.CONTENT_LENGTH, Integer.toString(content.length)).send();
    } else {
      response.send(content);
    }
  }

  void send(ApiException error) {
    if (error.retryable()) {
      response.header(HeaderNames.RETRY_AFTER, Integer.toString(ApiException.RETRY_SECONDS));
    }
    send(error.status(), error.json());
  }

  /** One line of the access log. */
  String line() {
    String path = request.prologue().uriPath().path();
    return id
        + " "
        + request.remotePeer().host()
        + " "
        + method().text()
        + " "
        + Fields.shown(path).replaceAll("[\\p{C}\\p{Zl}\\p{Zp}]", "?")
        + " "
        + status
        + " "
        + (System.nanoTime() - start) / 1_000_000
        + " ms"
        + Notes.of(answers, each);
  }
}
