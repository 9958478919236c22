package io.lrt4j.reasoning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Answer;
import io.lrt4j.FinishReason;
import io.lrt4j.Fixtures;
import io.lrt4j.Fuzz;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.TestModels;
import io.lrt4j.Token;
import io.lrt4j.Token.Phase;
import io.lrt4j.checkpoint.ConfidenceMeasure;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/**
 * When thinking turns into answering and when an answer ends, on a model that says what it is told
 * to. Every answer is asked for with and without a listener, which must make no difference.
 */
class GenerationTest {
  private static final int END = 381; // <|im_end|>
  private static final int END_OF_THINKING = 383;
  private static final int[] PROMPT = {64, 65, 66};

  @TempDir Path temporary;
  private final List<SpiedModel> open = new ArrayList<>();

  @AfterEach
  void close() {
    open.forEach(SpiedModel::close);
    for (SpiedModel model : open) {
      assertEquals(0, model.spy.openMemories());
      assertTrue(model.spy.closed());
    }
  }

  private SpiedModel open(Path model) {
    var spied = new SpiedModel(model, Fixtures.dir(TestModels.APPEND));
    open.add(spied);
    return spied;
  }

  private SpiedModel tiny() {
    return open(Fixtures.dir(TestModels.BASE));
  }

  @SafeVarargs
  @SuppressWarnings("varargs") // only read
  private static List<Integer> tokens(List<Integer>... parts) {
    return Stream.of(parts).flatMap(List::stream).toList();
  }

  private static Answer complete(SpiedModel m, List<Integer> script, GenerationOptions options) {
    m.spy.script(script);
    Answer silent = m.session.generate(PROMPT, options, null);
    m.spy.script(script);
    List<Token> heard = new ArrayList<>();
    assertSame(silent, m.session.generate(PROMPT, options, heard::add), heard);
    return silent;
  }

  private static Answer ask(SpiedModel m, List<Integer> script, Question question) {
    m.spy.script(script);
    Answer silent = m.ask(question);
    m.spy.script(script);
    List<Token> heard = new ArrayList<>();
    assertSame(silent, m.ask(question, heard::add), heard);
    return silent;
  }

  /** Listening changes nothing, and what is heard is the answer. */
  private static void assertSame(Answer silent, Answer streamed, List<Token> heard) {
    assertEquals(silent.ids(), streamed.ids());
    assertEquals(silent.text(), streamed.text());
    assertEquals(silent.reasoning(), streamed.reasoning());
    assertEquals(silent.finishReason(), streamed.finishReason());
    assertEquals(silent.tokens(), streamed.tokens());
    assertEquals(silent.logprobs(), streamed.logprobs());
    assertEquals(silent.ids(), heard.stream().map(Token::id).toList());
    assertEquals(silent.logprobs(), heard.stream().map(Token::logprob).toList());
    assertEquals(silent.text(), text(heard, Phase.ANSWER));
    assertEquals(silent.reasoning(), text(heard, Phase.REASONING).strip());
    assertEquals(
        silent.tokens().reasoning(),
        heard.stream().filter(t -> t.phase() == Phase.REASONING).count());
  }

  private static String text(List<Token> heard, Phase phase) {
    return heard.stream()
        .filter(t -> t.phase() == phase)
        .map(Token::text)
        .collect(Collectors.joining());
  }

  private static Question question(int maxTokens) {
    return Question.of("What is 12+30?").maxTokens(maxTokens);
  }

  @Test
  void aStopStringMaySpanTokens() {
    SpiedModel m = tiny();
    List<Integer> script = m.encode("one two three four");
    Answer answer =
        complete(m, script, GenerationOptions.defaults().withStop(List.of("nine", "wo th")));
    assertEquals("one t", answer.text());
    assertEquals(FinishReason.STOP, answer.finishReason());
    assertTrue(answer.ids().size() < script.size());
    assertEquals(script.subList(0, answer.ids().size()), answer.ids());
  }

  @Test
  void aStopStringThatDoesNotComeLosesNothing() {
    SpiedModel m = tiny();
    List<Integer> script = m.encode("one tw");
    GenerationOptions options =
        GenerationOptions.defaults().withMaxTokens(script.size()).withStop(List.of("two"));
    Answer answer = complete(m, script, options);
    assertEquals("one tw", answer.text());
    assertEquals(FinishReason.LENGTH, answer.finishReason());
  }

  @Test
  void halfACharacterAtTheLimitIsAReplacementCharacter() {
    SpiedModel m = tiny();
    List<Integer> script = m.encode("a😀");
    GenerationOptions options = GenerationOptions.defaults().withMaxTokens(script.size() - 1);
    assertEquals("a\uFFFD", complete(m, script, options).text());
  }

  @Test
  void everyEndOfSequenceTokenEndsAnAnswer() {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    TestModels.edit(
        model.resolve("generation_config.json"), c -> c.putArray("eos_token_id").add(END).add(379));
    SpiedModel m = open(model);
    for (int end : new int[] {END, 379}) {
      List<Integer> script = tokens(m.encode("hi"), List.of(end), m.encode("there"));
      Answer answer = complete(m, script, GenerationOptions.defaults());
      assertEquals("hi", answer.text());
      assertEquals(FinishReason.STOP, answer.finishReason());
      assertEquals(end, answer.ids().getLast());

      GenerationOptions on =
          GenerationOptions.defaults().withIgnoreEos(true).withMaxTokens(script.size());
      Answer longer = complete(m, script, on);
      assertEquals("hithere", longer.text());
      assertEquals(FinishReason.LENGTH, longer.finishReason());
    }
  }

  @Test
  void endOfThinkingIsTextWhereNothingIsBeingThought() {
    SpiedModel m = tiny();
    List<Integer> script =
        tokens(m.encode("a"), List.of(END_OF_THINKING), m.encode("b"), List.of(END));
    assertEquals("a</think>b", complete(m, script, GenerationOptions.defaults()).text());
    assertEquals("a</think>b", ask(m, script, question(99).mode(Mode.LATENT)).text());
  }

  @Test
  void theTokenEndsTheThinking() {
    SpiedModel m = tiny();
    List<Integer> thoughts = m.encode("I count </think");
    List<Integer> script =
        tokens(thoughts, List.of(END_OF_THINKING), m.encode("\n\nSeven </think>"), List.of(END));
    Answer answer = ask(m, script, question(99).mode(Mode.EXPLICIT));
    assertEquals("I count </think", answer.reasoning());
    assertEquals("Seven </think>", answer.text());
    assertEquals(script, answer.ids());
    assertEquals(thoughts.size() + 1, answer.tokens().reasoning());
    assertEquals(m.tokens(question(99)), answer.tokens().prompt());
    assertEquals(FinishReason.STOP, answer.finishReason());
  }

  @Test
  void itsTextEndsTheThinkingWhereItIsNoToken() {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    rename(model, "<|unused|>");
    SpiedModel m = open(model);
    List<Integer> thoughts = m.encode("I count</think>");
    assertTrue(thoughts.size() > 8, thoughts.toString());
    List<Integer> script = tokens(thoughts, m.encode("\n\nSeven"), List.of(END));
    Answer answer = ask(m, script, question(99).mode(Mode.EXPLICIT));
    assertEquals("I count", answer.reasoning());
    assertEquals("Seven", answer.text());
    assertEquals(thoughts.size(), answer.tokens().reasoning());
  }

  @Test
  void aTokenMayEndTheThinkingAndBeginTheAnswer() {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    rename(model, ">S");
    SpiedModel m = open(model);
    List<Integer> thoughts = m.encode("I count</think>S");
    List<Integer> script = tokens(thoughts, m.encode("even"), List.of(END));
    Answer answer = ask(m, script, question(99).mode(Mode.EXPLICIT));
    assertEquals("I count", answer.reasoning());
    assertEquals("Seven", answer.text());
  }

  /** Gives the token {@code </think>} another text. */
  private static void rename(Path model, String text) {
    TestModels.edit(
        model.resolve("tokenizer.json"),
        t ->
            t.get("added_tokens")
                .forEach(
                    token -> {
                      if (token.get("id").asInt() == END_OF_THINKING) {
                        ((ObjectNode) token).put("content", text);
                      }
                    }));
  }

  @Test
  void anEndOfSequenceWhileThinkingClosesTheBlock() {
    SpiedModel m = tiny();
    List<Integer> script = tokens(m.encode("hm"), List.of(END), m.encode("Seven"), List.of(END));
    int thought = m.encode("hm").size() + 1;
    int forced = m.encode("\n</think>\n\nFinal Answer: ").size();
    Question question = question(40).mode(Mode.EXPLICIT);
    m.spy.takeSteps();

    Answer answer = ask(m, script, question);

    assertEquals("hm", answer.reasoning());
    assertEquals("Seven", answer.text());
    assertEquals(FinishReason.STOP, answer.finishReason());
    int n = m.tokens(question);
    assertEquals(
        new Answer.TokenCounts(n + forced, 0, thought, script.size() - thought), answer.tokens());
    // The model never sees that end: the closing text is in its place.
    assertEquals(
        new SpyBackend.Run(n + thought - 1, forced),
        m.spy.takeSteps().get(thought).runs().getFirst());
  }

  @Test
  void thinkingThatUsesUpItsShareIsClosedOnce() {
    SpiedModel m = tiny();
    List<Integer> script = tokens(m.encode("a b c d e f g h i j k l m n o p q r s t u v w x y z"));
    for (int budget : new int[] {2, 3, 4, 8, 40}) {
      Answer answer = ask(m, script, question(7).mode(Mode.EXPLICIT).budget(budget));
      int share = ThinkingBudget.of(budget).thinking();
      assertEquals(script.subList(0, budget), answer.ids());
      assertEquals(share, answer.tokens().reasoning());
      assertEquals(budget - share, answer.tokens().answer());
      assertEquals(FinishReason.LENGTH, answer.finishReason());
      int forced = m.encode("\n</think>\n\nFinal Answer: ").size();
      assertEquals(m.tokens(question(7)) + forced, answer.tokens().prompt());
      int[] ids = script.subList(0, budget).stream().mapToInt(Integer::intValue).toArray();
      var tokenizer = m.model.tokenizer("test");
      assertEquals(tokenizer.decode(ids, 0, share, true).strip(), answer.reasoning());
      assertEquals(tokenizer.decode(ids, share, budget, true).stripLeading(), answer.text());
    }
  }

  @Test
  void theShareOfThinking() {
    assertEquals(new ThinkingBudget(1, 1), ThinkingBudget.of(1));
    assertEquals(new ThinkingBudget(2, 1), ThinkingBudget.of(2));
    assertEquals(new ThinkingBudget(100, 75), ThinkingBudget.of(100));
    assertEquals(new ThinkingBudget(1024, 768), ThinkingBudget.of(1024));
    assertEquals(new ThinkingBudget(32768, 32768 - 256), ThinkingBudget.of(32768));
  }

  @Test
  void thinkingAndAnswerWithBudgetsOfTheirOwn() {
    SpiedModel m = tiny();
    List<Integer> letters = m.encode("a b c d e f g h i j k l m n o p q r s t u v w x y z");
    Question question = question(4).mode(Mode.EXPLICIT).thinkingBudget(7);
    Answer forced = ask(m, letters, question);
    assertEquals(letters.subList(0, 11), forced.ids());
    assertEquals(7, forced.tokens().reasoning());
    assertEquals(4, forced.tokens().answer());
    assertEquals(FinishReason.LENGTH, forced.finishReason());
    // What thinking leaves of its budget is not the answer's.
    List<Integer> early = tokens(m.encode("a</think>"), letters);
    int thought = early.size() - letters.size();
    Answer answer = ask(m, early, question);
    assertEquals(early.subList(0, thought + 4), answer.ids());
    assertEquals(thought, answer.tokens().reasoning());
    // A budget for both is the bound of both.
    Answer both = ask(m, letters, question.budget(8));
    assertEquals(8, both.ids().size());
    assertEquals(6, both.tokens().reasoning());
    // Thinking has no share of an answer without any.
    assertEquals(4, ask(m, letters, question.mode(Mode.LATENT)).ids().size());
  }

  @Test
  void whereThereIsNoRoomTheAnswerKeepsItsShare() {
    var options = GenerationOptions.builder().maxTokens(500).thinkingBudget(3000).build();
    assertEquals(new ThinkingBudget(3500, 3000), ThinkingBudget.of(options, 10_000));
    assertEquals(new ThinkingBudget(1000, 750), ThinkingBudget.of(options, 1000));
    assertEquals(new ThinkingBudget(1000, 997), ThinkingBudget.of(options.withMaxTokens(3), 1000));
    var endless = options.withMaxTokens(Integer.MAX_VALUE);
    assertEquals(new ThinkingBudget(9000, 3000), ThinkingBudget.of(endless, 9000));
  }

  @Test
  void anAnswerCueOfOnesOwn() {
    SpiedModel m = tiny();
    GenerationOptions options = GenerationOptions.defaults().withMaxTokens(8).withAnswerCue("");
    Answer answer = ask(m, m.encode("a b c d e f"), question(8).options(options));
    assertEquals(Mode.LATENT, answer.mode()); // which the network makes the default
    Question explicit = question(8).options(options).mode(Mode.EXPLICIT);
    assertEquals(
        m.tokens(explicit) + m.encode("\n</think>\n\n").size(),
        ask(m, m.encode("a b c d e f"), explicit).tokens().prompt());
  }

  /** What the model says of its own accord, sampled, in all modes. */
  @ParameterizedTest
  @EnumSource(value = Mode.class, names = "AUTO", mode = EnumSource.Mode.EXCLUDE)
  void streamingIsTheAnswer(Mode mode) {
    SpiedModel m = tiny();
    boolean thought = false;
    boolean ended = false;
    for (int seed = 0; seed < 10 * Fuzz.FACTOR; seed++) {
      Answer answer =
          ask(m, List.of(), question(48).mode(mode).temperature(3).seed(seed).stop("e", "<"));
      thought |= !answer.reasoning().isEmpty();
      ended |= answer.finishReason() == FinishReason.STOP;
      assertFalse(answer.text().contains("e") || answer.text().contains("<"), answer.text());
    }
    assertEquals(mode == Mode.EXPLICIT, thought);
    assertTrue(ended);
  }

  @Test
  void anAcceptedLatentAnswerIsHeardAfterwardsADoubtedOneNever() {
    for (double threshold : new double[] {-1e9, 1e9}) {
      Path network = temporary.resolve("network" + threshold);
      TestModels.calibrated(network, threshold, "mean_logprob");
      var m = new SpiedModel(Fixtures.dir(TestModels.BASE), network);
      open.add(m);
      Answer answer = ask(m, List.of(), question(20)); // auto is the default with a threshold
      assertEquals(threshold < 0 ? Mode.LATENT : Mode.EXPLICIT, answer.mode());
    }
  }

  @ParameterizedTest
  @EnumSource(ConfidenceMeasure.class)
  void theThresholdIsExact(ConfidenceMeasure measure) {
    Question question = question(12);
    Answer.Confidence confidence = tiny().ask(question.mode(Mode.LATENT)).confidence();
    boolean margin = measure == ConfidenceMeasure.SMALLEST_MARGIN;
    double value = margin ? confidence.smallestMargin() : confidence.meanLogprob();
    for (double threshold : new double[] {value, Math.nextUp(value)}) {
      Path network = temporary.resolve("network" + threshold);
      TestModels.calibrated(network, threshold, measure.name().toLowerCase(Locale.ROOT));
      var m = new SpiedModel(Fixtures.dir(TestModels.BASE), network);
      open.add(m);
      Mode expected = threshold == value ? Mode.LATENT : Mode.EXPLICIT;
      assertEquals(expected, m.ask(question.mode(Mode.AUTO)).mode());
    }
  }

  @Test
  void confidenceIsOfTheAnswerAlone() {
    SpiedModel m = tiny();
    Answer answer = ask(m, List.of(), question(20).mode(Mode.EXPLICIT));
    List<Float> logprobs = answer.logprobs().subList(answer.tokens().reasoning(), 20);
    double mean = logprobs.stream().mapToDouble(Float::doubleValue).average().orElseThrow();
    assertEquals(mean, answer.confidence().meanLogprob(), 1e-9);
    assertTrue(answer.confidence().smallestMargin() >= 0);
  }

  @Test
  void theContextEndsAnAnswer() {
    SpiedModel m = withContext(64);
    GenerationOptions all =
        GenerationOptions.defaults().withMaxTokens(Integer.MAX_VALUE).withIgnoreEos(true);
    Answer completed = m.session.generate(new int[60], all, null);
    assertEquals(4, completed.tokens().answer());
    assertEquals(FinishReason.LENGTH, completed.finishReason());

    Question question = question(1).options(all);
    for (Mode mode : List.of(Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT)) {
      Answer answer = m.ask(question.mode(mode));
      Answer.TokenCounts tokens = answer.tokens();
      assertEquals(FinishReason.LENGTH, answer.finishReason());
      assertEquals(64, tokens.prompt() + tokens.latent() + tokens.reasoning() + tokens.answer());
      assertTrue(tokens.answer() > 0, tokens.toString()); // thinking leaves room for it
      List<Answer> samples = m.session.ask(question.mode(mode), 3, null);
      samples.forEach(s -> assertEquals(answer.ids(), s.ids()));
    }
  }

  private SpiedModel withContext(int positions) {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model" + positions));
    TestModels.edit(model.resolve("config.json"), c -> c.put("max_position_embeddings", positions));
    return open(model);
  }
}
