package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.FloatNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.QuestionException;
import io.lrt4j.Scores;
import io.lrt4j.Token;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

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
    Scores[] scores = new Scores[request.prompts().size()];
    Desk.Job job =
        desk.submit(
            request.call(model.engine(), scores), request.manner().count(), request.countField());
    try (var _ = connections.limit(desk.timeLimit().plus(Exchange.READ_LIMIT))) {
      exchange.watch(connections.watch(job::gone));
      new Reply(exchange, model, new Words(request, scores, model.engine()), request.manner())
          .run(job);
    } finally {
      job.cancel();
    }
  }

  /**
   * What follows prompts.
   *
   * @param scores of the prompts, there once their answers are, if they are wanted
   */
  @SuppressWarnings("ArrayRecordComponent") // it is filled while answers are written
  private record Words(TextRequest request, @Nullable Scores[] scores, Engine engine)
      implements Form {
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
      choice.put("text", echoed(choice));
      return request.echo();
    }

    @Override
    public boolean echoes() {
      return request.echo();
    }

    /** What comes before a choice's answer. */
    private String echoed(ObjectNode choice) {
      return request.echo() ? request.prompts().get(prompt(choice)).text() : "";
    }

    private int prompt(ObjectNode choice) {
      return choice.path("index").intValue() / request.manner().each();
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
      choice.put("text", echoed(choice) + answer.text());
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
      boolean told = request.options().topLogprobs() > 0;
      int at = offset;
      for (Logprobs.Entry entry : withEcho(entries, prompt(choice))) {
        tokens.add(entry.token());
        boolean first = Float.isNaN(entry.logprob()); // nothing is before it
        if (first) {
          values.addNull();
        } else {
          values.add(entry.logprob());
        }
        if (told && first) {
          tops.addNull();
        } else if (told) {
          top(tops.addObject(), entry);
        }
        offsets.add(at);
        at += entry.token().length();
      }
      if (tops.isEmpty()) {
        logprobs.putNull("top_logprobs");
      }
    }

    /**
     * By their texts, which may be the same of several parts of characters: the best one counts.
     */
    private static void top(ObjectNode top, Logprobs.Entry entry) {
      for (Logprobs.Entry one : entry.top()) {
        top.putIfAbsent(one.token(), FloatNode.valueOf(one.logprob()));
      }
      top.putIfAbsent(entry.token(), FloatNode.valueOf(entry.logprob()));
    }

    private List<Logprobs.Entry> withEcho(List<Logprobs.Entry> entries, int prompt) {
      Scores of = scores[prompt];
      if (of == null) {
        return entries;
      }
      List<Logprobs.Entry> all =
          new ArrayList<>(Logprobs.of(request.prompts().get(prompt).ids(), of, engine));
      all.addAll(entries);
      return all;
    }
  }
}
