package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.locks.LockSupport;
import java.util.stream.Stream;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;

/**
 * A recording tells what was loaded or failed to, each whole answer, and its stages with their
 * sizes, in order.
 */
@Isolated("it records what all engines do")
class FlightRecorderTest {
  @TempDir Path temporary;

  /** Does something, and returns what was recorded of it, by the time of its end. */
  private List<RecordedEvent> recorded(Runnable work) throws IOException {
    Path file = temporary.resolve("recording.jfr");
    try (Recording recording = new Recording()) {
      List.of("Load", "WarmUp", "Answer", "Encode", "Reason", "Prefill", "Decode")
          .forEach(name -> recording.enable("io.lrt4j." + name).withoutThreshold());
      recording.setDestination(file);
      recording.start();
      work.run();
      recording.stop();
    }
    List<RecordedEvent> events =
        RecordingFile.readAllEvents(file).stream()
            .sorted(Comparator.comparing(RecordedEvent::getEndTime))
            .toList();
    for (RecordedEvent event : events) {
      assertTrue(event.getDuration().isPositive(), event.toString());
      assertEquals(List.of("lrt4j"), event.getEventType().getCategoryNames());
      assertTrue(event.getStackTrace() == null, event.toString());
    }
    return events;
  }

  private static String name(RecordedEvent event) {
    return event.getEventType().getName().substring("io.lrt4j.".length());
  }

  private List<RecordedEvent> recorded(String name, Runnable work) throws IOException {
    return recorded(work).stream().filter(event -> name(event).equals(name)).toList();
  }

  @Test
  void theStagesOfALatentAnswer() throws IOException {
    List<RecordedEvent> events =
        recorded(
            () -> {
              try (Engine engine = TestModels.engine("scalar")) {
                Answer answer =
                    engine.ask(Question.of("What is 12+30?").mode(Mode.LATENT).maxTokens(5));
                assertEquals(29 + 4, answer.tokens().prompt());
              }
            });
    assertEquals(
        List.of("Load", "Encode", "Reason", "Prefill", "Decode", "Answer"),
        events.stream().map(FlightRecorderTest::name).toList());
    RecordedEvent load = events.getFirst();
    assertEquals(Fixtures.dir(TestModels.BASE).toString(), load.getString("directory"));
    assertTrue(load.getLong("parameters") > 100_000);
    assertEquals("scalar", load.getString("backend"));
    assertNull(load.getString("error"));
    assertEquals(
        List.of(29, 8, 8 + 4, 5),
        events.subList(1, 5).stream().map(e -> e.getInt("tokens")).toList());
    RecordedEvent answer = events.getLast();
    assertEquals("latent", answer.getString("mode"));
    assertEquals("scalar", answer.getString("backend"));
    assertEquals("length", answer.getString("finishReason"));
    assertNull(answer.getString("error"));
    assertEquals(
        List.of(29 + 4, 8, 0, 5),
        Stream.of("prompt", "latent", "reasoning", "answer")
            .map(kind -> answer.getInt(kind + "Tokens"))
            .toList());
    assertTrue(answer.getStartTime().isBefore(events.get(1).getStartTime()));
  }

  @Test
  void everyAnswerOnceAndWhatBecameOfIt() throws IOException {
    var off = new Cancellation();
    off.cancel();
    Question question = Question.of("What is 12+30?").mode(Mode.EXPLICIT).maxTokens(4);
    List<RecordedEvent> events =
        recorded(
            "Answer",
            () -> {
              try (Engine engine = TestModels.engine("scalar")) {
                assertEquals(2, engine.sample(question.temperature(1), 2).size());
                engine.ask(question.cancelledBy(off));
                engine.generate(
                    new int[] {1}, GenerationOptions.defaults().withMaxTokens(1)); // plain
                assertThrows(QuestionException.class, () -> engine.ask(question.mode(Mode.AUTO)));
                assertTrue(engine.warmUp().isPositive()); // answers nobody
              }
            });
    assertEquals(
        List.of(
            "explicit length",
            "explicit length",
            "explicit cancelled",
            "direct length",
            "auto null"),
        events.stream().map(e -> e.getString("mode") + " " + e.getString("finishReason")).toList());
    assertTrue(events.getLast().getString("error").contains("auto_threshold"));
  }

  /** One at a time: the second waits for as long as the first takes. */
  @Test
  void timeInTheQueue() throws IOException {
    EngineOptions one =
        EngineOptions.builder()
            .network(Fixtures.dir(TestModels.APPEND))
            .backend("scalar")
            .concurrency(1)
            .build();
    Question question = Question.of("What is 12+30?").mode(Mode.DIRECT).maxTokens(4);
    CountDownLatch begun = new CountDownLatch(1);
    CountDownLatch asked = new CountDownLatch(1);
    List<RecordedEvent> events =
        recorded(
            "Answer",
            () -> {
              try (Engine engine = Engine.load(Fixtures.dir(TestModels.BASE), one)) {
                var first =
                    engine.askAsync(
                        question,
                        _ -> {
                          begun.countDown();
                          await(asked);
                          LockSupport.parkNanos(20_000_000);
                        });
                await(begun);
                var second = engine.askAsync(question);
                asked.countDown();
                first.join();
                second.join();
              }
            });
    Duration waited = events.getLast().getDuration("waited");
    assertTrue(waited.compareTo(Duration.ofMillis(20)) >= 0, waited.toString());
    // It was asked when the first had begun, and began when it had waited; two clocks are read.
    Instant first = events.getFirst().getStartTime();
    Duration most = Duration.between(first, events.getLast().getStartTime()).plusMillis(1);
    assertTrue(waited.compareTo(most) <= 0, waited + " of " + most);
  }

  private static void await(CountDownLatch latch) {
    try {
      latch.await();
    } catch (InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  @Test
  void aWarmUp() throws IOException {
    String fastest = TestModels.backends().findFirst().orElseThrow();
    List<RecordedEvent> events =
        recorded(
            "WarmUp",
            () -> {
              try (Engine engine = TestModels.engine(fastest)) {
                assertTrue(engine.warmUp().isPositive());
              }
            });
    RecordedEvent event = events.getFirst();
    assertEquals(1, events.size());
    assertTrue(event.getInt("rounds") >= 1);
    for (String round : List.of("first", "last")) {
      Duration took = event.getDuration(round);
      assertTrue(took.isPositive() && took.compareTo(event.getDuration()) < 0, took.toString());
    }
  }

  @Test
  void loadsThatFail() throws IOException {
    Path missing = temporary.resolve("missing");
    EngineOptions unknown = EngineOptions.defaults().withBackend("abacus");
    List<RecordedEvent> events =
        recorded(
            "Load",
            () -> {
              assertThrows(CheckpointException.class, () -> Engine.load(missing));
              assertThrows(BackendException.class, () -> Engine.load(missing, unknown));
            });
    assertEquals(
        List.of("auto", "abacus"), events.stream().map(e -> e.getString("backend")).toList());
    for (RecordedEvent event : events) {
      assertEquals(missing.toString(), event.getString("directory"));
      assertEquals(0, event.getLong("parameters"));
    }
    assertTrue(events.getFirst().getString("error").contains("missing"));
    assertTrue(events.getLast().getString("error").contains("abacus"));
  }
}
