package io.lrt4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.lrt4j.TokenizerException;
import io.lrt4j.checkpoint.ModelFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/**
 * What the small files beside a tokenizer.json say of its tokens, for the tokenizer and the chat
 * template alike: {@code tokenizer_config.json}, {@code special_tokens_map.json}, {@code
 * added_tokens.json} and {@code config.json}, merged as transformers 5 merges them.
 *
 * @param config tokenizer_config.json, without keys if there is none
 * @param listsAddedTokens whether it has {@code added_tokens_decoder}; the older files count only
 *     where it has not
 * @param addedTokens ids and tokens that are to be added
 * @param named special tokens by name, {@code bos_token} … and the model's own: texts, or objects
 *     with {@code content}
 * @param extra further special tokens, likewise
 * @param tokenizerClass of transformers, without {@code Fast}
 */
record TokenizerSettings(
    JsonNode config,
    boolean listsAddedTokens,
    Map<Integer, JsonNode> addedTokens,
    Map<String, JsonNode> named,
    List<JsonNode> extra,
    String tokenizerClass) {

  static final String CONFIG_FILE = "tokenizer_config.json";

  /** Builds its own normalizer, pre-tokenizer and decoder, whatever tokenizer.json says. */
  static final String QWEN2 = "Qwen2Tokenizer";

  /** Runs tokenizer.json as it is. */
  static final String BACKEND = "TokenizersBackend";

  private static final JsonNode NULL = JsonNodeFactory.instance.nullNode();
  private static final String EXTRA = "extra_special_tokens";
  private static final String ADDITIONAL = "additional_special_tokens"; // its older name
  private static final String ADDED_FILE = "added_tokens.json";
  private static final String ADDED = "added_tokens_decoder";
  private static final List<String> NAMED =
      List.of(
          "bos_token",
          "eos_token",
          "unk_token",
          "sep_token",
          "pad_token",
          "cls_token",
          "mask_token");

  /**
   * Reads the files of a checkpoint; those that are not there say nothing.
   *
   * @throws TokenizerException if one is damaged
   */
  static TokenizerSettings read(ModelFiles files) {
    Path file = files.directory().resolve(CONFIG_FILE);
    JsonNode config = object(files, CONFIG_FILE);
    String tokenizerClass = tokenizerClass(config, object(files, "config.json"));
    var all = new LinkedHashMap<String, JsonNode>(); // the config with what overrides it
    config.properties().forEach(e -> all.put(e.getKey(), e.getValue()));
    if (all.containsKey(ADDITIONAL) && isEmpty(all.get(EXTRA))) {
      all.put(EXTRA, all.remove(ADDITIONAL));
    }
    var byName = new LinkedHashMap<String, JsonNode>(); // of the model's own
    JsonNode byNames = all.getOrDefault(EXTRA, NULL);
    if (byNames.isObject()) {
      all.remove(EXTRA);
      byNames.properties().forEach(e -> byName.put(e.getKey(), e.getValue()));
    }
    boolean listed = config.has(ADDED);
    var added = new TreeMap<Integer, JsonNode>();
    if (listed) {
      for (var entry : config.get(ADDED).properties()) {
        added.put(id(file, entry.getKey()), entry.getValue());
      }
    } else {
      override(all, byName, object(files, "special_tokens_map.json"));
    }
    var named = named(all, byName, tokenizerClass);
    var extra = new ArrayList<JsonNode>();
    all.getOrDefault(EXTRA, all.getOrDefault(ADDITIONAL, NULL)).forEach(extra::add);
    if (!listed) {
      Path older = files.directory().resolve(ADDED_FILE);
      for (var entry : object(files, ADDED_FILE).properties()) {
        String token = entry.getKey();
        boolean special =
            named.values().stream().anyMatch(t -> content(t).equals(token))
                || extra.stream().anyMatch(t -> content(t).equals(token));
        added.put(
            id(older, entry.getValue().asText()),
            JsonNodeFactory.instance.objectNode().put("content", token).put("special", special));
      }
    }
    return new TokenizerSettings(config, listed, added, named, extra, tokenizerClass);
  }

  /** What special_tokens_map.json changes: names, and more tokens without a name. */
  private static void override(
      Map<String, JsonNode> all, Map<String, JsonNode> byName, JsonNode map) {
    for (var entry : map.properties()) {
      JsonNode value = entry.getValue();
      if (!entry.getKey().equals(EXTRA)) {
        all.put(entry.getKey(), value);
      } else if (value.isObject()) {
        all.remove(EXTRA);
        value.properties().forEach(e -> byName.put(e.getKey(), e.getValue()));
      } else {
        var both = JsonNodeFactory.instance.arrayNode();
        all.getOrDefault(EXTRA, NULL).forEach(both::add);
        value.forEach(both::add);
        all.put(EXTRA, both);
      }
    }
  }

  private static Map<String, JsonNode> named(
      Map<String, JsonNode> all, Map<String, JsonNode> byName, String tokenizerClass) {
    if (tokenizerClass.equals(QWEN2)) {
      for (String name : List.of("unk_token", "eos_token", "pad_token")) {
        all.putIfAbsent(name, JsonNodeFactory.instance.textNode("<|endoftext|>"));
      }
    }
    var named = new LinkedHashMap<String, JsonNode>();
    for (String name : NAMED) {
      named.put(name, all.getOrDefault(name, NULL));
    }
    all.forEach(
        (name, token) -> {
          if (name.endsWith("_token")) {
            named.putIfAbsent(name, token);
          }
        });
    named.putAll(byName);
    named.values().removeIf(token -> content(token).isEmpty());
    return named;
  }

  /** The class that {@code AutoTokenizer} takes. */
  private static String tokenizerClass(JsonNode config, JsonNode model) {
    String named = config.path("tokenizer_class").asText("");
    String given = named.isEmpty() ? model.path("tokenizer_class").asText("") : named;
    String plain = given.endsWith("Fast") ? given.substring(0, given.length() - 4) : given;
    return switch (model.path("model_type").asText("")) {
      case "qwen2" -> QWEN2; // known there to be named wrongly on the hub
      case "qwen3" -> plain.isEmpty() ? QWEN2 : plain;
      default -> plain.isEmpty() ? BACKEND : plain;
    };
  }

  /** The text of a token, "" if it is none. */
  static String content(JsonNode token) {
    JsonNode content = token.isObject() ? token.path("content") : token;
    return content.isTextual() ? content.textValue() : "";
  }

  private static boolean isEmpty(@Nullable JsonNode node) {
    return node == null || node.isNull() || (node.isContainerNode() && node.isEmpty());
  }

  private static int id(Path file, String text) {
    if (!text.matches("[0-9]{1,8}")) {
      throw new TokenizerException(file + ": an added token has no number for id");
    }
    return Integer.parseInt(text);
  }

  private static JsonNode object(ModelFiles files, String name) {
    Path file = files.find(name);
    return file == null ? JsonNodeFactory.instance.objectNode() : TokenizerFile.object(file);
  }
}
