package io.lrt4j.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Fixtures;
import io.lrt4j.TestModels;
import io.lrt4j.UnsupportedModelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * What the files beside tokenizer.json change. Expected values are those of {@code AutoTokenizer},
 * transformers 5.18, on the same files.
 */
class TokenizerSettingsTest {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final String TEXT = "hi  there 123 Don't <|im_end|> a<|tool|>b[PAD]";
  private static final String HI = "71 72 220 351 81 68 220 16 17 18 220 35 78 77 290 220 381 261 ";
  private static final String TOOL = "27 91 83 78 78 75 91 29 65 ";
  private static final String PAD = "58 47 32 35 60";
  private static final String PLAIN = HI + TOOL + PAD;

  @TempDir Path directory;

  /** The tiny tokenizer with these keys in tokenizer_config.json. */
  private Tokenizer tokenizer(String keys) throws IOException {
    Path tiny = Fixtures.dir(TestModels.BASE);
    for (String name : List.of("tokenizer.json", "config.json")) {
      Files.write(directory.resolve(name), Files.readAllBytes(tiny.resolve(name)));
    }
    var config = (ObjectNode) MAPPER.readTree(tiny.resolve("tokenizer_config.json").toFile());
    config.setAll((ObjectNode) json(keys));
    Files.writeString(directory.resolve("tokenizer_config.json"), config.toString());
    return Tokenizer.load(directory);
  }

  private static JsonNode json(String text) {
    try {
      return MAPPER.readTree(text.replace('\'', '"'));
    } catch (JsonProcessingException e) {
      throw new IllegalArgumentException(e);
    }
  }

  private static String ids(Tokenizer tokenizer, String text) {
    return String.join(
        " ", Arrays.stream(tokenizer.encode(text)).mapToObj(String::valueOf).toList());
  }

  /** Keys that say something about text or ids elsewhere, but change nothing here. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "'add_bos_token': true",
        "'add_eos_token': true",
        "'add_prefix_space': true",
        "'add_prefix_space': false",
        "'auto_map': {}",
        "'backend': 'tokenizers'",
        "'chat_template': 'x'",
        "'clean_up_tokenization_spaces': true",
        "'clean_up_tokenization_spaces_for_bpe_even_though_it_will_corrupt_output': true",
        "'do_lower_case': true",
        "'dropout': 0.5",
        "'errors': 'strict'",
        "'from_slow': true",
        "'is_local': true",
        "'keep_accents': false",
        "'legacy': true",
        "'lowercase': true",
        "'max_len': 3",
        "'max_length': 3",
        "'merges': []",
        "'merges_file': 'x'",
        "'model_input_names': ['input_ids']",
        "'model_max_length': 3",
        "'name_or_path': 'x'",
        "'non_special_tokens': ['a']",
        "'normalizer': {'type': 'Lowercase'}",
        "'pad_to_multiple_of': 8",
        "'padding': 'max_length'",
        "'padding_side': 'left'",
        "'pre_tokenizer': {'type': 'Whitespace'}",
        "'processor_class': 'X'",
        "'remove_space': true",
        "'return_token_type_ids': true",
        "'sp_model_kwargs': {}",
        "'spaces_between_special_tokens': true",
        "'special_tokens_map_file': 'x'",
        "'stride': 1",
        "'strip_accents': true",
        "'tokenize_chinese_chars': true",
        "'tokenizer_class': 'PreTrainedTokenizerFast'",
        "'tokenizer_class': 'Unknown'",
        "'tokenizer_class': 'GPT2Tokenizer'",
        "'tokenizer_class': 'Qwen2Tokenizer'",
        "'tokenizer_class': 'Qwen2TokenizerFast', 'add_prefix_space': false",
        "'tokenizer_file': 'x'",
        "'tokenizer_type': 'x'",
        "'trim_offsets': true",
        "'truncation': true",
        "'truncation_side': 'left'",
        "'truncation_strategy': 'longest_first'",
        "'unk_id': 0",
        "'use_default_system_prompt': true",
        "'use_fast': false",
        "'verbose': true",
        "'vocab': {'a': 0}",
        "'vocab_file': 'x'",
      })
  void keysThatChangeNothing(String keys) throws IOException {
    try (var tokenizer = tokenizer("{" + keys + "}")) {
      assertEquals(PLAIN, ids(tokenizer, TEXT));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '`',
      value = {
        "'additional_special_tokens': ['<|tool|>']; " + HI + "384 65 " + PAD,
        "'extra_special_tokens': ['<|tool|>']; " + HI + "384 65 " + PAD,
        "'extra_special_tokens': {'tool_token': '<|tool|>'}; " + HI + "384 65 " + PAD,
        "'extra_special_tokens': ['<|tool|>'], 'additional_special_tokens': ['[PAD]']; "
            + HI
            + "384 65 "
            + PAD,
        "'extra_special_tokens': [], 'additional_special_tokens': ['[PAD]']; " + HI + TOOL + "384",
        "'bos_token': '[PAD]'; " + HI + TOOL + "384",
        "'unk_token': '[PAD]'; " + HI + TOOL + "384",
        "'sep_token': '[PAD]'; " + HI + TOOL + "384",
        "'pad_token': '[PAD]'; " + HI + TOOL + "384",
        "'cls_token': '[PAD]'; " + HI + TOOL + "384",
        "'mask_token': '[PAD]'; " + HI + TOOL + "384",
        "'image_token': '[PAD]'; " + HI + TOOL + "384",
        "'pad_token': '[PAD]', 'extra_special_tokens': ['<|tool|>']; " + HI + "385 65 384",
        "'added_tokens_decoder': {'384': {'content': '<|tool|>', 'special': true}}; "
            + HI
            + "384 65 "
            + PAD,
        "'tokenizer_class': 'Qwen2Tokenizer', 'add_prefix_space': true; 220 71 72 220 351 81 68 220"
            + " 220 16 220 17 220 18 220 35 78 77 220 290 220 381 261 220 27 91 220 83 78 78 75 220"
            + " 91 29 279 220 58 47 32 35 220 60",
      })
  void keysThatAreRun(String keys, String expected) throws IOException {
    try (var tokenizer = tokenizer("{" + keys + "}")) {
      assertEquals(expected, ids(tokenizer, TEXT));
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '`',
      value = {
        "'split_special_tokens': true; split_special_tokens",
        "'fix_mistral_regex': true; fix_mistral_regex",
        "'tokenizer_class': 'GPT2TokenizerFast', 'add_prefix_space': true; add_prefix_space",
        "'tokenizer_class': 'LlamaTokenizer', 'add_prefix_space': true; add_prefix_space",
      })
  void keysThatAreRefused(String keys, String named) {
    var e =
        assertThrows(UnsupportedModelException.class, () -> tokenizer("{" + keys + "}").close());
    assertTrue(String.valueOf(e.getMessage()).contains("\"" + named + "\""), e.getMessage());
  }

  /** Which tokens are special, as {@code decode(skip_special_tokens=True)} shows. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '`',
      value = {
        "'tool_token': 'x'; {}; <think></think>b",
        "'eos_token': '<think>'; {}; </think>b",
        "'tool_token': '<think>'; {}; </think>b",
        "'extra_special_tokens': {'t': '<think>'}; {}; </think>b",
        "'extra_special_tokens': ['<think>']; {}; <think></think>b",
        "'tokenizer_class': 'Qwen2Tokenizer', 'extra_special_tokens': ['<think>']; {}; </think>b",
        "'pad_token': 'b'; {}; <think></think>",
        "'added_tokens_decoder': {'382': {'content': '<think>', 'special': true}}; {}; </think>b",
        "'a': 1; {'eos_token': '<think>'}; </think>b",
        "'a': 1; {'eos_token': {'content': '<think>', 'special': false}}; </think>b",
        "'a': 1; {'additional_special_tokens': ['<think>']}; <think></think>b",
        "'added_tokens_decoder': {}; {'eos_token': '<think>'}; <think></think>b",
      })
  void whichTokensAreSpecial(String keys, String map, String expected) throws IOException {
    Files.writeString(directory.resolve("special_tokens_map.json"), map.replace('\'', '"'));
    try (var tokenizer = tokenizer("{" + keys + "}")) {
      assertEquals(expected, tokenizer.decode(tokenizer.encode("<think></think>b"), true));
    }
  }

  /** Tokens of the older files: which are there, and with which ids. */
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      quoteCharacter = '`',
      value = {
        "'a': 1; {'pad_token': '[PAD]', 'additional_special_tokens': ['<|tool|>']}; {}; 385 65 384",
        "'a': 1; {'pad_token': {'content': '[PAD]'}, 'extra_special_tokens': ['<|tool|>']}; {};"
            + " 385 65 384",
        "'extra_special_tokens': ['<|tool|>']; {'additional_special_tokens': ['[PAD]']}; {};"
            + " 384 65 58 47 32 35 60",
        "'additional_special_tokens': ['<|tool|>']; {'additional_special_tokens': ['[PAD]']}; {};"
            + " 384 65 58 47 32 35 60",
        "'additional_special_tokens': ['<|tool|>']; {'extra_special_tokens': ['[PAD]']}; {};"
            + " 384 65 385",
        "'additional_special_tokens': ['<|tool|>']; {'extra_special_tokens': {'x_token': '[PAD]'}};"
            + " {}; 27 91 83 78 78 75 91 29 65 384",
        "'a': 1; {'x_token': '[PAD]'}; {}; 27 91 83 78 78 75 91 29 65 384",
        "'added_tokens_decoder': {}; {'pad_token': '[PAD]'}; {'<|tool|>': 384};"
            + " 27 91 83 78 78 75 91 29 65 58 47 32 35 60",
        "'eos_token': '<|tool|>'; {}; {'<|tool|>': 384, '[PAD]': 385}; 384 65 385",
      })
  void theOlderFiles(String keys, String map, String added, String expected) throws IOException {
    Files.writeString(directory.resolve("special_tokens_map.json"), map.replace('\'', '"'));
    Files.writeString(directory.resolve("added_tokens.json"), added.replace('\'', '"'));
    try (var tokenizer = tokenizer("{" + keys + "}")) {
      assertEquals(expected, ids(tokenizer, "<|tool|>b[PAD]"));
    }
  }

  /** A named token's flags: this one takes the space before it. */
  @Test
  void flagsOfANamedToken() throws IOException {
    try (var tokenizer = tokenizer("{'pad_token': {'content': '[PAD]', 'lstrip': true}}")) {
      assertEquals("64 384 65", ids(tokenizer, "a [PAD]b"));
      assertEquals("ab", tokenizer.decode(tokenizer.encode("a [PAD]b"), true));
    }
  }

  /**
   * Qwen2's class is taken for its models whatever they name, with the tokens of its list alone.
   */
  @Test
  void theClassThatBuildsItsOwn() throws IOException {
    tokenizer("{'tokenizer_class': 'LlamaTokenizerFast'}").close();
    Path config = directory.resolve("config.json");
    TestModels.edit(config, c -> c.put("model_type", "qwen2"));
    TestModels.edit(
        directory.resolve("tokenizer_config.json"), c -> c.put("add_prefix_space", true));
    try (var tokenizer = Tokenizer.load(directory)) {
      assertEquals("220 71 72 351 81 68 220 220 16 220 17 220 18", ids(tokenizer, "hi there 123"));
    }
    try (var tokenizer =
        tokenizer(
            "{'tokenizer_class': 'Qwen2Tokenizer', 'added_tokens_decoder': {'379': {'content':"
                + " '<|endoftext|>', 'special': true}}}")) {
      assertEquals(381, tokenizer.vocabularySize());
      assertEquals("27 83 71 72 77 74 29", ids(tokenizer, "<think>"));
    }
    Path json = directory.resolve("tokenizer.json");
    TestModels.edit(json, c -> c.set("pre_tokenizer", json("{'type': 'Whitespace'}")));
    TestModels.edit(json, c -> c.set("normalizer", json("{'type': 'Lowercase'}")));
    try (var tokenizer = Tokenizer.load(directory)) {
      assertArrayEquals(new int[] {39, 72, 220, 16}, tokenizer.encode("Hi 1"));
    }
    TestModels.edit(json, c -> ((ObjectNode) c.get("model")).put("ignore_merges", true));
    var e = assertThrows(UnsupportedModelException.class, () -> Tokenizer.load(directory).close());
    assertTrue(String.valueOf(e.getMessage()).contains("ignore_merges"), e.getMessage());
  }

  /** The template knows the same tokens by name. */
  @Test
  void theTemplateSeesTheSameTokens() throws IOException {
    tokenizer(
            "{'chat_template': '{{ t_token }}{{ eos_token }}{{ unk_token }}',"
                + " 'extra_special_tokens': {'t_token': '<t>'}, 'tokenizer_class':"
                + " 'Qwen2Tokenizer', 'eos_token': null}")
        .close();
    var template = ChatTemplate.load(directory).orElseThrow();
    var hi = List.of(Map.of("role", "user", "content", "Hi"));
    assertEquals("<t><|endoftext|>", template.render(hi, false, Map.of()));
    Files.writeString(directory.resolve("special_tokens_map.json"), "{\"eos_token\": \"<e>\"}");
    template = ChatTemplate.load(directory).orElseThrow();
    assertEquals("<t><e><|endoftext|>", template.render(hi, false, Map.of()));
  }
}
