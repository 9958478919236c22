package io.lrt4j.reasoning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.EngineOptions;
import io.lrt4j.Fixtures;
import io.lrt4j.LrtException;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.TestModels;
import io.lrt4j.compute.Backends;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Every memory that a backend gave is closed with the session and the model, whatever happened. */
class MemoryTest {
  private static final Question QUESTION = Question.of("What is 12+30?").maxTokens(6);

  @TempDir Path temporary;

  @ParameterizedTest
  @EnumSource(Mode.class)
  void afterAnswersAndFailures(Mode mode) {
    Path network = TestModels.calibrated(temporary.resolve("network"), 1e9, "mean_logprob");
    var m = new SpiedModel(Fixtures.dir(TestModels.BASE), network);
    int loaded = m.spy.openMemories();
    m.ask(QUESTION.mode(mode));
    m.ask(QUESTION.system("a longer question ".repeat(20)).mode(mode)); // buffers are replaced
    m.session.ask(QUESTION.mode(mode).temperature(1).seed(1), 5, null); // forks of the cache
    int kept = m.spy.openMemories();
    assertTrue(kept > loaded, kept + " of " + m.spy.memories());
    for (int i = 0; i < 10; i++) {
      m.session.ask(QUESTION.mode(mode).temperature(1).seed(1), 5, null);
      assertEquals(kept, m.spy.openMemories());
    }
    var thrown = new IllegalArgumentException("mine");
    assertThrows(
        IllegalArgumentException.class,
        () ->
            m.session.ask(
                QUESTION.mode(mode),
                3,
                token -> {
                  throw thrown;
                }));
    Question tooLong = QUESTION.system("x ".repeat(2000)).mode(mode);
    assertThrows(LrtException.class, () -> m.ask(tooLong));
    assertEquals(kept, m.spy.openMemories());
    m.close();
    assertEquals(0, m.spy.openMemories());
    assertTrue(m.spy.closed());
  }

  @Test
  void afterLoadsThatFail() {
    Path base = Fixtures.dir(TestModels.BASE);
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    TestModels.edit(model.resolve("tokenizer.json"), t -> t.remove("model"));
    Path[][] pairs = {
      {temporary.resolve("missing"), Fixtures.dir(TestModels.APPEND)},
      {base, temporary.resolve("missing")},
      {base, base}, // no network
      {model, Fixtures.dir(TestModels.APPEND)},
    };
    for (Path[] pair : pairs) {
      var spy = new SpyBackend(Backends.open("scalar", 1));
      var options = EngineOptions.defaults().withNetwork(pair[1]);
      assertThrows(LrtException.class, () -> LoadedModel.load(pair[0], options, spy.backend()));
      assertEquals(0, spy.openMemories());
      assertTrue(spy.closed());
    }
  }

  /** One that throws while it is closed keeps no other open. */
  @Test
  void whatCannotBeClosed() {
    var m = new SpiedModel(Fixtures.dir(TestModels.BASE), Fixtures.dir(TestModels.APPEND));
    m.ask(QUESTION.mode(Mode.LATENT));
    m.spy.failToClose();
    var e = assertThrows(IllegalStateException.class, m.session::close);
    assertTrue(e.getSuppressed().length > 0);
    assertThrows(IllegalStateException.class, m.model::close);
    assertEquals(0, m.spy.openMemories());
    assertTrue(m.spy.closed());
    m.model.close(); // once more is nothing
  }

  @Test
  void whatCannotBeClosedHidesNoReason() {
    var spy = new SpyBackend(Backends.open("scalar", 1));
    spy.failToClose();
    Path missing = temporary.resolve("missing");
    var options = EngineOptions.defaults().withNetwork(missing);
    Path base = Fixtures.dir(TestModels.BASE);
    var e = assertThrows(LrtException.class, () -> LoadedModel.load(base, options, spy.backend()));
    assertTrue(String.valueOf(e.getMessage()).contains(missing.toString()), e.getMessage());
    assertTrue(e.getSuppressed().length > 0);
    assertEquals(0, spy.openMemories());
    assertTrue(spy.closed());
  }
}
