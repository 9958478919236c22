package io.lrt4j.training.data;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.text.Normalizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Makes a byte-level BPE tokenizer (Sennrich et al., 2016) for a small model: pre-tokenized as
 * Qwen's, every digit a token of its own, written as an ordinary {@code tokenizer.json}.
 */
public final class TokenizerTrainer {
  /** Tokens besides bytes and merges, in the order of their ids. */
  private static final List<String> ADDED =
      List.of(
          "<|endoftext|>",
          "<|system|>",
          "<|user|>",
          "<|assistant|>",
          "<|end|>",
          "<think>",
          "</think>");

  private static final int SPECIAL = 5; // of them, the first ones
  private static final String END = "<|end|>";
  private static final String SPLIT =
      "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
          + "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  /** Problems are learnt one by one: a conversation is its last one, not those before it. */
  private static final String TEMPLATE =
      """
      {%- set last = namespace(user=0) %}
      {%- for message in messages %}
      {%- if message.role == 'user' %}{%- set last.user = loop.index0 %}{%- endif %}
      {%- endfor %}
      {%- for message in messages %}
      {%- if message.role == 'system' or loop.index0 >= last.user %}
      {{- '<|' + message.role + '|>' + message.content }}
      {%- if message.role == 'assistant' %}{{- '<|end|>' }}{%- endif %}
      {%- endif %}
      {%- endfor %}
      {%- if add_generation_prompt %}
      {{- '<|assistant|>' }}
      {%- if enable_thinking is defined and enable_thinking is false %}
      {{- '<think>\\n\\n</think>\\n\\n' }}
      {%- endif %}
      {%- endif %}
      """;

  private static final JsonMapper MAPPER = new JsonMapper();

  private final List<String> vocabulary = new ArrayList<>();
  private final List<List<String>> merges = new ArrayList<>();

  private TokenizerTrainer() {}

  /**
   * Learns merges from texts and writes {@code tokenizer.json}, {@code tokenizer_config.json} and
   * {@code chat_template.jinja}.
   *
   * @param size tokens in all, 263 or more; fewer if the texts give no more merges
   * @param out an existing directory
   * @return the number of tokens, and the ids of end of answer and of padding
   */
  public static Tokens train(Stream<String> texts, int size, Path out) {
    if (size < 256 + ADDED.size()) {
      throw new IllegalArgumentException(
          "a byte-level vocabulary needs at least "
              + (256 + ADDED.size())
              + " tokens, found "
              + size);
    }
    var trainer = new TokenizerTrainer();
    trainer.learn(words(texts), size - ADDED.size());
    trainer.write(out);
    int first = trainer.vocabulary.size();
    return new Tokens(first + ADDED.size(), first + ADDED.indexOf(END), first);
  }

  /**
   * What a model has to know of its tokenizer.
   *
   * @param size number of tokens
   * @param end the token that ends an answer
   * @param padding the token that pads
   */
  public record Tokens(int size, int end, int padding) {}

  /** Every pre-token of the texts in the alphabet of bytes, with how often it occurs. */
  private static Map<String, Long> words(Stream<String> texts) {
    char[] alphabet = alphabet();
    Pattern split = Pattern.compile(SPLIT, Pattern.UNICODE_CHARACTER_CLASS);
    Map<String, Long> found = new HashMap<>();
    texts.forEach(
        text -> {
          Matcher m = split.matcher(Normalizer.normalize(text, Normalizer.Form.NFC));
          while (m.find()) {
            found.merge(m.group(), 1L, Long::sum);
          }
        });
    Map<String, Long> words = new TreeMap<>();
    found.forEach(
        (group, count) -> {
          var word = new StringBuilder();
          for (byte b : group.getBytes(StandardCharsets.UTF_8)) {
            word.append(alphabet[b & 0xFF]);
          }
          words.merge(word.toString(), count, Long::sum);
        });
    return words;
  }

  /** GPT-2's alphabet: printable bytes stand for themselves, the others from U+0100 on. */
  private static char[] alphabet() {
    char[] alphabet = new char[256];
    char next = 0x100;
    for (int b = 0; b < 256; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b != 0xAD);
      alphabet[b] = printable ? (char) b : next++;
    }
    return alphabet;
  }

  /** Merges the most frequent pair, of equal ones the first in order, until there are enough. */
  private void learn(Map<String, Long> words, int size) {
    char[] alphabet = alphabet();
    Arrays.sort(alphabet);
    for (char c : alphabet) {
      vocabulary.add(String.valueOf(c));
    }
    Map<List<String>, Long> split = new LinkedHashMap<>();
    words.forEach((word, count) -> split.put(List.of(word.split("")), count));
    while (vocabulary.size() < size) {
      Map<List<String>, Long> pairs = new LinkedHashMap<>();
      split.forEach(
          (word, count) -> {
            for (int i = 0; i + 1 < word.size(); i++) {
              pairs.merge(List.of(word.get(i), word.get(i + 1)), count, Long::sum);
            }
          });
      var best =
          pairs.entrySet().stream()
              .max(
                  Map.Entry.<List<String>, Long>comparingByValue()
                      .thenComparing(e -> e.getKey().getFirst(), Comparator.reverseOrder())
                      .thenComparing(e -> e.getKey().getLast(), Comparator.reverseOrder()));
      if (best.isEmpty()) {
        return;
      }
      List<String> pair = best.get().getKey();
      merges.add(pair);
      vocabulary.add(pair.getFirst() + pair.getLast());
      Map<List<String>, Long> merged = new LinkedHashMap<>();
      split.forEach((word, count) -> merged.merge(merge(word, pair), count, Long::sum));
      split.clear();
      split.putAll(merged);
    }
  }

  private static List<String> merge(List<String> word, List<String> pair) {
    List<String> merged = new ArrayList<>(word.size());
    for (int i = 0; i < word.size(); i++) {
      boolean found =
          i + 1 < word.size()
              && word.get(i).equals(pair.getFirst())
              && word.get(i + 1).equals(pair.getLast());
      merged.add(found ? pair.getFirst() + pair.getLast() : word.get(i));
      i += found ? 1 : 0;
    }
    return merged;
  }

  private void write(Path out) {
    ObjectNode root = MAPPER.createObjectNode().put("version", "1.0");
    root.putNull("truncation").putNull("padding");
    ArrayNode added = root.putArray("added_tokens");
    for (int i = 0; i < ADDED.size(); i++) {
      added
          .addObject()
          .put("id", vocabulary.size() + i)
          .put("content", ADDED.get(i))
          .put("single_word", false)
          .put("lstrip", false)
          .put("rstrip", false)
          .put("normalized", false)
          .put("special", i < SPECIAL);
    }
    root.putObject("normalizer").put("type", "NFC");
    ArrayNode steps =
        root.putObject("pre_tokenizer").put("type", "Sequence").putArray("pretokenizers");
    ObjectNode split = steps.addObject().put("type", "Split");
    split.putObject("pattern").put("Regex", SPLIT);
    split.put("behavior", "Isolated").put("invert", false);
    bytes(steps.addObject()).put("add_prefix_space", false).put("use_regex", false);
    root.putNull("post_processor");
    bytes(root.putObject("decoder")).put("add_prefix_space", true).put("use_regex", true);
    ObjectNode model = root.putObject("model").put("type", "BPE");
    model.putNull("dropout").putNull("unk_token");
    model.putNull("continuing_subword_prefix").putNull("end_of_word_suffix");
    model.put("fuse_unk", false).put("byte_fallback", false).put("ignore_merges", false);
    ObjectNode ids = model.putObject("vocab");
    for (int i = 0; i < vocabulary.size(); i++) {
      ids.put(vocabulary.get(i), i);
    }
    ArrayNode pairs = model.putArray("merges");
    merges.forEach(pair -> pair.forEach(pairs.addArray()::add));

    ObjectNode config = MAPPER.createObjectNode();
    config.put("tokenizer_class", "PreTrainedTokenizerFast");
    config.put("eos_token", END).put("pad_token", ADDED.getFirst());
    config.put("clean_up_tokenization_spaces", false).put("model_max_length", 1024);
    try {
      Files.writeString(out.resolve("tokenizer.json"), pretty(root));
      Files.writeString(out.resolve("tokenizer_config.json"), pretty(config));
      Files.writeString(out.resolve("chat_template.jinja"), TEMPLATE);
    } catch (IOException e) {
      throw new UncheckedIOException(out + ": a tokenizer cannot be written", e);
    }
  }

  private static ObjectNode bytes(ObjectNode step) {
    return step.put("type", "ByteLevel").put("trim_offsets", true);
  }

  private static String pretty(ObjectNode json) throws IOException {
    return MAPPER.writerWithDefaultPrettyPrinter().writeValueAsString(json) + "\n";
  }
}
