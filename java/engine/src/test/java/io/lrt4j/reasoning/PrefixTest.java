package io.lrt4j.reasoning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Answer;
import io.lrt4j.CacheType;
import io.lrt4j.EngineOptions;
import io.lrt4j.Fixtures;
import io.lrt4j.Fuzz;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.Question.Message;
import io.lrt4j.Role;
import io.lrt4j.TestModels;
import io.lrt4j.compute.KvStore;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Questions that begin alike: what was read is not read again, and nothing else changes. */
class PrefixTest {
  private static final String SYSTEM = "You are a helpful and careful assistant. ".repeat(8);
  private static final int BLOCK = KvStore.BLOCK;
  private static final int FEW = 8; // tokens of a block: fewer are read again

  @TempDir Path temporary;

  private static Question question(String text, Mode mode) {
    return Question.of(text)
        .system(SYSTEM)
        .mode(mode)
        .options(GenerationOptions.defaults().withMaxTokens(6).withIgnoreEos(true));
  }

  private SpiedModel model(String backend, boolean reuse, long cacheMemory) {
    return model(backend, reuse, cacheMemory, CacheType.F32);
  }

  private SpiedModel model(String backend, boolean reuse, long cacheMemory, CacheType type) {
    Path network = temporary.resolve("network");
    if (!Files.exists(network)) {
      TestModels.calibrated(network, -4, "mean_logprob");
    }
    var options =
        EngineOptions.builder()
            .network(network)
            .prefixReuse(reuse)
            .cacheMemory(cacheMemory)
            .cacheType(type)
            .build();
    return new SpiedModel(SpiedModel.spyOn(backend), Fixtures.dir(TestModels.BASE), options);
  }

  private static void assertSame(Answer expected, Answer answer) {
    assertEquals(expected.ids(), answer.ids());
    assertEquals(expected.logprobs(), answer.logprobs());
    assertEquals(expected.mode(), answer.mode());
    assertEquals(expected.confidence(), answer.confidence());
    assertEquals(0, expected.tokens().cached());
  }

  /** In all modes, each of them after each: the same bits as without. */
  @ParameterizedTest
  @MethodSource("io.lrt4j.TestModels#backends")
  void theSameBitsAsWithout(String backend) {
    theSameBitsAsWithout(backend, CacheType.F32, List.of(Mode.DIRECT, Mode.LATENT));
  }

  /** And those of rounded keys and values are others. */
  @ParameterizedTest
  @MethodSource("io.lrt4j.TestModels#backends")
  void halves(String backend) {
    rounded(backend, CacheType.F16, Mode.DIRECT, 5e-3);
  }

  @ParameterizedTest
  @MethodSource("io.lrt4j.TestModels#backends")
  void bytes(String backend) {
    rounded(backend, CacheType.Q8, Mode.LATENT, 5e-2);
  }

  private void rounded(String backend, CacheType type, Mode first, double most) {
    theSameBitsAsWithout(backend, type, List.of(first));
    Question question = question("How many apples?", Mode.DIRECT);
    try (SpiedModel plain = model(backend, true, 0);
        SpiedModel other = model(backend, true, 0, type)) {
      List<Float> exact = plain.ask(question).logprobs();
      List<Float> rounded = other.ask(question).logprobs();
      assertNotEquals(exact, rounded);
      for (int i = 0; i < exact.size(); i++) {
        assertEquals(exact.get(i), rounded.get(i), most);
      }
    }
  }

  private void theSameBitsAsWithout(String backend, CacheType type, List<Mode> firsts) {
    Map<Mode, Answer> expected = new EnumMap<>(Mode.class);
    try (SpiedModel fresh = model(backend, false, 0, type)) {
      for (Mode mode : Mode.values()) {
        expected.put(mode, fresh.ask(question("How many apples?", mode)));
      }
    }
    for (Mode first : firsts) {
      try (SpiedModel m = model(backend, true, 0, type)) {
        assertEquals(0, m.ask(question("What is 1+2?", first)).tokens().cached());
        for (Mode mode : Mode.values()) {
          Answer answer = m.ask(question("How many apples?", mode));
          assertSame(Objects.requireNonNull(expected.get(mode)), answer);
          assertTrue(answer.tokens().cached() >= 3 * BLOCK, "" + answer.tokens());
        }
      }
    }
  }

  @Test
  void whatIsKnownIsNotReadAgain() {
    try (SpiedModel m = model("scalar", true, 0)) {
      Question question = question("What is 1+2?", Mode.DIRECT);
      int n = m.ask(question).tokens().prompt();
      m.spy.takeSteps();
      Answer again = m.ask(question);
      assertEquals(n - 1, again.tokens().cached());
      assertEquals(List.of(new SpyBackend.Run(n - 1, 1)), m.spy.takeSteps().getFirst().runs());
    }
  }

  /** Of a whole number of blocks, too, the last token is read again, for what follows it. */
  @ParameterizedTest
  @EnumSource(
      value = Mode.class,
      names = {"DIRECT", "LATENT"})
  void somethingIsAlwaysRead(Mode mode) {
    try (SpiedModel m = model("scalar", true, 0);
        SpiedModel fresh = model("scalar", false, 0)) {
      Question question = question("", mode);
      for (int pad = 1; m.session.prompt(question).length % BLOCK != 0; pad++) {
        question = question("1".repeat(pad), mode);
      }
      int n = m.session.prompt(question).length;
      m.ask(question);
      Answer again = m.ask(question);
      assertEquals(n - 1, again.tokens().cached());
      assertSame(fresh.ask(question), again);
    }
  }

  /** Prompts made of the same few beginnings, and what there is to be known of each. */
  private static final class Beginnings {
    private final SplittableRandom random;
    private final List<int[]> asked = new ArrayList<>();

    Beginnings(long seed) {
      random = new SplittableRandom(seed);
    }

    /** 1 to 200 tokens of one that was asked before, and up to 90 others. */
    int[] next() {
      int[] own = random.ints(1 + random.nextInt(90), 0, 250).toArray();
      if (asked.isEmpty()) {
        return own;
      }
      int[] before = asked.get(random.nextInt(asked.size()));
      int common = Math.min(before.length, 1 + random.nextInt(200));
      boolean again = common == before.length && random.nextBoolean();
      int[] prompt = Arrays.copyOf(before, common + (again ? 0 : own.length));
      System.arraycopy(own, 0, prompt, common, prompt.length - common);
      return prompt;
    }

    /** As many as a prompt has in common with one before, but its last, and not a few alone. */
    int known(int[] prompt) {
      int most = 0;
      for (int[] before : asked) {
        int common = Arrays.mismatch(before, prompt);
        most = Math.max(most, common < 0 ? prompt.length : common);
      }
      most = Math.min(most, prompt.length - 1);
      return most % BLOCK < FEW ? most / BLOCK * BLOCK : most;
    }
  }

  @ParameterizedTest
  @MethodSource("io.lrt4j.TestModels#backends")
  void beginningsOfAnyLength(String backend) {
    GenerationOptions options =
        GenerationOptions.defaults().withMaxTokens(3).withIgnoreEos(true).withTemperature(0);
    int place = TestModels.backends().toList().indexOf(backend);
    for (CacheType type : EnumSet.complementOf(EnumSet.of(CacheType.AUTO))) {
      if (!Fuzz.runs(place, type.ordinal())) {
        continue;
      }
      Beginnings beginnings = new Beginnings(type.ordinal());
      try (SpiedModel m = model(backend, true, 0, type);
          SpiedModel fresh = model(backend, false, 0, type)) {
        for (int i = 0; i < 12 * Fuzz.FACTOR; i++) {
          int[] prompt = beginnings.next();
          Answer answer = m.session.generate(prompt, options, null);
          assertSame(fresh.session.generate(prompt, options, null), answer);
          assertEquals(beginnings.known(prompt), answer.tokens().cached());
          beginnings.asked.add(prompt);
        }
      }
    }
  }

  /** Short questions, in all modes: hidden states of a block's beginning are known as well. */
  @ParameterizedTest
  @MethodSource("io.lrt4j.TestModels#backends")
  void shortQuestions(String backend) {
    SplittableRandom random = new SplittableRandom(3);
    Beginnings beginnings = new Beginnings(0);
    try (SpiedModel m = model(backend, true, 0);
        SpiedModel fresh = model(backend, false, 0)) {
      int most = 0;
      for (int i = 0; i < 30; i++) {
        Mode mode = Mode.values()[random.nextInt(Mode.values().length)];
        String text = "How many apples are 3 and 4? ".substring(0, 1 + random.nextInt(28));
        Question question =
            Question.of(text + random.nextInt(9))
                .mode(mode)
                .options(GenerationOptions.defaults().withMaxTokens(4).withIgnoreEos(true));
        int[] prompt = m.session.prompt(question);
        Answer answer = m.ask(question);
        assertSame(fresh.ask(question), answer);
        assertEquals(beginnings.known(prompt), answer.tokens().cached());
        beginnings.asked.add(prompt);
        most = Math.max(most, answer.tokens().cached());
      }
      assertTrue(most > FEW && most < BLOCK, "" + most);
    }
  }

  /** Others begin as one does who is still writing behind it, and they leave him alone. */
  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "Q8"})
  void ofAnAnswerUnderWay(CacheType type) {
    GenerationOptions options =
        GenerationOptions.defaults().withIgnoreEos(true).withTemperature(0).withMaxTokens(30);
    int[] prompt = new SplittableRandom(1).ints(40, 0, 250).toArray();
    int[] other = prompt.clone();
    other[35]++;
    try (SpiedModel m = model("scalar", true, 0, type);
        Session second = new Session(m.model);
        SpiedModel fresh = model("scalar", false, 0, type)) {
      Answer expected = fresh.session.generate(prompt, options, null);
      Answer expectedOther = fresh.session.generate(other, options, null);
      List<Answer> others = new ArrayList<>();
      Answer answer =
          m.session.generate(
              prompt,
              options,
              token -> {
                if (others.size() < 4) {
                  others.add(
                      second.generate(others.size() % 2 == 0 ? other : prompt, options, null));
                }
              });
      assertSame(expected, answer);
      assertEquals(List.of(35, 39, 39, 39), others.stream().map(a -> a.tokens().cached()).toList());
      for (int i = 0; i < others.size(); i++) {
        assertSame(i % 2 == 0 ? expectedOther : expected, others.get(i));
      }
    }
  }

  /** A longer beginning takes the place of what it begins with. */
  @Test
  void nothingIsKeptTwice() {
    GenerationOptions options = GenerationOptions.defaults().withMaxTokens(1).withTemperature(0);
    int[] tokens = new SplittableRandom(1).ints(3 * BLOCK, 0, 250).toArray();
    try (SpiedModel m = model("scalar", true, 0)) {
      int[] sizes = {0, 1, 1, 1, 1, 1, 2, 2, 2, 3, 3};
      int[] lengths = {FEW - 1, FEW, 9, 40, 20, BLOCK, BLOCK + 8, BLOCK + 60, 30, 130 + 6, BLOCK};
      for (int i = 0; i < lengths.length; i++) {
        m.session.generate(Arrays.copyOf(tokens, lengths[i]), options, null);
        assertEquals(sizes[i], m.model.prefixes().size(), "after " + lengths[i]);
      }
    }
  }

  @Test
  void aConversationGoesOn() {
    try (SpiedModel m = model("scalar", true, 0);
        SpiedModel fresh = model("scalar", false, 0)) {
      Message system = new Message(Role.SYSTEM, SYSTEM);
      Message user = new Message(Role.USER, "What is 12+30? ".repeat(5));
      Message said = new Message(Role.ASSISTANT, "42");
      Message more = new Message(Role.USER, "And twice that?");
      m.ask(Question.of(List.of(system, user)).mode(Mode.DIRECT).maxTokens(2));
      Question next = Question.of(List.of(system, user, said, more)).mode(Mode.DIRECT).maxTokens(8);
      Answer answer = m.ask(next);
      assertSame(fresh.ask(next), answer);
      assertTrue(answer.tokens().cached() > 3 * BLOCK, "" + answer.tokens());
    }
  }

  /** Questions that differ from the first token of the system's message on. */
  private static Question numbered(int i, String text, Mode mode) {
    return Question.of(text)
        .system(i + " " + SYSTEM)
        .mode(mode)
        .options(GenerationOptions.defaults().withMaxTokens(4).withIgnoreEos(true));
  }

  /** Under a small cap the oldest beginnings go first, and answers under way before any of them. */
  @Test
  void theLeastRecentlyUsedGoFirst() {
    try (SpiedModel probe = model("scalar", true, 0)) {
      probe.ask(question("x", Mode.DIRECT));
      int blocks = probe.model.prefixes().size();
      var config = probe.model.transformer().config();
      long each = 2L * 4 * config.layers() * config.kvDim() * BLOCK;
      try (SpiedModel m = model("scalar", true, 8L * (blocks + 1) * each);
          SpiedModel fresh = model("scalar", false, 0)) {
        int most = 0;
        for (int i = 0; i < 6; i++) {
          Question question = numbered(i, "x", Mode.LATENT);
          assertSame(fresh.ask(question), m.ask(question));
          most = Math.max(most, m.model.prefixes().size());
        }
        assertTrue(most > blocks && most < 3 * (blocks + 1), most + " of " + blocks);
        assertTrue(m.ask(numbered(5, "y", Mode.LATENT)).tokens().cached() > 0);
        int forgotten = m.ask(numbered(0, "y", Mode.LATENT)).tokens().cached();
        assertTrue(forgotten < BLOCK / 2, "what all begin with at most, found " + forgotten);
      }
      // As much as one answer needs and no more: nothing can be kept, and nothing fails.
      try (SpiedModel m = model("scalar", true, (blocks + 2L) * each);
          SpiedModel fresh = model("scalar", false, 0)) {
        for (int i = 0; i < 3; i++) {
          Question question = numbered(i, "x", Mode.DIRECT);
          assertSame(fresh.ask(question), m.ask(question));
        }
      }
    }
  }

  @Test
  void nothingIsLeft() {
    SpiedModel m = model("scalar", true, 0);
    m.ask(question("What is 1+2?", Mode.LATENT));
    m.ask(question("What is 2+2?", Mode.EXPLICIT));
    assertTrue(m.model.prefixes().size() > 0);
    m.close();
    assertEquals(0, m.spy.openMemories());
  }
}
