package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Quantizer;
import io.lrt4j.compute.KvStore;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What answers may take up for keys and values, as an engine's user sees it. */
class CacheMemoryTest {
  private static final Path MODEL = Fixtures.dir(TestModels.BASE);
  private static final int BLOCK = KvStore.BLOCK;
  private static final int[] PROMPT = {64, 65, 66};

  @TempDir Path folder;

  private static Engine engine(long cacheMemory) {
    return engine(cacheMemory, CacheType.F32);
  }

  private static Engine engine(long cacheMemory, CacheType type) {
    return Engine.load(
        MODEL, EngineOptions.builder().threads(2).cacheMemory(cacheMemory).cacheType(type).build());
  }

  /** Bytes of one block of the base model. */
  private static long block() {
    try (Checkpoint checkpoint = Checkpoint.open(MODEL)) {
      var config = checkpoint.config();
      return 2L * 4 * config.layers() * config.kvDim() * BLOCK;
    }
  }

  /** A limit that is never reached costs nothing. */
  @Test
  void memoryIsForWhatIsWritten() {
    var options = GenerationOptions.defaults().withIgnoreEos(true);
    try (Engine small = engine(block());
        Engine large = engine(0)) {
      Answer expected = large.generate(PROMPT, options.withMaxTokens(BLOCK - 3));
      assertEquals(BLOCK - 3, expected.ids().size());
      Answer answer = small.generate(PROMPT, options.withMaxTokens(BLOCK - 3));
      assertEquals(expected.ids(), answer.ids());
      assertEquals(expected.logprobs(), answer.logprobs());
      var refused =
          assertThrows(
              CacheMemoryException.class,
              () -> small.generate(PROMPT, options.withMaxTokens(BLOCK)));
      assertTrue(String.valueOf(refused.getMessage()).contains("cacheMemory"));
      assertEquals(expected.ids(), small.generate(PROMPT, options.withMaxTokens(61)).ids());
    }
  }

  /** The same memory holds twice as many tokens, and with bytes 3.76 times as many. */
  @ParameterizedTest
  @CsvSource({"F16, 1000, 2", "Q8, 1063, 4"})
  void roundedOnesTakeLess(CacheType type, long thousandths, int times) {
    var options = GenerationOptions.defaults().withIgnoreEos(true).withMaxTokens(times * BLOCK - 3);
    long memory = block() * thousandths / 1000;
    try (Engine small = engine(memory, type);
        Engine large = engine(memory)) {
      assertEquals(times * BLOCK - 3, small.generate(PROMPT, options).ids().size());
      assertThrows(CacheMemoryException.class, () -> large.generate(PROMPT, options));
      String name = type.name().toLowerCase(Locale.ROOT);
      assertTrue(
          small.describe().contains("; keys and values " + name + "; backend"), small.describe());
    }
  }

  /** What is chosen follows the weights, and what is asked for is stronger. */
  @ParameterizedTest
  @CsvSource({
    "AUTO, NONE, f32",
    "AUTO, BF16, f32",
    "AUTO, Q8, f16",
    "AUTO, Q4, f16",
    "F32, Q4, f32",
    "Q8, Q8, q8",
    "F16, NONE, f16"
  })
  void chosenByTheWeights(CacheType type, Quantization quantization, String stored) {
    for (String backend : TestModels.backends().toList()) {
      var options = EngineOptions.builder().backend(backend).threads(2).quantization(quantization);
      if (type != CacheType.AUTO) { // which is the default
        options.cacheType(type);
      }
      try (Engine engine = Engine.load(MODEL, options.cacheMemory(block()).build())) {
        assertStored(stored, engine);
      }
    }
  }

  /** A checkpoint that is rounded already is what one rounded at load is. */
  @ParameterizedTest
  @EnumSource(names = {"Q8", "Q4"})
  void chosenByStoredWeights(Quantization quantization) {
    Path out = folder.resolve("out");
    assertTrue(Quantizer.model(MODEL, out, Quantizer.Types.projections(quantization)) > 0);
    for (boolean mapped : new boolean[] {false, true}) {
      var options = EngineOptions.builder().threads(2).cacheMemory(block()).mappedWeights(mapped);
      try (Engine engine = Engine.load(out, options.build())) {
        assertStored("f16", engine);
      }
      try (Engine engine = Engine.load(out, options.cacheType(CacheType.F32).build())) {
        assertStored("f32", engine);
      }
    }
  }

  /** By what it says, and by what fits into the memory of a block of f32. */
  private static void assertStored(String type, Engine engine) {
    String text = engine.describe();
    String said = type.equals("f32") ? "keys and values" : "; keys and values " + type + ";";
    assertEquals(!type.equals("f32"), text.contains(said), text);
    var options = GenerationOptions.defaults().withIgnoreEos(true).withMaxTokens(BLOCK);
    if (type.equals("f32")) {
      assertThrows(CacheMemoryException.class, () -> engine.generate(PROMPT, options));
    } else {
      assertEquals(BLOCK, engine.generate(PROMPT, options).ids().size());
    }
  }

  /** Samples that do not fit together take turns, and are the same. */
  @Test
  void samplesTakeTurns() {
    Question question =
        Question.of("What is 12+30?")
            .mode(Mode.DIRECT)
            .options(
                GenerationOptions.defaults()
                    .withTemperature(1)
                    .withSeed(5)
                    .withIgnoreEos(true)
                    .withMaxTokens(80));
    try (Engine small = engine(8 * block());
        Engine large = engine(0)) {
      List<Answer> expected = large.sample(question, 12);
      List<Answer> answers = small.sample(question, 12);
      for (int i = 0; i < expected.size(); i++) {
        assertEquals(expected.get(i).ids(), answers.get(i).ids());
        assertEquals(expected.get(i).logprobs(), answers.get(i).logprobs());
      }
    }
  }

  @Test
  void aNegativeLimitIsRefused() {
    var refused =
        assertThrows(BackendException.class, () -> EngineOptions.defaults().withCacheMemory(-1));
    assertEquals(
        "cache memory must be 0 (half of what there is) or more bytes, found -1",
        refused.getMessage());
  }
}
