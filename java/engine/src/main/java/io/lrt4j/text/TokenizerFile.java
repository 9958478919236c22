package io.lrt4j.text;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.CheckpointException;
import io.lrt4j.LrtException;
import io.lrt4j.TokenizerException;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.json.JsonProblem;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.BitSet;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import java.util.function.UnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Reads a tokenizer.json, and takes over what the {@link TokenizerSettings} beside it change. The
 * native library ends the process over many a mistake in such a file, so that it only ever sees
 * what is put together here from parts that were checked.
 */
final class TokenizerFile {
  private static final String NAME = "tokenizer.json";
  private static final int MAX_BYTES = 64 << 20; // twice the largest tokenizer.json released so far
  private static final int MAX_CONFIG_BYTES = 16 << 20;
  private static final int MAX_ID = 1 << 22;
  private static final int MAX_ADDED = 1 << 14; // the native library compares each with each
  private static final int MAX_DEPTH = 64;

  private static final List<String> FLAGS =
      List.of("single_word", "lstrip", "rstrip", "normalized", "special");

  // Names of fields are the vocabulary here: nothing is gained by making them canonical.
  private static final ObjectMapper MAPPER =
      new ObjectMapper(
          JsonFactory.builder()
              .disable(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES)
              .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
              .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS) // Python writes them
              .streamReadConstraints(
                  StreamReadConstraints.builder().maxNestingDepth(MAX_DEPTH).build())
              .build());

  private final Path file;
  private final Map<String, Integer> ids = new HashMap<>(); // added tokens included
  private final Map<String, ObjectNode> added = new LinkedHashMap<>();
  private JsonNode normalizer = JsonNodeFactory.instance.nullNode();
  private JsonNode preTokenizer = normalizer;
  private JsonNode decoder = normalizer;
  private @Nullable String model;
  private @Nullable String modelSetting; // that changes the ids, if any

  /**
   * A tokenizer that is known to be sound.
   *
   * @param file that the vocabulary is from
   * @param source what the native library is given
   * @param ids of all tokens
   * @param special ids of tokens that are no text
   * @param detokenizers make one for every sequence
   */
  record Parts(
      Path file,
      Source source,
      Map<String, Integer> ids,
      BitSet special,
      Supplier<Detokenizer> detokenizers) {}

  /** What the native library is given; all but the added tokens as UTF-8, in half the room. */
  static final class Source {
    private final List<ObjectNode> added;
    private final byte[] rest;

    private Source(Collection<ObjectNode> added, String rest) {
      this.added = List.copyOf(added);
      this.rest = rest.getBytes(StandardCharsets.UTF_8);
    }

    List<String> addedTokens() {
      return added.stream().map(Source::content).toList();
    }

    /** Whether there are special tokens that the normalizer's output is searched for. */
    boolean normalizesSpecialTokens() {
      return added.stream()
          .anyMatch(t -> t.get("special").booleanValue() && t.get("normalized").booleanValue());
    }

    /** The file, its added tokens under the names that {@code renaming} gives them. */
    String json(UnaryOperator<String> renaming) {
      var list = JsonNodeFactory.instance.arrayNode();
      for (ObjectNode token : added) {
        list.add(token.deepCopy().put("content", renaming.apply(content(token))));
      }
      return "{\"version\":\"1.0\",\"truncation\":null,\"padding\":null,\"added_tokens\":"
          + list
          + new String(rest, StandardCharsets.UTF_8);
    }

    private static String content(ObjectNode token) {
      return token.get("content").textValue();
    }
  }

  private TokenizerFile(Path file) {
    this.file = file;
  }

  /** One object of a small JSON file. */
  static JsonNode object(Path path) {
    try {
      JsonNode root = MAPPER.readTree(text(path, MAX_CONFIG_BYTES));
      expect(path, root.isObject(), "it is no JSON object");
      return root;
    } catch (JsonProcessingException e) {
      throw new TokenizerException(path + ": " + problem(e), e);
    }
  }

  /** Whether a checkpoint has a tokenizer. */
  static boolean isIn(ModelFiles files) {
    return files.find(NAME) != null || VocabularyFiles.find(files) != null;
  }

  static Parts read(ModelFiles files) {
    TokenizerSettings settings = opened(() -> TokenizerSettings.read(files));
    Path file = opened(() -> files.find(NAME));
    if (file != null) {
      return new TokenizerFile(file).read(text(file, MAX_BYTES), settings);
    }
    Path vocabulary = opened(() -> VocabularyFiles.find(files));
    if (vocabulary == null) {
      throw new TokenizerException(files.directory().resolve(NAME) + ": there is no such file");
    }
    Path merges = opened(() -> VocabularyFiles.merges(files));
    String json =
        VocabularyFiles.tokenizerJson(
            vocabulary, settings.config(), text(vocabulary, MAX_BYTES), text(merges, MAX_BYTES));
    return new TokenizerFile(vocabulary).read(json, settings);
  }

  private Parts read(String json, TokenizerSettings settings) {
    try (JsonParser parser = MAPPER.createParser(json)) {
      file(parser, json);
    } catch (JsonProcessingException e) {
      throw damaged(problem(e), e);
    } catch (IOException e) {
      throw damaged(String.valueOf(e.getMessage()), e);
    }
    if (model == null) {
      throw damaged("it has no \"model\"", null);
    }
    Path config = file.resolveSibling(TokenizerSettings.CONFIG_FILE);
    try {
      apply(settings.config(), settings.tokenizerClass());
    } catch (UnsupportedModelException e) {
      throw new UnsupportedModelException(config + ": lrt4j does not run " + e.getMessage(), e);
    }
    addFrom(settings, config);
    number();
    try {
      Components.check(normalizer, preTokenizer);
      return new Parts(file, source(), ids, special(), Detokenizer.of(decoder));
    } catch (UnsupportedModelException e) {
      throw new UnsupportedModelException(file + ": lrt4j does not run " + e.getMessage(), e);
    }
  }

  private void file(JsonParser parser, String json) throws IOException {
    expect(parser.nextToken() == JsonToken.START_OBJECT, "it is no JSON object");
    for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
      JsonToken value = parser.nextToken();
      switch (name) {
        case "added_tokens" -> {
          JsonNode list = MAPPER.readTree(parser);
          expect(list.isArray() || list.isNull(), "\"added_tokens\" is no list");
          list.forEach(token -> add(file, token, token.path("id"), false));
        }
        case "normalizer" -> normalizer = MAPPER.readTree(parser);
        case "pre_tokenizer" -> preTokenizer = MAPPER.readTree(parser);
        case "decoder" -> decoder = MAPPER.readTree(parser);
        case "model" -> {
          expect(value == JsonToken.START_OBJECT, "\"model\" is no object");
          int start = Math.toIntExact(parser.currentTokenLocation().getCharOffset());
          model(parser);
          int end = Math.toIntExact(parser.currentLocation().getCharOffset());
          model = json.substring(start, end);
        }
        default -> parser.skipChildren();
      }
    }
    expect(parser.nextToken() == null, "something follows the JSON object");
  }

  private void model(JsonParser parser) throws IOException {
    boolean typed = false;
    for (String name = parser.nextFieldName(); name != null; name = parser.nextFieldName()) {
      JsonToken value = parser.nextToken();
      switch (name) {
        case "vocab" -> {
          if (value == JsonToken.START_ARRAY) {
            throw unsupported("a vocabulary that is a list");
          }
          expect(value == JsonToken.START_OBJECT, "\"vocab\" is no object");
          vocabulary(parser);
        }
        case "merges" -> {
          expect(value == JsonToken.START_ARRAY, "\"merges\" is no list");
          parser.skipChildren();
        }
        default -> {
          JsonNode setting = MAPPER.readTree(parser);
          boolean off = setting.isNull() || setting.asText().isEmpty();
          switch (name) {
            case "type" -> {
              typed = setting.asText().equals("BPE");
              if (!typed) {
                throw unsupported("the tokenizer model " + setting);
              }
            }
            case "dropout" -> off = off || (setting.isNumber() && setting.asDouble() == 0);
            case "continuing_subword_prefix", "end_of_word_suffix" -> {}
            case "byte_fallback", "ignore_merges" -> {
              modelSetting = setting.asBoolean() ? name : modelSetting;
              off = true;
            }
            default -> off = true;
          }
          if (!off && !name.equals("type")) {
            throw unsupported("the model setting \"" + name + "\": " + setting);
          }
        }
      }
    }
    expect(typed, "its model has no \"type\"");
    expect(!ids.isEmpty(), "its model has no \"vocab\"");
  }

  private void vocabulary(JsonParser parser) throws IOException {
    var used = new BitSet();
    for (String token = parser.nextFieldName(); token != null; token = parser.nextFieldName()) {
      boolean integer = parser.nextToken() == JsonToken.VALUE_NUMBER_INT;
      long id = integer ? parser.getLongValue() : -1;
      expect(
          id >= 0 && id < MAX_ID,
          "the id of "
              + JsonProblem.quote(token)
              + " is "
              + parser.getText()
              + ", expected 0 to "
              + MAX_ID);
      if (used.get((int) id)) {
        throw damaged(
            JsonProblem.quote(tokenOf((int) id))
                + " and "
                + JsonProblem.quote(token)
                + " have one id, "
                + id,
            null);
      }
      used.set((int) id);
      ids.put(token, (int) id);
    }
  }

  private String tokenOf(int id) {
    return ids.entrySet().stream()
        .filter(entry -> entry.getValue() == id)
        .findFirst()
        .orElseThrow()
        .getKey();
  }

  /** Takes over an added token; one from the config replaces that of the tokenizer itself. */
  private void add(Path where, JsonNode token, JsonNode id, boolean replace) {
    expect(
        where,
        id.isIntegralNumber() && id.canConvertToInt(),
        "\"" + token.path("content").asText() + "\" has no id");
    ObjectNode node = added(where, token, false).put("id", id.intValue());
    String content = node.get("content").textValue();
    ObjectNode earlier = added.put(content, node);
    boolean same = earlier == null || earlier.get("id").equals(node.get("id"));
    expect(where, replace || same, "it adds \"" + content + "\" twice");
    expect(where, added.size() <= MAX_ADDED, "it adds more than " + MAX_ADDED + " tokens");
  }

  /** A token with all of its flags, but no id. */
  private static ObjectNode added(Path where, JsonNode token, boolean named) {
    String content = token.path("content").asText();
    boolean sound = token.path("content").isTextual() && !content.isEmpty();
    expect(where, sound && Surrogates.lone(content) < 0, "an added token has no \"content\"");
    ObjectNode node = JsonNodeFactory.instance.objectNode().put("content", content);
    boolean special = named || token.path("special").asBoolean(false);
    for (String flag : FLAGS) {
      JsonNode value = token.path(flag);
      expect(
          where,
          value.isBoolean() || value.isMissingNode(),
          "\"" + flag + "\" of \"" + content + "\" is neither true nor false");
      node.put(flag, value.asBoolean(flag.equals("normalized") && !special));
    }
    return node.put("special", special);
  }

  /** Keys of tokenizer_config.json that change how text is split, other than tokens. */
  private void apply(JsonNode config, String tokenizerClass) {
    for (String key : List.of("split_special_tokens", "fix_mistral_regex")) {
      if (config.path(key).asBoolean()) {
        throw new UnsupportedModelException("\"" + key + "\": true");
      }
    }
    JsonNode prefixSpace = config.path("add_prefix_space");
    if (tokenizerClass.equals(TokenizerSettings.QWEN2)) {
      if (modelSetting != null) {
        throw new UnsupportedModelException(
            "\"tokenizer_class\": \"Qwen2Tokenizer\" with the model setting \""
                + modelSetting
                + "\" of tokenizer.json");
      }
      normalizer = constant("{\"type\": \"NFC\"}");
      preTokenizer = qwen2PreTokenizer(prefixSpace.asBoolean(false));
      decoder = constant("{\"type\": \"ByteLevel\"}");
    } else if (!List.of(TokenizerSettings.BACKEND, "PreTrainedTokenizer").contains(tokenizerClass)
        && prefixSpace.isBoolean()
        && prefixSpace.booleanValue() != Components.addPrefix(normalizer, preTokenizer)) {
      throw new UnsupportedModelException(
          "\"add_prefix_space\": "
              + prefixSpace
              + " of \"tokenizer_class\": \""
              + tokenizerClass
              + "\", of which tokenizer.json does the opposite");
    }
  }

  /** How {@code Qwen2Tokenizer} of transformers 5 splits a text, whatever tokenizer.json says. */
  private static JsonNode qwen2PreTokenizer(boolean addPrefixSpace) {
    return constant(
        """
        {"type": "Sequence", "pretokenizers": [
          {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex":
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\\\r\\\\n\\\\p{L}\\\\p{N}]?\\\\p{L}+|\\\\p{N}| ?[^\\\\s\\\\p{L}\\\\p{N}]+[\\\\r\\\\n]*|\\\\s*[\\\\r\\\\n]+|\\\\s+(?!\\\\S)|\\\\s+"}},
          {"type": "ByteLevel", "add_prefix_space": %s, "trim_offsets": true, "use_regex": false}]}
        """
            .formatted(addPrefixSpace));
  }

  private static JsonNode constant(String json) {
    try {
      return MAPPER.readTree(json);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException(e);
    }
  }

  /** What transformers adds to a tokenizer when it reads the files beside it. */
  private void addFrom(TokenizerSettings settings, Path config) {
    boolean qwen2 = settings.tokenizerClass().equals(TokenizerSettings.QWEN2);
    if (qwen2 && settings.listsAddedTokens()) {
      added.clear(); // it is built from the vocabulary and that list alone
    }
    settings
        .addedTokens()
        .forEach(
            (id, token) -> {
              if (settings.listsAddedTokens()
                  || !added.containsKey(token.path("content").asText())) {
                add(config, token, JsonNodeFactory.instance.numberNode(id), true);
              }
            });
    settings.named().values().forEach(token -> addSpecial(config, token, true));
    settings.extra().forEach(token -> addSpecial(config, token, qwen2));
  }

  /**
   * A word of the vocabulary, or a new token, becomes special.
   *
   * @param always whether an added token becomes special, too
   */
  private void addSpecial(Path config, JsonNode token, boolean always) {
    String content = TokenizerSettings.content(token);
    expect(config, !content.isEmpty(), "a special token is neither a text nor has a \"content\"");
    ObjectNode known = added.get(content);
    if (known != null) {
      known.put("special", always || known.get("special").booleanValue());
      return;
    }
    JsonNode flags =
        token.isObject() ? token : JsonNodeFactory.instance.objectNode().put("content", content);
    added.put(content, added(config, flags, always || !token.isObject()));
    expect(config, added.size() <= MAX_ADDED, "it adds more than " + MAX_ADDED + " tokens");
  }

  /**
   * Adds the added tokens to the vocabulary. The native library numbers them itself, those that are
   * not in the vocabulary in order after it, and ignores the ids that the file gives them.
   */
  private void number() {
    int next = ids.size();
    for (var entry : added.entrySet()) {
      Integer known = ids.get(entry.getKey());
      int expected = known == null ? next : known;
      JsonNode id = entry.getValue().get("id");
      int given = id == null ? expected : id.intValue(); // a special token may come without
      entry.getValue().put("id", expected);
      if (given != expected) {
        String token = "the added token \"" + entry.getKey() + "\"";
        throw damaged(token + " has the id " + given + ", expected " + expected, null);
      }
      ids.put(entry.getKey(), given);
      next = Math.max(next, given + 1);
    }
  }

  private BitSet special() {
    var special = new BitSet();
    for (ObjectNode token : added.values()) {
      special.set(token.get("id").intValue(), token.get("special").booleanValue());
    }
    return special;
  }

  /**
   * Without truncation and padding, as transformers switches them off too; without post-processor,
   * which adds only special tokens; without decoder, which {@link Detokenizer} is.
   */
  private Source source() {
    String parts =
        ",\"normalizer\":%s,\"pre_tokenizer\":%s,".formatted(normalizer, preTokenizer)
            + "\"post_processor\":null,\"decoder\":null,\"model\":";
    if (Surrogates.lone(parts) >= 0) {
      throw damaged("half a surrogate pair is no text", null);
    }
    return new Source(added.values(), parts + model + "}");
  }

  private static String text(Path path, int limit) {
    return opened(() -> ModelFiles.text(path, limit));
  }

  /** What a file gives; one that cannot be had is a fault of the tokenizer. */
  private static <T extends @Nullable Object> T opened(Supplier<T> file) {
    try {
      return file.get();
    } catch (CheckpointException e) {
      throw new TokenizerException(String.valueOf(e.getMessage()), e);
    }
  }

  private static String problem(JsonProcessingException e) {
    return "it is not valid JSON: " + JsonProblem.of(e);
  }

  private void expect(boolean condition, String otherwise) {
    expect(file, condition, otherwise);
  }

  private static void expect(Path where, boolean condition, String otherwise) {
    if (!condition) {
      throw new TokenizerException(where + ": " + otherwise);
    }
  }

  private TokenizerException damaged(String what, @Nullable Throwable cause) {
    String message = file + ": " + what;
    return cause == null ? new TokenizerException(message) : new TokenizerException(message, cause);
  }

  private LrtException unsupported(String what) {
    return new UnsupportedModelException(file + ": lrt4j does not run " + what);
  }
}
