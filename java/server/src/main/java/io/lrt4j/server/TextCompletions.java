package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Answer;
import io.lrt4j.QuestionException;
import io.lrt4j.Token;
import java.util.List;

/** {@code /v1/completions}: a text, and what follows it, without a chat template. */
final class TextCompletions {
  private final Desk desk;
  private final Connections connections;
  private final Model model;

  TextCompletions(Desk desk, Connections connections, Model model) {
    this.desk = desk;
    this.connections = connections;
    this.model = model;
  }

  void handle(Exchange exchange) throws InterruptedException {
    TextRequest request = TextRequest.of(exchange.body(connections), model.engine());
    model.check(request.model());
    Desk.Job job =
        desk.submit(request.call(model.engine()), request.manner().count(), request.countField());
    try (var _ = connections.limit(desk.timeLimit().plus(Exchange.READ_LIMIT))) {
      exchange.watch(connections.watch(job::gone));
      new Reply(exchange, model, new Words(), request.manner()).run(job);
    } finally {
      job.cancel();
    }
  }

  private static final class Words implements Form {
    @Override
    public String idPrefix() {
      return "cmpl-";
    }

    @Override
    public String wholeObject() {
      return "text_completion";
    }

    @Override
    public String pieceObject() {
      return "text_completion";
    }

    @Override
    public boolean begin(ObjectNode choice) {
      return false;
    }

    @Override
    public void piece(ObjectNode choice, Token token) {
      choice.put("text", token.text());
    }

    @Override
    public void end(ObjectNode choice, Answer answer) {
      choice.put("text", "");
    }

    @Override
    public void whole(ObjectNode choice, Answer answer) {
      choice.put("text", answer.text());
    }

    @Override
    public String param(QuestionException e) {
      return "prompt";
    }

    @Override
    public void logprobs(ObjectNode choice, List<Logprobs.Entry> entries, int offset) {
      ObjectNode logprobs = choice.putObject("logprobs");
      ArrayNode tokens = logprobs.putArray("tokens");
      ArrayNode values = logprobs.putArray("token_logprobs");
      ArrayNode tops = logprobs.putArray("top_logprobs");
      ArrayNode offsets = logprobs.putArray("text_offset");
      int at = offset;
      for (Logprobs.Entry entry : entries) {
        tokens.add(entry.token());
        values.add(entry.logprob());
        if (!entry.top().isEmpty()) {
          ObjectNode top = tops.addObject();
          entry.top().forEach(t -> top.put(t.token(), t.logprob()));
          top.put(entry.token(), entry.logprob());
        }
        offsets.add(at);
        at += entry.token().length();
      }
      if (tops.isEmpty()) {
        logprobs.putNull("top_logprobs");
      }
    }
  }
}
