package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Cancellation;
import io.lrt4j.GenerationOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Greedy unless sampling is asked for; then the checkpoint's settings fill the gaps. */
class DecodingTest {
  private static final GenerationOptions QWEN3 =
      GenerationOptions.defaults().withTemperature(0.6f).withTopP(0.95f).withTopK(20);

  private static Decoding decoding(String... args) {
    String[] line = Stream.concat(Stream.of("x"), Stream.of(args)).toArray(String[]::new);
    return Decoding.of(Arguments.parse(new AskCommand(), line));
  }

  private static GenerationOptions over(GenerationOptions checkpoint, Decoding decoding) {
    return decoding.over(checkpoint, decoding.sampling(1), new Cancellation());
  }

  @Test
  void aSchemaIsReadFromItsFile(@TempDir Path folder) throws IOException {
    Path file = Files.writeString(folder.resolve("schema"), "{}");
    assertEquals("{}", over(QWEN3, decoding("--json-schema", file.toString())).jsonSchema());
    assertThrows(FailureException.class, () -> decoding("--json-schema", folder + "/none"));
  }

  @Test
  void nothingGivenIsGreedy() {
    GenerationOptions options = over(QWEN3, decoding());
    assertEquals(0, options.temperature());
    assertEquals(512, options.maxTokens());
    assertNull(options.seed());
  }

  @Test
  void theCheckpointsPenaltyCountsInGreedyDecodingToo() {
    GenerationOptions checkpoint = QWEN3.withRepetitionPenalty(1.1f);
    assertEquals(1.1f, over(checkpoint, decoding()).repetitionPenalty());
    assertEquals(1, over(checkpoint, decoding("--repetition-penalty", "1")).repetitionPenalty());
  }

  @Test
  void temperatureAloneTakesTheRestFromTheCheckpoint() {
    GenerationOptions options = over(QWEN3, decoding("--temperature", "0.9"));
    assertEquals(0.9f, options.temperature());
    assertEquals(0.95f, options.topP());
    assertEquals(20, options.topK());
  }

  @Test
  void topPAloneSamplesAtTheCheckpointsTemperature() {
    GenerationOptions options = over(QWEN3, decoding("--top-p", "0.5"));
    assertEquals(0.6f, options.temperature());
    assertEquals(0.5f, options.topP());
  }

  @Test
  void samplingFromAGreedyCheckpointIsAtTemperatureOne() {
    assertEquals(1, over(GenerationOptions.defaults(), decoding("--top-k", "5")).temperature());
  }

  @Test
  void temperatureZeroIsGreedyWhateverElseIsGiven() {
    Decoding decoding = decoding("--temperature", "0", "--top-p", "0.5");
    assertFalse(decoding.sampling(8));
    assertEquals(0, over(QWEN3, decoding).temperature());
  }

  @Test
  void severalSamplesAreSampled() {
    assertFalse(decoding().sampling(1));
    assertTrue(decoding().sampling(2));
  }

  @Test
  void everythingGiven() {
    var cancellation = new Cancellation();
    GenerationOptions options =
        decoding(
                "--max-tokens",
                "7",
                "--budget",
                "5",
                "--ignore-eos",
                "--temperature",
                "0.5",
                "--top-p",
                "0.25",
                "--top-k",
                "3",
                "--min-p",
                "0.125",
                "--repetition-penalty",
                "1.5",
                "--seed",
                "-9",
                "--stop",
                "\"a\"",
                "--stop",
                "-b")
            .over(QWEN3, true, cancellation);
    assertEquals(
        QWEN3.toBuilder()
            .maxTokens(7)
            .budget(5)
            .ignoreEos(true)
            .temperature(0.5f)
            .topP(0.25f)
            .topK(3)
            .minP(0.125f)
            .repetitionPenalty(1.5f)
            .seed(-9L)
            .stop(List.of("\"a\"", "-b"))
            .cancellation(cancellation)
            .build(),
        options);
  }

  @Test
  void budgetAloneRaisesTheLimit() {
    assertEquals(4096, over(QWEN3, decoding("--budget", "4096")).maxTokens());
    assertEquals(512, over(QWEN3, decoding("--budget", "64")).maxTokens());
  }
}
