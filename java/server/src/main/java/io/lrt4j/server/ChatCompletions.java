package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.helidon.http.sse.SseEvent;
import io.helidon.webserver.sse.SseSink;
import io.lrt4j.Answer;
import io.lrt4j.FinishReason;
import io.lrt4j.Token;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** {@code /v1/chat/completions}: a conversation, and the model's next message. */
final class ChatCompletions {
  private static final byte[] DONE = "[DONE]".getBytes(java.nio.charset.StandardCharsets.UTF_8);

  private final Desk desk;
  private final Connections connections;
  private final Model model;
  private final int maxMessages;

  ChatCompletions(Desk desk, Connections connections, Model model, int maxMessages) {
    this.desk = desk;
    this.connections = connections;
    this.model = model;
    this.maxMessages = maxMessages;
  }

  void handle(Exchange exchange) throws InterruptedException {
    ChatRequest request = ChatRequest.of(exchange.body(connections), maxMessages);
    model.check(request.model());
    Desk.Job job = desk.submit(request.question(), request.count());
    try (var _ = connections.limit(desk.timeLimit().plus(Exchange.READ_LIMIT))) {
      exchange.watch(connections.watch(job::gone));
      new Reply(exchange, request).run(job);
    } finally {
      job.cancel();
    }
  }

  /** One request's answers on their way. */
  private final class Reply {
    private final Exchange exchange;
    private final ChatRequest request;
    private final String id;
    private final long created = Instant.now().getEpochSecond();
    private final @Nullable Answer[] answers;
    private @Nullable SseSink stream; // once there is something to send

    Reply(Exchange exchange, ChatRequest request) {
      this.exchange = exchange;
      this.request = request;
      id = "chatcmpl-" + exchange.id();
      answers = new Answer[request.count()];
    }

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
            case Desk.Event.Failed(Throwable thrown) -> throw thrownOnDesk(thrown);
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

    private void wrote(int index, Token token) {
      if (!request.stream() || token.text().isEmpty()) {
        return;
      }
      boolean thinking = token.phase() == Token.Phase.REASONING;
      ObjectNode chunk = chunk();
      choice(chunk, index)
          .putObject("delta")
          .put(thinking ? "reasoning_content" : "content", token.text());
      emit(chunk);
    }

    private void done(int index, Answer answer) {
      if (answer.finishReason() == FinishReason.CANCELLED) {
        throw ApiException.unavailable("the answer was ended by the server");
      }
      answers[index] = answer;
      if (request.stream()) {
        ObjectNode chunk = chunk();
        ObjectNode choice = choice(chunk, index);
        choice.putObject("delta");
        choice.put("finish_reason", Replies.finishReason(answer));
        choice.set("lrt", Replies.lrt(answer));
        emit(chunk);
      }
    }

    private void end() {
      List<Answer> all = Arrays.stream(answers).map(Objects::requireNonNull).toList();
      exchange.note(Notes.of(all));
      if (!request.stream()) {
        ObjectNode completion = head("chat.completion");
        var choices = completion.putArray("choices");
        for (int i = 0; i < all.size(); i++) {
          Answer answer = all.get(i);
          ObjectNode choice = choices.addObject().put("index", i);
          ObjectNode message = choice.putObject("message");
          message.put("role", "assistant").put("content", answer.text());
          if (!answer.reasoning().isEmpty()) {
            message.put("reasoning_content", answer.reasoning());
          }
          message.putNull("refusal");
          choice.putNull("logprobs").put("finish_reason", Replies.finishReason(answer));
          choice.set("lrt", Replies.lrt(answer));
        }
        completion.set("usage", Replies.usage(all));
        exchange.send(completion);
        return;
      }
      if (request.includeUsage()) {
        ObjectNode last = head("chat.completion.chunk");
        last.putArray("choices");
        last.set("usage", Replies.usage(all));
        emit(last);
      }
      SseSink open = stream();
      open.emit(SseEvent.create(DONE));
      open.close();
    }

    private ObjectNode head(String object) {
      return Json.object()
          .put("id", id)
          .put("object", object)
          .put("created", created)
          .put("model", model.name())
          .put("system_fingerprint", model.fingerprint());
    }

    private ObjectNode chunk() {
      ObjectNode chunk = head("chat.completion.chunk");
      chunk.putArray("choices");
      if (request.includeUsage()) {
        chunk.putNull("usage");
      }
      return chunk;
    }

    private static ObjectNode choice(ObjectNode chunk, int index) {
      return chunk
          .withArray("choices")
          .addObject()
          .put("index", index)
          .putNull("logprobs")
          .putNull("finish_reason");
    }

    private void emit(ObjectNode json) {
      stream().emit(SseEvent.create(Json.bytes(json)));
    }

    /** The stream, which begins by saying whose turns these are. */
    private SseSink stream() {
      SseSink open = stream;
      if (open == null) {
        open = exchange.response().sink(SseSink.TYPE);
        stream = open;
        exchange.status(200);
        for (int i = 0; i < answers.length; i++) {
          ObjectNode chunk = chunk();
          choice(chunk, i).putObject("delta").put("role", "assistant").put("content", "");
          emit(chunk);
        }
      }
      return open;
    }
  }

  private static ApiException thrownOnDesk(Throwable thrown) {
    ApiException e = ApiException.of(thrown);
    if (e != thrown) {
      e.initCause(thrown);
    }
    return e;
  }
}
