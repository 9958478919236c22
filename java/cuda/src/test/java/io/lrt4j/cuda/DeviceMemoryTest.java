package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.BackendException;
import io.lrt4j.CacheMemoryException;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Fixtures;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.TestModels;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.KvStore;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.PrefixCache;
import io.lrt4j.compute.Tensor;
import java.util.List;
import jcuda.driver.CUresult;
import org.jspecify.annotations.Nullable;
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

  private static int[] tokens(int first, int n) {
    int[] tokens = new int[n];
    for (int i = 0; i < n; i++) {
      tokens[i] = first + i % 8;
    }
    return tokens;
  }

  /** Whoever allows more than the device has still gets what is kept there for others. */
  @Test
  void aFullDeviceGivesBackWhatIsKept() {
    EngineOptions options =
        EngineOptions.defaults()
            .withNetwork(Fixtures.dir(TestModels.APPEND))
            .withBackend("cuda")
            .withCacheMemory(PLENTY);
    try (Engine engine = Engine.load(Fixtures.dir(TestModels.BASE), options)) {
      generate(engine, 3);
      Emulator.memory(Emulator.used() + (2L << 20));
      var three = GenerationOptions.defaults().withIgnoreEos(true).withMaxTokens(3);
      for (int i = 0; i < 40; i++) {
        Question question = Question.of("What is 12+30? ".repeat(i)).options(three);
        assertEquals(3, engine.ask(question).ids().size());
      }
      var refused =
          assertThrows(
              CacheMemoryException.class,
              () ->
                  engine.sample(
                      Question.of("What is 12+30? ")
                          .mode(Mode.DIRECT)
                          .options(three.withTemperature(1).withMaxTokens(600)),
                      64));
      String message = String.valueOf(refused.getMessage());
      assertTrue(
          message.startsWith(
              "no room for more keys and values: no device memory for 0.1 MiB more: 0.0 of "),
          message);
    }
  }

  /** Whatever there was no memory for: it is said, and whoever asks next is answered. */
  @Test
  void aLackOfMemorySpoilsNothing() {
    int[] prompt = tokens(64, 300);
    var three = GenerationOptions.defaults().withIgnoreEos(true).withMaxTokens(3);
    List<Integer> expected;
    try (Engine engine = TestModels.engine("cuda")) {
      expected = engine.generate(prompt, three).ids();
    }
    int refused = 0;
    for (int call = 0; call < 26; call++) {
      try (Engine engine = TestModels.engine("cuda")) {
        Emulator.fail("cuMemAlloc_v2", call, CUresult.CUDA_ERROR_OUT_OF_MEMORY);
        try {
          assertEquals(expected, engine.generate(prompt, three).ids());
        } catch (CacheMemoryException | BackendException e) {
          refused++;
        }
        Emulator.check("allocation " + call);
        Emulator.reset();
        assertEquals(expected, engine.generate(prompt, three).ids(), "after allocation " + call);
      }
    }
    assertTrue(refused > 10, refused + " were refused");
  }

  /** The least recently used goes, and no more than is in the way. */
  @Test
  void whatWasUsedLatelyStays() {
    try (Backend cuda = new CudaProvider().open(1)) {
      CacheMemory memory = CacheMemory.unlimited();
      try (KvStore store = new KvStore(cuda, 2, 2, 32, memory);
          PrefixCache prefixes = new PrefixCache(cuda, store, memory, 0, PLENTY)) {
        for (int i = 0; i < 4; i++) {
          keep(prefixes, store, tokens(10 * i, BLOCK), null);
        }
        assertEquals(4, prefixes.size());
        Emulator.memory(Emulator.used());
        try (KvCache cache = store.newCache()) {
          cache.reserve(2 * BLOCK);
          assertEquals(2, prefixes.size());
          for (int i = 0; i < 4; i++) {
            int known = i < 2 ? 0 : BLOCK - 1;
            try (KvCache other = store.newCache()) {
              assertEquals(known, prefixes.restore(tokens(10 * i, BLOCK), other, null));
            }
          }
          cache.reserve(4 * BLOCK);
          assertEquals(0, prefixes.size());
          assertThrows(CacheMemoryException.class, () -> cache.reserve(5 * BLOCK));
        }
      }
    }
  }

  /** What cannot be kept is not, and whoever asked is answered. */
  @Test
  void noDeviceMemoryForHiddenStates() {
    try (Backend cuda = new CudaProvider().open(1);
        Memory own = cuda.newMemory()) {
      Tensor hidden = own.allocate(BLOCK, 16);
      CacheMemory memory = CacheMemory.unlimited();
      try (KvStore store = new KvStore(cuda, 2, 2, 32, memory);
          PrefixCache prefixes = new PrefixCache(cuda, store, memory, 16, PLENTY)) {
        try (KvCache cache = store.newCache()) {
          cache.reserve(BLOCK);
          cache.advance(BLOCK);
          Emulator.memory(0);
          long used = Emulator.used();
          prefixes.keep(tokens(0, BLOCK), cache, hidden);
          assertEquals(0, prefixes.size());
          assertEquals(used, Emulator.used());
          Emulator.memory(PLENTY);
          prefixes.keep(tokens(0, BLOCK), cache, hidden);
          assertEquals(1, prefixes.size());
        }
      }
    }
  }

  private static void keep(
      PrefixCache prefixes, KvStore store, int[] tokens, @Nullable Tensor hidden) {
    try (KvCache cache = store.newCache()) {
      cache.reserve(tokens.length);
      cache.advance(tokens.length);
      prefixes.keep(tokens, cache, hidden);
    }
  }
}
