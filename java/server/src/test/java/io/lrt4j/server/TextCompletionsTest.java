package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.openai.models.ReasoningEffort;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionTokenLogprob;
import com.openai.models.completions.Completion;
import com.openai.models.completions.CompletionCreateParams;
import com.openai.services.blocking.chat.ChatCompletionService;
import io.lrt4j.Answer;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code /v1/completions}, and log-probabilities at both endpoints. */
class TextCompletionsTest {
  private static final String PROMPT = "<|user|>Tom has 3 apples.";

  private static Served served;

  @BeforeAll
  static void start() {
    served = new Served(ServerOptions.defaults());
  }

  @AfterAll
  static void stop() {
    served.close();
  }

  private static CompletionCreateParams.Builder params() {
    return CompletionCreateParams.builder().model(Served.MODEL).prompt(PROMPT).maxTokens(6);
  }

  private static Answer alone() {
    return served.engine.generate(
        served.engine.encode(PROMPT), served.engine.defaultOptions().withMaxTokens(6));
  }

  @Test
  void continuesAText() {
    Answer expected = alone();
    Completion whole = served.client("none").completions().create(params().build());
    assertEquals(expected.text(), whole.choices().getFirst().text());
    var usage = whole.usage().orElseThrow();
    assertEquals(expected.tokens().prompt(), usage.promptTokens());
    assertEquals(expected.tokens().answer(), usage.completionTokens());
    try (var stream = served.client("none").completions().createStreaming(params().build())) {
      assertEquals(
          expected.text(),
          stream.stream().map(c -> c.choices().getFirst().text()).collect(Collectors.joining()));
    }
  }

  @Test
  void idsAreATextToo() throws IOException, InterruptedException {
    String ids = Arrays.toString(served.engine.encode(PROMPT));
    String fields = ",\"max_tokens\":6}";
    var byIds = Served.json(served.post("/v1/completions", "{\"prompt\":" + ids + fields));
    var nested = Served.json(served.post("/v1/completions", "{\"prompt\":[" + ids + "]" + fields));
    assertEquals(alone().text(), byIds.at("/choices/0/text").asText());
    assertEquals(alone().text(), nested.at("/choices/0/text").asText());
  }

  /** As each of them alone, in their order, and one after the other. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void severalPrompts(boolean asIds) throws IOException, InterruptedException {
    List<String> texts = List.of(PROMPT, "Mia has", "<|user|>Tom has 3 apples.");
    List<Object> prompts = new ArrayList<>(texts);
    if (asIds) {
      prompts.replaceAll(text -> served.engine.encode((String) text));
    }
    String fields = ",\"max_tokens\":6,\"temperature\":1,\"seed\":7,\"n\":2}";
    var all = Served.json(served.post("/v1/completions", "{\"prompt\":" + json(prompts) + fields));
    int promptTokens = 0;
    for (int i = 0; i < texts.size(); i++) {
      var alone =
          Served.json(served.post("/v1/completions", "{\"prompt\":" + json(texts.get(i)) + fields));
      for (int j = 0; j < 2; j++) {
        var choice = all.path("choices").path(2 * i + j);
        assertEquals(2 * i + j, choice.path("index").intValue());
        assertEquals(
            alone.path("choices").path(j).path("text").asText(), choice.path("text").asText());
      }
      promptTokens += alone.at("/usage/prompt_tokens").intValue();
    }
    assertEquals(6, all.path("choices").size());
    assertEquals(promptTokens, all.at("/usage/prompt_tokens").intValue());
    String streamed =
        served
            .post("/v1/completions", "{\"stream\":true,\"prompt\":" + json(prompts) + fields)
            .body();
    List<String> written = written(streamed, 6);
    for (int i = 0; i < 6; i++) {
      assertEquals(all.path("choices").path(i).path("text").asText(), written.get(i));
    }
  }

  /** What evaluation harnesses ask for: what the model thinks of a text that is given. */
  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void echo(boolean asIds) throws IOException, InterruptedException {
    int[] ids = served.engine.encode(PROMPT);
    String fields = ",\"echo\":true,\"logprobs\":2,\"max_tokens\":0}";
    var whole =
        Served.json(
            served.post("/v1/completions", "{\"prompt\":" + json(asIds ? ids : PROMPT) + fields));
    var choice = whole.at("/choices/0");
    assertEquals(PROMPT, choice.path("text").asText());
    assertEquals("length", choice.path("finish_reason").asText());
    assertEquals(ids.length, whole.at("/usage/prompt_tokens").intValue());
    assertEquals(0, whole.at("/usage/completion_tokens").intValue());
    var logprobs = choice.path("logprobs");
    List<String> tokens = new ArrayList<>();
    logprobs.path("tokens").forEach(t -> tokens.add(t.asText()));
    assertEquals(PROMPT, String.join("", tokens));
    List<Long> offsets = new ArrayList<>();
    logprobs.path("text_offset").forEach(o -> offsets.add(o.longValue()));
    assertEquals(offsets(tokens), offsets);
    float[] expected = served.engine.score(ids, false, false).logprobs();
    assertEquals(ids.length, logprobs.path("token_logprobs").size());
    assertEquals(ids.length, logprobs.path("top_logprobs").size());
    assertTrue(logprobs.at("/token_logprobs/0").isNull());
    assertTrue(logprobs.at("/top_logprobs/0").isNull());
    for (int i = 1; i < ids.length; i++) {
      float logprob = logprobs.path("token_logprobs").path(i).floatValue();
      var top = logprobs.path("top_logprobs").path(i);
      assertEquals(expected[i], logprob);
      assertEquals(logprob, top.path(tokens.get(i)).floatValue());
      assertTrue(top.size() == 2 || top.size() == 3, top.toString());
    }
  }

  /** They count log-probabilities from the end: one that ends the text is among them. */
  @Test
  void echoOfWhatThenEnds() throws IOException, InterruptedException {
    Question question = Question.of(Served.QUESTION).mode(Mode.DIRECT);
    int[] prompt = served.engine.prompt(question);
    List<Integer> written = served.engine.ask(question).ids();
    int[] ids =
        IntStream.concat(
                Arrays.stream(prompt),
                written.stream().limit(written.size() - 1L).mapToInt(Integer::intValue))
            .toArray();
    int[] begun = Arrays.copyOf(ids, ids.length - 1);
    String fields = ",\"echo\":true,\"logprobs\":1,\"max_tokens\":1,\"temperature\":0,\"n\":2}";
    var all =
        Served.json(
            served.post("/v1/completions", "{\"prompt\":" + json(List.of(ids, begun)) + fields));
    assertEquals(4, all.path("choices").size());
    for (int i = 0; i < 4; i++) {
      var choice = all.path("choices").path(i);
      int[] given = i < 2 ? ids : begun;
      assertEquals(served.engine.decode(ids), choice.path("text").asText());
      assertEquals(i < 2 ? "stop" : "length", choice.path("finish_reason").asText());
      var logprobs = choice.path("logprobs");
      assertEquals(given.length + 1, logprobs.path("tokens").size());
      assertEquals(given.length + 1, logprobs.path("token_logprobs").size());
      assertEquals(given.length + 1, logprobs.path("top_logprobs").size());
    }
    assertEquals(ids.length + begun.length, all.at("/usage/prompt_tokens").intValue());
  }

  /** For scores all of a prompt is read, which what follows it need not do again. */
  @Test
  void scoringIsNoCache() throws IOException, InterruptedException {
    String fields = ",\"echo\":true,\"logprobs\":1,\"temperature\":0,\"max_tokens\":";
    String body = "{\"prompt\":" + json("Zoe has 4 pears. She eats 2.") + fields;
    for (int maxTokens : new int[] {1, 0, 2}) {
      var usage = Served.json(served.post("/v1/completions", body + maxTokens + "}")).path("usage");
      assertEquals(0, usage.at("/prompt_tokens_details/cached_tokens").intValue());
      assertTrue(usage.path("completion_tokens").intValue() <= maxTokens);
    }
    var without = Served.json(served.post("/v1/completions", body.replace(fields, "}")));
    assertTrue(without.at("/usage/prompt_tokens_details/cached_tokens").intValue() > 0);
  }

  @Test
  void streamedEcho() throws IOException, InterruptedException {
    String fields = ",\"echo\":true,\"max_tokens\":6,\"temperature\":0";
    String body = "{\"prompt\":" + json(PROMPT) + fields;
    var whole = Served.json(served.post("/v1/completions", body + "}"));
    assertEquals(PROMPT + alone().text(), whole.at("/choices/0/text").asText());
    String streamed = served.post("/v1/completions", body + ",\"stream\":true}").body();
    assertEquals(List.of(PROMPT + alone().text()), written(streamed, 1));
  }

  /** The text of each choice of a stream. */
  private static List<String> written(String streamed, int choices) throws IOException {
    List<String> texts = new ArrayList<>(Collections.nCopies(choices, ""));
    for (String line : streamed.split("\n+")) {
      if (line.startsWith("data: {")) {
        var choice = Served.MAPPER.readTree(line.substring(6)).path("choices").path(0);
        int index = choice.path("index").intValue();
        texts.set(index, texts.get(index) + choice.path("text").asText());
      }
    }
    return texts;
  }

  private static String json(Object value) throws IOException {
    return Served.MAPPER.writeValueAsString(value);
  }

  /** There are as many answers as prompts. */
  @Test
  void morePromptsThanPlaces() throws IOException, InterruptedException {
    ErrorsTest.assertError(
        400,
        "prompt",
        "prompt must ask for at most 320 answers, what is answered and waits at a time, found 321",
        served.post("/v1/completions", "{\"prompt\":" + json(Collections.nCopies(321, "a")) + "}"));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{} | prompt | must be a string, a list of token ids, or a list of strings or of such"
            + " lists, found nothing",
        "{\"prompt\":[]} | prompt | must be a string, a list of token ids",
        "{\"prompt\":[[]]} | prompt | must be a string, a list of token ids",
        "{\"prompt\":[1,\"a\"]} | prompt | of such lists, found \"a\"",
        "{\"prompt\":[\"a\",1]} | prompt | of such lists, found 1",
        "{\"prompt\":[[1],[2.5]]} | prompt | of such lists, found 2.5",
        "{\"prompt\":[[1],[99999]]} | prompt | token ids must be 0 to 444",
        "{\"prompt\":[99999]} | prompt | token ids must be 0 to 444",
        "{\"prompt\":\"\"} | prompt | at least one token",
        "{\"prompt\":\"\\ud800\"} | prompt | not Unicode",
        "{\"prompt\":\"a\",\"stop\":\"\"} | stop | must be not empty",
        "{\"prompt\":\"a\",\"echo\":true,\"logprobs\":1,\"stream\":true} | stream | echo with"
            + " logprobs cannot be streamed",
        "{\"prompt\":\"\",\"echo\":true,\"max_tokens\":0} | prompt | at least one token",
        "{\"prompt\":[99999],\"echo\":true} | prompt | token ids must be 0 to 444",
        "{\"prompt\":\"a\",\"max_tokens\":0} | max_tokens | must be a whole number from 1 to",
        "{\"prompt\":\"a\",\"suffix\":\"b\"} | suffix | suffix is not supported",
        "{\"prompt\":\"a\",\"best_of\":3} | best_of | best_of is not supported",
        "{\"prompt\":\"a\",\"logprobs\":21} | logprobs | must be a whole number from 0 to 20",
        "{\"prompt\":\"a\",\"messages\":[]} | messages | unrecognized request argument",
      })
  void refused(String body, String param, String message) throws IOException, InterruptedException {
    ErrorsTest.assertError(400, param, message, served.post("/v1/completions", body));
  }

  @ParameterizedTest
  @CsvSource({"false", "true"})
  void logprobs(boolean stream) {
    Answer alone = served.engine.ask(Question.of(Served.QUESTION));
    var chat = served.client("none").chat().completions();
    var params = Served.question().logprobs(true).topLogprobs(2).build();
    var tokens = stream ? streamed(chat, params) : whole(chat, params);
    assertEquals(alone.text(), tokens.stream().map(t -> t.token()).collect(Collectors.joining()));
    for (int i = 0; i < tokens.size(); i++) {
      assertEquals(alone.logprobs().get(i), tokens.get(i).logprob(), 1e-6);
      assertTrue(tokens.get(i).bytes().isPresent());
      var top = tokens.get(i).topLogprobs();
      assertEquals(2, top.size());
      assertEquals(tokens.get(i).token(), top.getFirst().token()); // it is greedy
      assertEquals(tokens.get(i).logprob(), top.getFirst().logprob());
      assertTrue(top.getLast().logprob() < top.getFirst().logprob());
    }
    assertEquals(alone.ids().size() - 1, tokens.size()); // without the one that ends it
  }

  @ParameterizedTest
  @CsvSource({"false", "true"})
  void thinkingHasNoLogprobs(boolean stream) {
    Answer alone = served.engine.ask(Question.of(Served.QUESTION).mode(Mode.EXPLICIT));
    var chat = served.client("none").chat().completions();
    var params = Served.question().logprobs(true).reasoningEffort(ReasoningEffort.HIGH).build();
    var tokens = stream ? streamed(chat, params) : whole(chat, params);
    assertFalse(alone.reasoning().isEmpty());
    String said = tokens.stream().map(t -> t.token()).collect(Collectors.joining());
    assertEquals(alone.text(), said); // without the blank lines behind the thinking
    int first = alone.logprobs().size() - 1 - tokens.size(); // and without the one that ends it
    for (int i = 0; i < tokens.size(); i++) {
      assertEquals(alone.logprobs().get(first + i), tokens.get(i).logprob(), 1e-6);
    }
  }

  private static List<ChatCompletionTokenLogprob> whole(
      ChatCompletionService chat, ChatCompletionCreateParams params) {
    return chat.create(params)
        .choices()
        .getFirst()
        .logprobs()
        .orElseThrow()
        .content()
        .orElseThrow();
  }

  private static List<ChatCompletionTokenLogprob> streamed(
      ChatCompletionService chat, ChatCompletionCreateParams params) {
    try (var chunks = chat.createStreaming(params)) {
      return chunks.stream()
          .flatMap(c -> c.choices().stream())
          .flatMap(c -> c.logprobs().stream())
          .flatMap(l -> l.content().stream())
          .flatMap(Collection::stream)
          .toList();
    }
  }

  @Test
  @SuppressWarnings("deprecation") // what the client calls so is experimental
  void logprobsOfAText() {
    Answer alone = alone();
    var logprobs =
        served
            .client("none")
            .completions()
            .create(params().logprobs(2).build())
            .choices()
            .getFirst()
            .logprobs()
            .orElseThrow();
    assertEquals(alone.text(), String.join("", logprobs.tokens().orElseThrow()));
    assertEquals(
        // without the one that ends it
        alone.logprobs().stream()
            .limit(alone.logprobs().size() - 1)
            .map(Float::doubleValue)
            .toList(),
        logprobs.tokenLogprobs().orElseThrow().stream().map(d -> (double) d.floatValue()).toList());
    assertEquals(offsets(logprobs.tokens().orElseThrow()), logprobs.textOffset().orElseThrow());
    var top = logprobs.topLogprobs().orElseThrow();
    assertEquals(logprobs.tokens().orElseThrow().size(), top.size());
    assertTrue(
        top.getFirst()._additionalProperties().containsKey(logprobs.tokens().get().getFirst()));
    try (var stream =
        served.client("none").completions().createStreaming(params().logprobs(2).build())) {
      assertEquals(
          logprobs.textOffset(),
          Optional.of(
              stream.stream()
                  .flatMap(c -> c.choices().getFirst().logprobs().stream())
                  .flatMap(l -> l.textOffset().orElseThrow().stream())
                  .toList()));
    }
  }

  /** Where each token begins. */
  private static List<Long> offsets(List<String> tokens) {
    List<Long> offsets = new ArrayList<>();
    long at = 0;
    for (String token : tokens) {
      offsets.add(at);
      at += token.length();
    }
    return offsets;
  }

  /** Its text is not what it says, so its bytes are not known by it. */
  @Test
  void aPartOfACharacterHasNoBytes() {
    assertNull(new Logprobs.Entry("a\uFFFD", -1, List.of()).bytes());
    assertArrayEquals(
        new byte[] {(byte) 0xC3, (byte) 0xA9}, new Logprobs.Entry("é", -1, List.of()).bytes());
  }
}
