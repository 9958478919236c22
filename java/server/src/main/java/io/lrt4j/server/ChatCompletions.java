package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Answer;
import io.lrt4j.Token;
import java.util.List;

/** {@code /v1/chat/completions}: a conversation, and the model's next message. */
final class ChatCompletions {
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
    ChatRequest request =
        ChatRequest.of(exchange.body(connections), maxMessages, model.engine().defaultOptions());
    model.check(request.model());
    Desk.Job job =
        desk.submit(
            request.call(model.engine()),
            request.question().optionsOver(model.engine().defaultOptions()).seed(),
            request.manner().count());
    try (var _ = connections.limit(desk.timeLimit().plus(Exchange.READ_LIMIT))) {
      exchange.watch(connections.watch(job::gone));
      new Reply(exchange, model, new Messages(), request.manner()).run(job);
    } finally {
      job.cancel();
    }
  }

  private static final class Messages implements Form {
    @Override
    public String idPrefix() {
      return "chatcmpl-";
    }

    @Override
    public String wholeObject() {
      return "chat.completion";
    }

    @Override
    public String pieceObject() {
      return "chat.completion.chunk";
    }

    @Override
    public boolean begin(ObjectNode choice) {
      choice.putObject("delta").put("role", "assistant").put("content", "");
      return true;
    }

    @Override
    public void piece(ObjectNode choice, Token token) {
      boolean thinking = token.phase() == Token.Phase.REASONING;
      choice.putObject("delta").put(thinking ? "reasoning_content" : "content", token.text());
    }

    @Override
    public void end(ObjectNode choice, Answer answer) {
      choice.putObject("delta");
    }

    @Override
    public void whole(ObjectNode choice, Answer answer) {
      ObjectNode message = choice.putObject("message");
      message.put("role", "assistant").put("content", answer.text());
      if (!answer.reasoning().isEmpty()) {
        message.put("reasoning_content", answer.reasoning());
      }
      message.putNull("refusal");
    }

    @Override
    public void logprobs(ObjectNode choice, List<Logprobs.Entry> entries, int offset) {
      ObjectNode logprobs = choice.putObject("logprobs");
      ArrayNode content = logprobs.putArray("content");
      for (Logprobs.Entry entry : entries) {
        put(content.addObject(), entry);
      }
      logprobs.putNull("refusal");
    }

    private static void put(ObjectNode node, Logprobs.Entry entry) {
      node.put("token", entry.token()).put("logprob", entry.logprob());
      node.putArray("top_logprobs");
      byte[] bytes = entry.bytes();
      if (bytes == null) {
        node.putNull("bytes");
        return;
      }
      ArrayNode array = node.putArray("bytes");
      for (byte b : bytes) {
        array.add(b & 0xff);
      }
    }
  }
}
