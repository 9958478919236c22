package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What ends an answer, in a model that always writes {@code A B <|im_end|> C D <|endoftext|>}. */
class StopTest {
  private static final int IM_END = 381;
  private static final int END_OF_TEXT = 379;
  private static final Map<Integer, Integer> SUCCESSORS =
      Map.of(32, 33, 33, IM_END, IM_END, 34, 34, 35, 35, END_OF_TEXT);
  private static final GenerationOptions OPTIONS = GenerationOptions.defaults().withMaxTokens(8);

  @TempDir private static Path directory;
  private static Engine engine;

  @BeforeAll
  static void open() {
    engine = Engine.load(TestModels.scripted(directory.resolve("model"), SUCCESSORS, END_OF_TEXT));
  }

  @AfterAll
  static void close() {
    engine.close();
  }

  /**
   * The first is what {@code generate(stop_strings=["<|im_end|>"])} of transformers 5.18 gives; a
   * stop string is found in what was generated, and not across what the text leaves out.
   */
  @ParameterizedTest
  @CsvSource({
    "<|im_end|>, 33 381, B, STOP",
    "im_end, 33 381, B, STOP",
    "B<|im_end|>, 33 381, '', STOP",
    "<|im_end|>C, 33 381 34, B, STOP",
    ">CD, 33 381 34 35, B, STOP",
    "C, 33 381 34, B, STOP",
    "BC, 33 381 34 35 379, BCD, STOP",
    "<|im_end|>x, 33 381 34 35 379, BCD, STOP",
  })
  void aStopStringIsSearchedInSpecialTokensToo(
      String stop, String ids, String text, FinishReason reason) {
    List<String> heard = new ArrayList<>();
    for (Answer answer :
        List.of(
            engine.generate(new int[] {32}, OPTIONS.withStop(List.of(stop))),
            engine.generate(
                new int[] {32}, OPTIONS.withStop(List.of(stop)), t -> heard.add(t.text())))) {
      assertEquals(
          ids, String.join(" ", answer.ids().stream().map(i -> Integer.toString(i)).toList()));
      assertEquals(text, answer.text());
      assertEquals(reason, answer.finishReason());
    }
    assertEquals(text, String.join("", heard));
  }

  @Test
  void withoutTokenizerAStopStringIsRefused() throws IOException {
    Path ids = TestModels.scripted(directory.resolve("ids"), SUCCESSORS, END_OF_TEXT);
    Files.delete(ids.resolve("tokenizer.json"));
    try (Engine bare = Engine.load(ids)) {
      assertEquals(
          List.of(33, IM_END, 34), bare.generate(new int[] {32}, OPTIONS.withMaxTokens(3)).ids());
      var e =
          assertThrows(
              QuestionException.class,
              () -> bare.generate(new int[] {32}, OPTIONS.withStop(List.of("C"))));
      assertTrue(String.valueOf(e.getMessage()).contains("stop text"), () -> "" + e);
    }
  }

  @ParameterizedTest
  @EnumSource(Mode.class)
  void aListenerThatCancelsHearsNothingMore(Mode mode) {
    Path network = TestModels.calibrated(directory.resolve(mode.name()), -1e9, "mean_logprob");
    try (Engine tiny = TestModels.engine(Fixtures.dir(TestModels.BASE), network, "scalar")) {
      var cancellation = new Cancellation();
      List<Token> heard = new ArrayList<>();
      Question question = Question.of("1 + 2?").mode(mode).maxTokens(12).cancelledBy(cancellation);
      Answer answer =
          tiny.ask(
              question,
              token -> {
                heard.add(token);
                if (heard.size() == 2) {
                  cancellation.cancel();
                }
              });
      assertEquals(2, heard.size());
      if (mode != Mode.AUTO) { // where the answer is complete before it is heard
        assertEquals(FinishReason.CANCELLED, answer.finishReason());
        assertEquals(heard.stream().map(Token::id).toList(), answer.ids());
      }
    }
  }

  @Test
  void decodeRefusesAnIdThatIsNone() {
    assertEquals("B<|im_end|>", engine.decode(new int[] {33, IM_END}));
    for (int id : new int[] {384, 1_000_000, -1, Integer.MIN_VALUE}) {
      var e = assertThrows(QuestionException.class, () -> engine.decode(new int[] {33, id}));
      assertTrue(String.valueOf(e.getMessage()).contains("found " + id), () -> "" + e);
    }
  }

  /** Callers are not all checked for null. */
  @Test
  @SuppressWarnings("NullAway")
  void nothingIsNoText() {
    String none = null;
    var e = assertThrows(QuestionException.class, () -> OPTIONS.withAnswerCue(none));
    assertEquals("answer cue must be text, \"\" for none, found null", e.getMessage());
    assertThrows(QuestionException.class, () -> OPTIONS.withStop(null));
    List<String> stops = new ArrayList<>();
    stops.add(none);
    assertThrows(QuestionException.class, () -> OPTIONS.withStop(stops));
    assertThrows(QuestionException.class, () -> OPTIONS.withStop(List.of("\uD83D")));
    assertThrows(QuestionException.class, () -> OPTIONS.withAnswerCue("\uD83D"));
    assertThrows(QuestionException.class, () -> Question.of("x").stop("a", none));
    assertThrows(NullPointerException.class, () -> Question.of("x").options(null));
    assertThrows(NullPointerException.class, () -> Question.of(none));
  }
}
