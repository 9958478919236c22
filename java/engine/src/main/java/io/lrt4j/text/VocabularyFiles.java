package io.lrt4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.lrt4j.TokenizerException;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.checkpoint.ModelFiles;
import java.nio.file.Path;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * A tokenizer as {@code vocab.json} and {@code merges.txt}, which checkpoints had before {@code
 * tokenizer.json}: what the latter would say, as {@code Qwen2Tokenizer} of transformers 5 builds
 * it.
 */
final class VocabularyFiles {
  private static final String VOCABULARY = "vocab.json";
  private static final String MERGES = "merges.txt";
  private static final Set<String> CLASSES = Set.of("Qwen2Tokenizer", "Qwen2TokenizerFast");

  /** How Qwen splits a text into words. */
  private static final String WORDS =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  private VocabularyFiles() {}

  /** The vocabulary's file if a checkpoint has both, else null. */
  static @Nullable Path find(ModelFiles files) {
    Path vocabulary = files.find(VOCABULARY);
    return vocabulary == null || files.find(MERGES) == null ? null : vocabulary;
  }

  /**
   * The text of the tokenizer.json that the two stand for.
   *
   * @param config tokenizer_config.json, which has the tokens that the vocabulary lacks
   * @param vocabulary text of vocab.json
   * @param merges text of merges.txt
   */
  static String tokenizerJson(Path file, JsonNode config, String vocabulary, String merges) {
    String type = config.path("tokenizer_class").asText();
    if (!CLASSES.contains(type)) {
      throw new UnsupportedModelException(
          file
              + ": expected a tokenizer.json, or \"tokenizer_class\": \"Qwen2Tokenizer\" in"
              + " tokenizer_config.json to read vocab.json and merges.txt by, found "
              + (type.isEmpty() ? "neither" : "\"" + type + "\""));
    }
    if (!config.path("added_tokens_decoder").isObject()) {
      throw new UnsupportedModelException(
          file
              + ": expected \"added_tokens_decoder\" in tokenizer_config.json: vocab.json lacks the"
              + " special tokens");
    }
    var json = JsonNodeFactory.instance;
    var pairs = json.arrayNode();
    for (String line : merges.lines().toList()) {
      if (line.isBlank() || line.startsWith("#version")) {
        continue;
      }
      int space = line.indexOf(' ');
      if (space <= 0 || space != line.lastIndexOf(' ') || space == line.length() - 1) {
        throw new TokenizerException(
            file.resolveSibling(MERGES)
                + ": expected two tokens on a line, found \""
                + line
                + "\"");
      }
      pairs.addArray().add(line.substring(0, space)).add(line.substring(space + 1));
    }
    var words = json.objectNode().put("type", "Split").put("behavior", "Isolated");
    words.put("invert", false).putObject("pattern").put("Regex", WORDS);
    var bytes = json.objectNode().put("type", "ByteLevel").put("use_regex", false);
    bytes.put("add_prefix_space", config.path("add_prefix_space").asBoolean(false));
    bytes.put("trim_offsets", true);
    var root = json.objectNode();
    root.putObject("normalizer").put("type", "NFC");
    var split = root.putObject("pre_tokenizer").put("type", "Sequence");
    split.putArray("pretokenizers").add(words).add(bytes);
    root.putObject("decoder").put("type", "ByteLevel");
    String start = root.toString();
    return start.substring(0, start.length() - 1)
        + ",\"model\":{\"type\":\"BPE\",\"merges\":"
        + pairs
        + ",\"vocab\":"
        + vocabulary
        + "}}";
  }

  static Path merges(ModelFiles files) {
    return files.require(MERGES);
  }
}
