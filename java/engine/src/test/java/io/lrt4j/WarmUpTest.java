package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** A warm-up changes no answer and leaves nothing behind; it can be called off. */
@Timeout(120)
class WarmUpTest {
  private static final GenerationOptions ONE_TOKEN = GenerationOptions.defaults().withMaxTokens(1);

  @TempDir Path temporary;

  static List<String> backends() {
    return TestModels.backends().toList();
  }

  @AfterEach
  void notInterrupted() {
    boolean _ = Thread.interrupted();
  }

  /** Everything of answers that is not a time. */
  private static List<Object> answers(Engine engine) {
    List<Object> found = new ArrayList<>();
    for (Mode mode : List.of(Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT)) {
      Question question = Question.of("How many apples are 12 and 30?").mode(mode).maxTokens(12);
      for (Answer answer :
          List.of(engine.ask(question), engine.ask(question.temperature(1).seed(3)))) {
        found.add(List.of(answer.ids(), answer.logprobs(), answer.confidence(), answer.tokens()));
      }
    }
    return found;
  }

  @ParameterizedTest
  @MethodSource("backends")
  void answersAreTheSameToTheBit(String backend) {
    List<Object> expected;
    try (Engine engine = TestModels.engine(backend)) {
      expected = answers(engine);
    }
    try (Engine engine = TestModels.engine(backend)) {
      assertTrue(engine.warmUp().isPositive());
      // Its prompt is 0, 1, 2 …: one that begins alike finds nothing of it.
      int[] prompt = IntStream.range(0, 65).toArray();
      assertEquals(0, engine.generate(prompt, ONE_TOKEN).tokens().cached());
      assertTrue(engine.generate(prompt, ONE_TOKEN).tokens().cached() > 0);
      assertEquals(expected, answers(engine)); // with how many of their tokens were known
    }
  }

  @Test
  void modelsThatOnlyComplete() throws Exception {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    Files.delete(model.resolve("tokenizer.json"));
    TestModels.edit(model.resolve("config.json"), c -> c.put("max_position_embeddings", 3));
    try (Engine engine = TestModels.engine(model, null, "scalar")) {
      assertTrue(engine.warmUp().isPositive());
    }
  }

  @Test
  void anInterruptCallsItOff() {
    try (Engine engine = TestModels.engine("scalar")) {
      Thread.currentThread().interrupt();
      var off = assertThrows(CancellationException.class, engine::warmUp);
      assertEquals("the warm-up was interrupted", off.getMessage());
      assertTrue(Thread.interrupted());
    }
  }

  @Test
  void aClosedEngineSaysSo() {
    Engine engine = TestModels.engine("scalar");
    engine.close();
    var closed = assertThrows(IllegalStateException.class, engine::warmUp);
    assertEquals("the engine is closed", closed.getMessage());
  }
}
