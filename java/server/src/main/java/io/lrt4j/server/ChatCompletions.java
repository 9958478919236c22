package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Answer;
import io.lrt4j.FinishReason;
import io.lrt4j.QuestionException;
import io.lrt4j.Token;
import io.lrt4j.ToolChoice;
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
    Desk.Job job = desk.submit(request.call(model.engine()), request.manner().count(), "n");
    try (var _ = connections.limit(desk.timeLimit().plus(Exchange.READ_LIMIT))) {
      exchange.watch(connections.watch(job::gone));
      Form form = new Said(exchange.id(), request);
      new Reply(exchange, model, form, request.manner()).run(job);
    } finally {
      job.cancel();
    }
  }

  private static final class Said implements Form {
    private final String id;
    private final int[] calls; // of each choice, that were sent
    private final String modeField;
    private final boolean named; // the one function that is to be called

    Said(String id, ChatRequest request) {
      this.id = id;
      modeField = request.modeField();
      ToolChoice choice = request.question().toolChoice();
      named = choice.required() && choice.names().size() == 1;
      calls = new int[request.manner().count()];
    }

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
    public boolean echoes() {
      return false;
    }

    @Override
    public void piece(ObjectNode choice, Token token) {
      boolean thinking = token.phase() == Token.Phase.REASONING;
      ObjectNode delta = choice.putObject("delta");
      if (!token.text().isEmpty()) {
        delta.put(thinking ? "reasoning_content" : "content", token.text());
      }
      int index = choice.path("index").intValue();
      Tools.put(delta, token.toolCalls(), id, index, calls[index], true);
      calls[index] += token.toolCalls().size();
    }

    @Override
    public void end(ObjectNode choice, Answer answer) {
      choice.putObject("delta");
      endNamed(choice, answer);
    }

    /** As OpenAI's API says it: a call that was asked for is no reason to end of its own. */
    private void endNamed(ObjectNode choice, Answer answer) {
      if (named && answer.finishReason() == FinishReason.STOP) {
        choice.put("finish_reason", "stop");
      }
    }

    @Override
    public void whole(ObjectNode choice, Answer answer) {
      ObjectNode message = choice.putObject("message");
      message.put("role", "assistant").put("content", answer.text());
      if (!answer.reasoning().isEmpty()) {
        message.put("reasoning_content", answer.reasoning());
      }
      if (!answer.toolCalls().isEmpty()) {
        if (answer.text().isEmpty()) {
          message.putNull("content");
        }
        Tools.put(message, answer.toolCalls(), id, choice.path("index").intValue(), 0, false);
      }
      message.putNull("refusal");
      endNamed(choice, answer);
    }

    @Override
    public String param(QuestionException e) {
      return switch (e.part()) {
        case null -> "messages";
        case MODE -> modeField;
        case TOOLS -> "tools";
        case JSON_SCHEMA -> "response_format";
      };
    }

    @Override
    public void logprobs(ObjectNode choice, List<Logprobs.Entry> entries, int offset) {
      ObjectNode logprobs = choice.putObject("logprobs");
      ArrayNode content = logprobs.putArray("content");
      for (Logprobs.Entry entry : entries) {
        ObjectNode node = content.addObject();
        put(node, entry);
        ArrayNode top = node.putArray("top_logprobs");
        entry.top().forEach(t -> put(top.addObject(), t));
      }
      logprobs.putNull("refusal");
    }

    private static void put(ObjectNode node, Logprobs.Entry entry) {
      node.put("token", entry.token()).put("logprob", entry.logprob());
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
