package io.lrt4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.UnsupportedModelException;
import org.jspecify.annotations.Nullable;

/**
 * The normalizers and pre-tokenizers that we let the native library run: those of Qwen, Llama and
 * their relatives, with settings under which it cannot fail.
 */
final class Components {
  private Components() {}

  /**
   * Checks both.
   *
   * @throws UnsupportedModelException if one is not known; its message is half a sentence
   */
  static void check(JsonNode normalizer, JsonNode preTokenizer) {
    normalizer(normalizer);
    preTokenizer(preTokenizer);
  }

  /** Whether they put a space in front of a text. */
  static boolean addPrefix(JsonNode normalizer, JsonNode preTokenizer) {
    return normalizer.findValuesAsText("type").contains("Prepend")
        || preTokenizer.findParents("type").stream().anyMatch(Components::addsPrefix);
  }

  private static boolean addsPrefix(JsonNode step) {
    return switch (step.path("type").asText()) {
      case "ByteLevel" -> step.path("add_prefix_space").asBoolean(true);
      case "Metaspace" ->
          !step.path("prepend_scheme").asText("always").equals("never")
              && step.path("add_prefix_space").asBoolean(true);
      default -> false;
    };
  }

  private static void normalizer(JsonNode node) {
    if (node.isNull()) {
      return;
    }
    String type = node.path("type").asText();
    switch (type) {
      case "Sequence" -> node.path("normalizers").forEach(Components::normalizer);
      case "Replace" -> {
        pattern(node);
        if (node.path("content").asText().length() > 1) {
          throw new UnsupportedModelException("a normalizer that replaces by a longer text");
        }
      }
      case "NFC", "NFD", "NFKC", "NFKD", "Lowercase", "Strip", "StripAccents", "Prepend" -> {}
      default -> throw new UnsupportedModelException("the normalizer \"" + type + "\"");
    }
  }

  private static void preTokenizer(JsonNode node) {
    if (node.isNull()) {
      return;
    }
    String type = node.path("type").asText();
    switch (type) {
      case "Sequence" -> node.path("pretokenizers").forEach(Components::preTokenizer);
      case "Split" -> pattern(node);
      case "ByteLevel", "Digits", "Metaspace", "Punctuation", "Whitespace", "WhitespaceSplit" -> {}
      default -> throw new UnsupportedModelException("the pre-tokenizer \"" + type + "\"");
    }
  }

  private static void pattern(JsonNode node) {
    JsonNode pattern = node.path("pattern");
    @Nullable String objection;
    if (pattern.path("Regex").isTextual()) {
      objection = SplitPattern.objection(pattern.path("Regex").textValue());
    } else {
      objection = pattern.path("String").asText().isEmpty() ? "it is empty" : null;
    }
    if (objection != null) {
      throw new UnsupportedModelException("the pattern " + pattern + ": " + objection);
    }
  }
}
