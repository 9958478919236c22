package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTimeoutPreemptively;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.checkpoint.SafetensorsWriter;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.compute.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Consumer;
import java.util.function.Function;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.SimpleFormatter;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Checkpoints as people have them: what is unusual but sound says what it says in transformers
 * 5.18, recorded from there; what cannot be run is refused by the name of what is wrong with it.
 */
class FoundInTheWildTest {
  /** What the untouched model says to ids 1, 2, 3, 4. */
  private static final List<Integer> UNTOUCHED = List.of(281, 137, 288, 288, 288, 65, 343, 121);

  private static final List<Integer> TWO_LAYERS = List.of(255, 78, 56, 229, 161, 317, 343, 343);

  @TempDir Path temporary;

  private static Arguments sound(String name, Consumer<Path> change) {
    return Arguments.of(name, change, UNTOUCHED);
  }

  private static Arguments config(String name, Consumer<ObjectNode> change) {
    return sound(name, d -> TestModels.edit(d.resolve("config.json"), change));
  }

  private static Arguments generation(String name, Consumer<ObjectNode> change) {
    return sound(name, d -> TestModels.edit(d.resolve("generation_config.json"), change));
  }

  private static Arguments tensors(String name, String... more) {
    return sound(name, d -> add(d, more));
  }

  /** Adds bf16 tensors of one zero each. */
  private static void add(Path directory, String... names) {
    TestModels.header(
        directory,
        header -> {
          long end = 0;
          for (var entry : header) {
            end = Math.max(end, entry.path("data_offsets").path(1).asLong());
          }
          for (String name : names) {
            ObjectNode tensor = header.putObject(name).put("dtype", "BF16");
            tensor.putArray("shape").add(1);
            tensor.putArray("data_offsets").add(end).add(end + 2);
            end += 2;
          }
        },
        2 * names.length);
  }

  private static void rename(Path directory, int every) {
    TestModels.header(
        directory,
        header -> {
          List<String> names = new ArrayList<>();
          header.fieldNames().forEachRemaining(names::add);
          for (int i = 0; i < names.size(); i++) {
            if (i % every == 0 && names.get(i).startsWith("model.")) {
              var tensor = header.remove(names.get(i));
              header.set(names.get(i).substring("model.".length()), tensor);
            }
          }
        },
        0);
  }

  /** Python's own spelling, which no JSON library writes. */
  private static void withNonFinite(Path file) {
    try {
      String text = Files.readString(file);
      Files.writeString(
          file,
          text.replaceFirst(
              "\\{", "{\"train_loss\": NaN, \"limits\": [0.0, Infinity, -Infinity],"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** As some editors begin a file. */
  private static void withByteOrderMarks(Path directory) {
    try (var files = Files.list(directory)) {
      for (Path file : files.filter(f -> !f.toString().endsWith(".safetensors")).toList()) {
        Files.writeString(file, "\uFEFF" + Files.readString(file));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static Stream<Arguments> sound() {
    return Stream.of(
        config("bos beyond the vocabulary", c -> c.put("bos_token_id", 151643)),
        config("negative bos", c -> c.put("bos_token_id", -1)),
        config("bos in words", c -> c.put("bos_token_id", "none")),
        generation("eos beyond the vocabulary", g -> g.putArray("eos_token_id").add(381).add(400)),
        generation("negative eos", g -> g.put("eos_token_id", -1)),
        generation(
            "settings of a sampling that is off",
            g -> g.put("do_sample", false).put("top_p", 0).put("temperature", -1).put("top_k", -1)),
        generation("settings of none", g -> g.put("top_p", 0).put("min_p", 7)),
        sound("NaN in config.json", d -> withNonFinite(d.resolve("config.json"))),
        sound(
            "NaN in the generation config",
            d -> withNonFinite(d.resolve("generation_config.json"))),
        sound(
            "NaN in the tokenizer's config",
            d -> withNonFinite(d.resolve("tokenizer_config.json"))),
        sound("byte order marks", FoundInTheWildTest::withByteOrderMarks),
        config("windows that are off", c -> c.put("max_window_layers", -1)),
        sound("no prefix", d -> rename(d, 1)),
        sound("no prefix here and there", d -> rename(d, 3)),
        sound(
            "a decoder without its head",
            d -> {
              rename(d, 1);
              TestModels.edit(
                  d.resolve("config.json"), c -> c.putArray("architectures").add("Qwen3Model"));
            }),
        tensors(
            "scales of the K/V cache",
            "model.layers.0.self_attn.k_scale",
            "model.layers.0.self_attn.v_scale",
            "model.layers.2.self_attn.attn.q_scale"),
        tensors("a layer for several tokens", "model.layers.3.eh_proj.weight"),
        tensors("a head for several tokens", "mtp.fc.weight", "model.mtp.norm.weight"),
        tensors("rotary buffers", "model.layers.1.self_attn.rotary_emb.inv_freq"),
        Arguments.of(
            "fewer layers",
            (Consumer<Path>)
                d ->
                    TestModels.edit(
                        d.resolve("config.json"),
                        c -> c.put("num_hidden_layers", 2).remove("layer_types")),
            TWO_LAYERS));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("sound")
  void saysWhatItSaysElsewhere(String name, Consumer<Path> change, List<Integer> expected) {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    change.accept(model);
    assertEquals(expected, generate(model, EngineOptions.defaults()));
    EngineOptions mapped = EngineOptions.defaults().withMappedWeights(true);
    assertEquals(expected, generate(model, mapped));
  }

  private static List<Integer> generate(Path model, EngineOptions options) {
    try (Engine engine = Engine.load(model, options.withBackend("scalar").withThreads(1))) {
      return engine
          .generate(new int[] {1, 2, 3, 4}, GenerationOptions.defaults().withMaxTokens(8))
          .ids();
    }
  }

  /** What of the folder is not run is told in a line, once. */
  @Test
  void whatIsNotRunIsTold() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    Files.writeString(model.resolve("adapter_config.json"), "{\"peft_type\": \"LORA\"}");
    TestModels.edit(
        model.resolve("generation_config.json"), g -> g.putArray("suppress_tokens").add(281));
    add(model, "model.layers.3.eh_proj.weight");
    Logger logger = Logger.getLogger("io.lrt4j");
    List<String> told = new CopyOnWriteArrayList<>();
    var handler =
        new Handler() {
          @Override
          public void publish(LogRecord record) {
            String text = new SimpleFormatter().formatMessage(record);
            if (text.contains(model.toString()) && Level.WARNING.equals(record.getLevel())) {
              told.add(text.replace(model.toString(), "MODEL"));
            }
          }

          @Override
          public void flush() {}

          @Override
          public void close() {}
        };
    logger.addHandler(handler);
    try {
      assertEquals(UNTOUCHED, generate(model, EngineOptions.defaults()));
    } finally {
      logger.removeHandler(handler);
    }
    for (String part : List.of("adapter_config.json", "suppress_tokens", "eh_proj")) {
      assertEquals(1, told.stream().filter(t -> t.contains(part)).count(), part + " in " + told);
    }
    assertEquals(3, told.size(), told.toString());
  }

  /**
   * A vocabulary with rows to spare, as padded ones have: the token takes the first of them. A name
   * for it, in whichever way, makes it one.
   */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"extra_special_tokens\": [\"<|tool|>\"]}",
        "{\"additional_special_tokens\": [\"<|tool|>\"]}",
        "{\"extra_special_tokens\": {\"tool_token\": \"<|tool|>\"}}",
        "{\"pad_token\": \"<|tool|>\"}",
        "{\"added_tokens_decoder\": {\"384\": {\"content\": \"<|tool|>\", \"special\": true}}}",
      })
  void aTokenThatOnlyTheConfigNames(String keys) throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    rewrite(
        model,
        tensor ->
            Stream.of(tensor.name().contains("embed_tokens") ? padded(tensor) : copy(tensor)));
    TestModels.edit(model.resolve("config.json"), c -> c.put("vocab_size", 400));
    ObjectNode named = (ObjectNode) new ObjectMapper().readTree(keys);
    TestModels.edit(model.resolve("tokenizer_config.json"), c -> c.setAll(named));
    try (Engine engine = Engine.load(model)) {
      int[] ids = engine.encode("a<|tool|>b");
      assertArrayEquals(new int[] {64, 384, 65}, ids);
      float[] logprobs = engine.score(ids, false, false).logprobs();
      assertEquals(-5.7428, logprobs[1], 1e-4);
      assertEquals(-4.1393, logprobs[2], 1e-4);
    }
  }

  /** With its first 16 rows once more at its end. */
  private static SafetensorsWriter.Entry padded(StoredTensor embedding) {
    var data = embedding.data();
    List<Long> shape = List.of(embedding.shape().getFirst() + 16, embedding.shape().getLast());
    return new SafetensorsWriter.Entry(
        embedding.name(),
        embedding.dtype(),
        shape,
        (offset, chunk) -> {
          for (long i = 0; i < chunk.byteSize(); i++) {
            long at = offset + i;
            chunk.set(
                ValueLayout.JAVA_BYTE,
                i,
                data.get(ValueLayout.JAVA_BYTE, at < data.byteSize() ? at : at - data.byteSize()));
          }
        });
  }

  /** Qwen documents YaRN as a factor beside the trained {@code max_position_embeddings}. */
  @Test
  void yarnReachesBeyondTheTrainedLength() {
    Path model = TestModels.copy("conformance/qwen3-yarn-bf16", temporary.resolve("model"));
    TestModels.edit(model.resolve("config.json"), c -> c.put("max_position_embeddings", 160));
    int[] prompt = IntStream.range(0, 200).map(i -> 3 + i % 300).toArray();
    try (Engine engine = TestModels.engine(model, null, "vector")) {
      assertEquals(
          List.of(356, 164, 157, 183, 239, 230, 117, 268),
          engine.generate(prompt, GenerationOptions.defaults().withMaxTokens(8)).ids());
      var e = // 4 x 128, no further
          assertThrows(
              QuestionException.class,
              () -> engine.generate(new int[513], GenerationOptions.defaults()));
      assertTrue(String.valueOf(e.getMessage()).contains("513"), e.getMessage());
    }
  }

  /** Every file a link into {@code blobs/}, from the sub-folder of the network as well. */
  @Test
  void aSnapshotOfTheHubCacheWithItsNetwork() throws IOException {
    Path repository = temporary.resolve("models--me--m");
    Path snapshot = repository.resolve("snapshots/0123abc");
    Path network = snapshot.resolve("network");
    TestModels.copy(TestModels.BASE, snapshot);
    TestModels.copy(TestModels.APPEND, network);
    Path blobs = Files.createDirectories(repository.resolve("blobs"));
    link(snapshot, blobs);
    link(network, Files.createDirectory(blobs.resolve("deep")));
    try (Engine engine = Engine.load(snapshot)) {
      Answer answer = engine.ask(Question.of("hi").maxTokens(4));
      assertEquals(Mode.LATENT, answer.mode());
      assertEquals(List.of(288, 216, 216, 216), answer.ids());
    }
  }

  /** Moves the files away, and links to them. */
  private static void link(Path from, Path to) throws IOException {
    try (var files = Files.list(from)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        Path moved = Files.move(file, to.resolve("hash-" + file.getFileName()));
        Files.createSymbolicLink(file, from.relativize(moved));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja"})
  void linksOutOfTheFolderOnRequest(String name) throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    Path cache = Files.createDirectories(temporary.resolve("cache/models--me--m/blobs"));
    Path file = model.resolve(name);
    Files.createSymbolicLink(file, Files.move(file, cache.resolve("9f8e")));
    LrtException e = refused(model);
    assertTrue(String.valueOf(e.getMessage()).contains("withOutsideLinks(true)"), e.getMessage());
    assertEquals(UNTOUCHED, generate(model, EngineOptions.defaults().withOutsideLinks(true)));
  }

  static Stream<String> files() {
    return Stream.of(
        "config.json",
        "model.safetensors",
        "generation_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
        "special_tokens_map.json");
  }

  @ParameterizedTest
  @MethodSource("files")
  @EnabledOnOs({OS.LINUX, OS.MAC})
  void aPipeOrADeviceNeverBlocks(String name) throws Exception {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    Path file = model.resolve(name);
    Files.deleteIfExists(file);
    assertEquals(0, new ProcessBuilder("mkfifo", file.toString()).start().waitFor());
    assertNotAFile(model, name);
    Files.delete(file);
    Files.createSymbolicLink(file, Path.of("/dev/zero"));
    assertNotAFile(model, name);
  }

  private static void assertNotAFile(Path model, String name) {
    LrtException e = assertTimeoutPreemptively(Duration.ofSeconds(20), () -> refused(model));
    String message = String.valueOf(e.getMessage());
    assertTrue(message.startsWith(model.resolve(name).toString()), message);
    assertTrue(message.contains("something that is not a file"), message);
  }

  @ParameterizedTest
  @MethodSource("files")
  void aPointerOfGitLfs(String name) throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    Files.writeString(
        model.resolve(name),
        "version https://git-lfs.github.com/spec/v1\noid sha256:4d4d\nsize 385848\n");
    String message = String.valueOf(refused(model).getMessage());
    assertTrue(message.startsWith(model.resolve(name).toString()), message);
    assertTrue(message.contains("Git LFS pointer") && message.contains("git lfs pull"), message);
  }

  private static Arguments quantised(String by, Consumer<Path> change) {
    return Arguments.of(by, change);
  }

  private static Arguments declared(String by, String method) {
    return quantised(
        by,
        d ->
            TestModels.edit(
                d.resolve("config.json"),
                c -> c.putObject("quantization_config").put("quant_method", method)));
  }

  static Stream<Arguments> quantised() {
    return Stream.of(
        quantised(
            "MLX",
            d ->
                TestModels.edit(
                    d.resolve("config.json"),
                    c -> c.putObject("quantization").put("group_size", 64).put("bits", 4))),
        quantised(
            "MLX",
            d -> {
              add(d, "model.norm.scales", "model.norm.biases");
            }),
        declared("gptq", "gptq"),
        declared("awq", "awq"),
        declared("fp8", "fp8"),
        declared("bitsandbytes", "bitsandbytes"),
        quantised("GPTQ or AWQ", d -> add(d, "model.layers.0.mlp.up_proj.qweight")),
        quantised("FP8", d -> add(d, "model.layers.0.mlp.up_proj.weight_scale_inv")),
        quantised("bitsandbytes", d -> add(d, "model.layers.0.mlp.up_proj.weight.absmax")));
  }

  @ParameterizedTest(name = "{0} [{index}]")
  @MethodSource("quantised")
  void quantisedWeightsByName(String by, Consumer<Path> change) {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    change.accept(model);
    LrtException e = refused(model);
    assertEquals(UnsupportedModelException.class, e.getClass(), e.getMessage());
    String message = String.valueOf(e.getMessage());
    assertTrue(message.contains("quanti") && message.contains(by), message);
    assertFalse(message.contains("shape"), message);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "pytorch_model.bin",
        "pytorch_model-00001-of-00002.bin",
        "model-q4_k_m.gguf",
        "adapter_model.safetensors",
        "tf_model.h5"
      })
  void weightsOfAnotherFormatByName(String name) throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    Files.move(model.resolve("model.safetensors"), model.resolve(name));
    String message = String.valueOf(refused(model).getMessage());
    assertTrue(message.contains("\"" + name + "\""), message);
    Files.delete(model.resolve("config.json")); // as a folder with nothing but a GGUF has it
    message = String.valueOf(refused(model).getMessage());
    assertTrue(message.contains("\"" + name + "\""), message);
  }

  private static LrtException refused(Path model) {
    return assertThrows(LrtException.class, () -> Engine.load(model).close());
  }

  @Test
  void byteOrderMarksAreNoText() {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    withByteOrderMarks(model);
    Question question = Question.of("What is 12+30?");
    try (Engine engine = Engine.load(model);
        Engine other = Engine.load(Fixtures.dir(TestModels.BASE))) {
      assertArrayEquals(other.prompt(question), engine.prompt(question));
      assertEquals(other.defaultOptions(), engine.defaultOptions());
    }
  }

  /** As fine-tunes of Qwen2's time have it. */
  @Test
  void vocabularyAndMergesInPlaceOfATokenizer() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    splitTokenizer(model);
    Path whole = Fixtures.dir(TestModels.BASE);
    try (Engine engine = Engine.load(model);
        Engine other = Engine.load(whole)) {
      assertEquals(
          List.of(380, 71, 72, 375),
          IntStream.of(engine.encode("<|im_start|>hi have")).boxed().toList());
      for (var known : Fixtures.json(whole.resolve("expected.json")).get("tokenizer")) {
        String text = known.get("text").asText();
        assertArrayEquals(other.encode(text), engine.encode(text), text);
        assertEquals(other.decode(other.encode(text)), engine.decode(engine.encode(text)));
      }
    }
    TestModels.edit(
        model.resolve("tokenizer_config.json"), c -> c.put("tokenizer_class", "GPT2Tokenizer"));
    String message = String.valueOf(refused(model).getMessage());
    assertTrue(message.contains("\"GPT2Tokenizer\""), message);
    TestModels.edit(
        model.resolve("tokenizer_config.json"),
        c -> c.put("tokenizer_class", "Qwen2Tokenizer").remove("added_tokens_decoder"));
    assertTrue(String.valueOf(refused(model).getMessage()).contains("added_tokens_decoder"));
  }

  @Test
  void damagedMerges() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    splitTokenizer(model);
    Files.writeString(model.resolve("merges.txt"), "#version: 0.2\na b c\n");
    String message = String.valueOf(refused(model).getMessage());
    assertTrue(message.contains("merges.txt") && message.contains("\"a b c\""), message);
    Files.delete(model.resolve("merges.txt"));
    try (Engine engine = Engine.load(model)) {
      assertFalse(engine.hasTokenizer());
    }
  }

  private static void splitTokenizer(Path model) throws IOException {
    Path file = model.resolve("tokenizer.json");
    var tokenizer = Fixtures.json(file);
    Files.writeString(model.resolve("vocab.json"), tokenizer.at("/model/vocab").toString());
    var merges = new StringBuilder("#version: 0.2\n");
    for (var merge : tokenizer.at("/model/merges")) {
      String pair =
          merge.isTextual()
              ? merge.asText()
              : merge.path(0).asText() + " " + merge.path(1).asText();
      merges.append(pair).append('\n');
    }
    Files.writeString(model.resolve("merges.txt"), merges);
    TestModels.edit(
        model.resolve("tokenizer_config.json"),
        c -> {
          ObjectNode added =
              c.put("tokenizer_class", "Qwen2Tokenizer").putObject("added_tokens_decoder");
          for (var token : tokenizer.get("added_tokens")) {
            ((ObjectNode)
                    added
                        .set(token.get("id").asText(), token.deepCopy())
                        .get(token.get("id").asText()))
                .remove("id");
          }
        });
    Files.delete(file);
  }

  @Test
  void aTokenListedTwiceWithOneId() {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    TestModels.edit(
        model.resolve("tokenizer.json"),
        t -> t.withArray("/added_tokens").add(t.at("/added_tokens/0").deepCopy()));
    try (Engine engine = Engine.load(model)) {
      assertEquals(
          List.of(379, 64), IntStream.of(engine.encode("<|endoftext|>a")).boxed().toList());
    }
  }

  /** A tied head that was stored again in another type holds the same numbers. */
  @Test
  void aTiedHeadStoredAgainInAnotherType() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    rewrite(
        model,
        tensor ->
            tensor.name().equals("model.embed_tokens.weight")
                ? Stream.of(copy(tensor), copy(tensor, "lm_head.weight", DType.F32))
                : Stream.of(copy(tensor)));
    assertEquals(UNTOUCHED, generate(model, EngineOptions.defaults()));
    try (Checkpoint checkpoint = Checkpoint.open(model)) {
      assertTrue(checkpoint.config().tiedEmbeddings());
    }
  }

  private static void rewrite(
      Path model, Function<StoredTensor, Stream<SafetensorsWriter.Entry>> change)
      throws IOException {
    Path file = model.resolve("model.safetensors");
    try (Safetensors stored = Safetensors.open(file)) {
      List<SafetensorsWriter.Entry> entries = stored.tensors().stream().flatMap(change).toList();
      SafetensorsWriter.write(model.resolve("new"), Map.of(), entries);
    }
    Files.move(model.resolve("new"), file, StandardCopyOption.REPLACE_EXISTING);
  }

  private static SafetensorsWriter.Entry copy(StoredTensor from) {
    return copy(from, from.name(), from.dtype());
  }

  private static SafetensorsWriter.Entry copy(StoredTensor from, String name, DType as) {
    float[] values = new float[(int) from.elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = from.element(i);
    }
    if (as == DType.F32) {
      return SafetensorsWriter.Entry.of(name, from.shape(), values);
    }
    return new SafetensorsWriter.Entry(
        name,
        as,
        from.shape(),
        (offset, chunk) -> chunk.copyFrom(from.data().asSlice(offset, chunk.byteSize())));
  }

  @Test
  void namesInMessagesAreOneLineWithoutControlCharacters() {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    add(model, "model.norm.\u001b[2J\nlrt: all is well\u202e");
    String message = String.valueOf(refused(model).getMessage());
    assertTrue(message.contains("\\u001b[2J lrt: all is well\\u202e"), message);
    Path other = TestModels.copy(TestModels.BASE, temporary.resolve("other"));
    TestModels.edit(
        other.resolve("tokenizer.json"),
        t -> ((ObjectNode) t.at("/model/vocab")).put("\u001b[1mx\r", -1));
    message = String.valueOf(refused(other).getMessage());
    assertTrue(message.contains("\\u001b[1mx "), message);
  }

  @Test
  void aFileThatMayNotBeReadSaysSo() throws IOException {
    Path model = TestModels.copy(TestModels.BASE, temporary.resolve("model"));
    Path file = model.resolve("config.json");
    assumeTrue(file.toFile().setReadable(false) && !Files.isReadable(file), "all may be read");
    assertEquals(file + ": cannot be read (permission denied)", refused(model).getMessage());
  }
}
