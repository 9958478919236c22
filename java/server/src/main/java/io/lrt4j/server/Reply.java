package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.helidon.http.HeaderNames;
import io.helidon.http.sse.SseEvent;
import io.helidon.webserver.sse.SseSink;
import io.lrt4j.Answer;
import io.lrt4j.Token;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Sends one request's answers, whole or as they come. */
final class Reply {
  private static final byte[] DONE = "[DONE]".getBytes(StandardCharsets.UTF_8);

  private static final String EVENTS = "text/event-stream; charset=utf-8";

  /**
   * How they are wanted.
   *
   * @param prompts that are answered
   * @param each answers to each of them
   * @param stream whether to send tokens as they come
   * @param includeUsage whether a stream ends with the usage
   * @param logprobs whether log-probabilities come with them
   */
  record Manner(int prompts, int each, boolean stream, boolean includeUsage, boolean logprobs) {
    /** Of several prompts. */
    Manner to(int prompts) {
      return new Manner(prompts, each, stream, includeUsage, logprobs);
    }

    /** Answers, those to the same prompt side by side. */
    int count() {
      return prompts * each;
    }
  }

  private final Exchange exchange;
  private final Model model;
  private final Form form;
  private final Manner manner;
  private final String id;
  private final long created = Instant.now().getEpochSecond();
  private final @Nullable Answer[] answers;
  private final Logprobs @Nullable [] logprobs;
  private @Nullable SseSink stream; // once there is something to send

  Reply(Exchange exchange, Model model, Form form, Manner manner) {
    this.exchange = exchange;
    this.model = model;
    this.form = form;
    this.manner = manner;
    id = form.idPrefix() + exchange.id();
    answers = new Answer[manner.count()];
    logprobs = manner.logprobs ? new Logprobs[manner.count()] : null;
    if (logprobs != null) {
      Arrays.setAll(logprobs, i -> new Logprobs(model.engine()));
    }
  }

  /** Sends what {@code job} says, until it has said all. */
  void run(Desk.Job job) throws InterruptedException {
    int left = answers.length;
    try {
      while (left > 0) {
        switch (job.next()) {
          case Desk.Event.Wrote(int index, Token token) -> wrote(index, token);
          case Desk.Event.Done(int index, Answer answer) -> {
            done(index, answer);
            left--;
          }
          case Desk.Event.Failed(Throwable thrown) -> throw failed(thrown);
          case Desk.Event.Gone() -> throw new ClientGoneException();
        }
      }
      end();
    } catch (ApiException e) {
      if (stream == null) {
        throw e;
      }
      exchange.status(e.status());
      emit(e.json()); // too late for a status
      stream.close();
    }
  }

  private ApiException failed(Throwable thrown) {
    ApiException e = ApiException.of(thrown, form::param);
    if (e != thrown) {
      e.initCause(thrown);
    }
    return e;
  }

  private void wrote(int index, Token token) {
    exchange.firstToken();
    if (logprobs != null) {
      logprobs[index].add(token);
    }
    if (!manner.stream || (token.text().isEmpty() && token.toolCalls().isEmpty())) {
      return;
    }
    ObjectNode piece = piece();
    ObjectNode choice = choice(piece, index);
    form.piece(choice, token);
    if (logprobs != null && token.phase() == Token.Phase.ANSWER) {
      int offset = logprobs[index].offset();
      form.logprobs(choice, logprobs[index].take(), offset);
    }
    emit(piece);
  }

  private void done(int index, Answer answer) {
    switch (answer.finishReason()) {
      case CANCELLED -> throw ApiException.unavailable("the answer was ended by the server");
      case TIMEOUT -> throw ApiException.timeout("the answer took longer than its time limit");
      case STOP, LENGTH -> {}
    }
    answers[index] = answer;
    if (manner.stream) {
      ObjectNode piece = piece();
      ObjectNode choice = choice(piece, index);
      form.end(choice, answer);
      lastLogprobs(choice, index, answer);
      finish(choice, answer);
      emit(piece);
    }
  }

  private void lastLogprobs(ObjectNode choice, int index, Answer answer) {
    if (logprobs != null) {
      int offset = logprobs[index].offset();
      List<Logprobs.Entry> last =
          form.echoes() ? logprobs[index].take() : logprobs[index].takeLast(answer);
      if (!last.isEmpty() || !manner.stream) {
        form.logprobs(choice, last, offset);
      }
    }
  }

  private static void finish(ObjectNode choice, Answer answer) {
    if (choice.path("finish_reason").isNull()) {
      choice.put("finish_reason", Replies.finishReason(answer));
    }
    choice.set("lrt", Replies.lrt(answer));
  }

  private void end() {
    List<Answer> all = Arrays.stream(answers).map(Objects::requireNonNull).toList();
    exchange.answered(all, manner.each);
    if (!manner.stream) {
      ObjectNode whole = head(form.wholeObject());
      whole.putArray("choices");
      for (int i = 0; i < all.size(); i++) {
        ObjectNode choice = choice(whole, i);
        form.whole(choice, all.get(i));
        lastLogprobs(choice, i, all.get(i));
        finish(choice, all.get(i));
      }
      whole.set("usage", Replies.usage(all, manner.each));
      exchange.send(whole);
      return;
    }
    if (manner.includeUsage) {
      ObjectNode last = head(form.pieceObject());
      last.putArray("choices");
      last.set("usage", Replies.usage(all, manner.each));
      emit(last);
    }
    emit(DONE);
    stream().close();
  }

  private ObjectNode head(String object) {
    return Json.object()
        .put("id", id)
        .put("object", object)
        .put("created", created)
        .put("model", model.name())
        .put("system_fingerprint", model.fingerprint());
  }

  private ObjectNode piece() {
    ObjectNode piece = head(form.pieceObject());
    piece.putArray("choices");
    if (manner.includeUsage) {
      piece.putNull("usage");
    }
    return piece;
  }

  private static ObjectNode choice(ObjectNode of, int index) {
    return of.withArray("choices")
        .addObject()
        .put("index", index)
        .putNull("logprobs")
        .putNull("finish_reason");
  }

  private void emit(ObjectNode json) {
    emit(Json.bytes(json));
  }

  /** With the space behind "data:" that may be left out: there are clients that count on it. */
  private void emit(byte[] data) {
    byte[] spaced = new byte[data.length + 1];
    spaced[0] = ' ';
    System.arraycopy(data, 0, spaced, 1, data.length);
    stream().emit(SseEvent.create(spaced));
  }

  /** The stream, which begins by saying whose turns these are. */
  private SseSink stream() {
    SseSink open = stream;
    if (open == null) {
      exchange.response().header(HeaderNames.CONTENT_TYPE, EVENTS);
      open = exchange.response().sink(SseSink.TYPE);
      stream = open;
      exchange.status(200);
      for (int i = 0; i < answers.length; i++) {
        ObjectNode piece = piece();
        if (form.begin(choice(piece, i))) {
          emit(piece);
        }
      }
    }
    return open;
  }
}
