package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.CacheMemoryException;
import io.lrt4j.Engine;
import io.lrt4j.Fixtures;
import io.lrt4j.GenerationOptions;
import io.lrt4j.TestModels;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.compute.KvStore;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** Keys and values on a device that has less memory than the machine. */
class DeviceMemoryTest {
  private static final long PLENTY = 1L << 30;
  private static final int BLOCK = KvStore.BLOCK;
  private static final int[] PROMPT = {64, 65, 66};

  @BeforeEach
  void memoryCanBeChosen() {
    assumeTrue(Emulator.isThere(), "a real device has what it has");
  }

  @AfterEach
  void allIsGivenBack() {
    Emulator.memory(PLENTY);
    Emulator.check("after all");
    assertEquals(0, Emulator.used());
  }

  /** Bytes of one block of the base model. */
  private static long block() {
    try (Checkpoint checkpoint = Checkpoint.open(Fixtures.dir(TestModels.BASE))) {
      var config = checkpoint.config();
      return 2L * 4 * config.layers() * config.kvDim() * BLOCK;
    }
  }

  /** What an engine has on the device before anybody asks it. */
  private static long loaded() {
    try (Engine _ = TestModels.engine("cuda")) {
      return Emulator.used();
    }
  }

  private static void generate(Engine engine, int tokens) {
    var options = GenerationOptions.defaults().withIgnoreEos(true).withMaxTokens(tokens);
    assertEquals(tokens, engine.generate(PROMPT, options).ids().size());
  }

  /** Those of the base model and of the network. */
  @Test
  void theDefaultLimitIsHalfOfWhatWeightsLeave() {
    Emulator.memory(loaded() + 8 * block());
    try (Engine engine = TestModels.engine("cuda")) {
      Emulator.memory(PLENTY);
      generate(engine, 4 * BLOCK - 3);
      var refused = assertThrows(CacheMemoryException.class, () -> generate(engine, 4 * BLOCK));
      String message = String.valueOf(refused.getMessage());
      assertTrue(message.contains("0.4 of 0.4 MiB (cacheMemory) are in use"), message);
    }
  }
}
