package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import jdk.jfr.Recording;
import jdk.jfr.consumer.RecordedEvent;
import jdk.jfr.consumer.RecordingFile;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.Isolated;

/** A recording tells what was loaded, and the stages of an answer with their sizes, in order. */
@Isolated("it records what all engines do")
class FlightRecorderTest {
  @TempDir Path temporary;

  @Test
  void theStagesOfALatentAnswer() throws IOException {
    Path file = temporary.resolve("recording.jfr");
    Path model = Fixtures.dir(TestModels.BASE);
    Answer answer;
    try (Recording recording = new Recording()) {
      List.of("Load", "Encode", "Reason", "Prefill", "Decode")
          .forEach(name -> recording.enable("io.lrt4j." + name).withoutThreshold());
      recording.setDestination(file);
      recording.start();
      try (Engine engine = TestModels.engine("scalar")) {
        answer = engine.ask(Question.of("What is 12+30?").mode(Mode.LATENT).maxTokens(5));
      }
      recording.stop();
    }

    List<RecordedEvent> events =
        RecordingFile.readAllEvents(file).stream()
            .sorted(java.util.Comparator.comparing(RecordedEvent::getEndTime))
            .toList();
    assertEquals(
        List.of("Load", "Encode", "Reason", "Prefill", "Decode"),
        events.stream()
            .map(e -> e.getEventType().getName().substring("io.lrt4j.".length()))
            .toList());
    assertEquals(model.toString(), events.getFirst().getString("directory"));
    assertTrue(events.getFirst().getLong("parameters") > 100_000);
    assertEquals(
        List.of(29, 8, 8 + 4, 5),
        events.subList(1, 5).stream().map(e -> e.getInt("tokens")).toList());
    assertEquals(29 + 4, answer.tokens().prompt());
    for (RecordedEvent event : events) {
      assertTrue(event.getDuration().isPositive(), event.toString());
      assertEquals(List.of("lrt4j"), event.getEventType().getCategoryNames());
      assertTrue(event.getStackTrace() == null, event.toString());
    }
  }
}
