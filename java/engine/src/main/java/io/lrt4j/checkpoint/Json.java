package io.lrt4j.checkpoint;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonFactoryBuilder;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadConstraints;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import io.lrt4j.CheckpointException;
import io.lrt4j.json.JsonProblem;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.text.DecimalFormat;
import java.text.DecimalFormatSymbols;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * One object of an untrusted JSON file, read strictly: UTF-8 or nothing, no duplicate keys at any
 * depth, no NaN, integers that never pass through a double. Every accessor checks type and range
 * and refuses with one sentence that names file and key. A null value counts as an absent one, as
 * in transformers.
 */
final class Json {
  /**
   * No config or index comes near. A larger file is refused before it is read: the tree of a JSON
   * text takes up to thirty times its size.
   */
  private static final int MAX_FILE_BYTES = 8 << 20;

  private static final int MAX_NESTING = 64;

  static final int MAX_NAME_LENGTH = 1024;

  // Field names come from untrusted files: they must not grow a symbol table shared by the process.
  private static final JsonFactory FACTORY =
      new JsonFactoryBuilder()
          .configure(JsonFactory.Feature.CANONICALIZE_FIELD_NAMES, false)
          .configure(JsonFactory.Feature.INTERN_FIELD_NAMES, false)
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .streamReadConstraints(
              StreamReadConstraints.builder()
                  .maxNestingDepth(MAX_NESTING)
                  .maxNameLength(MAX_NAME_LENGTH)
                  .maxNumberLength(100)
                  .build())
          .build();

  // Python writes NaN and Infinity into any key. Only a key that is read must hold a number.
  private static final JsonMapper MAPPER =
      JsonMapper.builder(FACTORY.copy())
          .enable(JsonReadFeature.ALLOW_NON_NUMERIC_NUMBERS)
          .enable(DeserializationFeature.FAIL_ON_READING_DUP_TREE_KEY)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private final Path file;
  private final String prefix;
  private final JsonNode node;

  private Json(Path file, String prefix, JsonNode node) {
    this.file = file;
    this.prefix = prefix;
    this.node = node;
  }

  /** Reads a whole file, whose root must be an object. */
  static Json read(Path file) {
    try {
      JsonNode root = MAPPER.readTree(ModelFiles.text(file, MAX_FILE_BYTES));
      if (root == null || !root.isObject()) {
        throw new CheckpointException(file + ": expected a JSON object, found " + describe(root));
      }
      return new Json(file, "", root);
    } catch (IOException e) {
      throw unreadable(file, "", e);
    }
  }

  /** An object without keys, for a file that is not there. */
  static Json empty(Path file) {
    return new Json(file, "", MAPPER.createObjectNode());
  }

  /** The factory with every strictness set, for parsers that stream. */
  static JsonFactory factory() {
    return FACTORY;
  }

  /** A reader that fails at the first malformed byte, where Java's default would replace it. */
  static Reader strictUtf8(InputStream in) {
    return new InputStreamReader(
        in,
        StandardCharsets.UTF_8
            .newDecoder()
            .onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT));
  }

  /** The one sentence for a file, or a {@code part} of it, that cannot be read as JSON. */
  static CheckpointException unreadable(Path file, String part, IOException e) {
    String where = file + ": " + part;
    return switch (e) {
      case CharacterCodingException c ->
          new CheckpointException(where + "expected UTF-8, found a malformed sequence", c);
      case JsonProcessingException j -> {
        String at =
            j.getLocation() == null
                ? ""
                : " at line "
                    + j.getLocation().getLineNr()
                    + ", column "
                    + j.getLocation().getColumnNr();
        yield new CheckpointException(where + "not valid JSON" + at + ": " + JsonProblem.of(j), j);
      }
      default -> new CheckpointException(where + "cannot be read (" + ModelFiles.cause(e) + ")", e);
    };
  }

  /** A text from a file as it may stand in a message: one line, no control characters, short. */
  static String brief(String text) {
    return JsonProblem.brief(text);
  }

  static String quote(String text) {
    return JsonProblem.quote(text);
  }

  Path file() {
    return file;
  }

  /** Whether the key is there with a value other than null. */
  boolean has(String key) {
    return node.hasNonNull(key);
  }

  /** Whether the key is there, be its value null. */
  boolean mentions(String key) {
    return node.has(key);
  }

  /** Whether the key says nothing: not there, null, false, empty, or {@code neutral}. */
  boolean isNeutral(String key, double neutral) {
    JsonNode value = node.path(key);
    return value.isMissingNode()
        || value.isNull()
        || (value.isContainerNode() && value.isEmpty())
        || (value.isBoolean() && !value.booleanValue())
        || (value.isNumber() && value.doubleValue() == neutral);
  }

  boolean isObject(String key) {
    return node.path(key).isObject();
  }

  boolean isString(String key) {
    return node.path(key).isTextual();
  }

  List<String> keys() {
    var names = new ArrayList<String>();
    node.fieldNames().forEachRemaining(names::add);
    return names;
  }

  int integer(String key, int min, int max) {
    JsonNode value = require(key, "an integer");
    return (int) integer(value, key, min, max);
  }

  int integer(String key, int min, int max, int absent) {
    return has(key) ? integer(key, min, max) : absent;
  }

  /** Whether the key, if it is there, is an integer or a list of integers. */
  boolean isIntegers(String key) {
    JsonNode value = node.path(key);
    for (JsonNode item : value.isArray() ? value : List.of(value)) {
      if (!item.canConvertToLong() || !item.isIntegralNumber()) {
        return value.isMissingNode() || value.isNull();
      }
    }
    return true;
  }

  /** An integer or a list of integers; empty when absent. */
  List<Long> integers(String key) {
    JsonNode value = node.get(key);
    if (value == null || value.isNull()) {
      return List.of();
    }
    var all = new ArrayList<Long>();
    for (JsonNode item : value.isArray() ? value : List.of(value)) {
      all.add(integer(item, key, Long.MIN_VALUE, Long.MAX_VALUE));
    }
    return all;
  }

  private long integer(JsonNode value, String key, long min, long max) {
    if (!value.isIntegralNumber()
        || !value.canConvertToLong()
        || value.longValue() < min
        || value.longValue() > max) {
      String range = min == Long.MIN_VALUE ? "" : " from " + min + " to " + max;
      throw wrong(key, "an integer" + range, value);
    }
    return value.longValue();
  }

  /** A finite number above 0, at most 1. */
  double fraction(String key, double absent) {
    if (!has(key)) {
      return absent;
    }
    JsonNode value = require(key, "a number");
    double number = value.doubleValue();
    if (!value.isNumber() || !(number > 0 && number <= 1)) {
      throw wrong(key, "a number above 0 and at most 1", value);
    }
    return number;
  }

  /** A finite number from {@code min} to {@code max}, both included. */
  double number(String key, double min, double max) {
    JsonNode value = require(key, "a number");
    double number = value.doubleValue();
    if (!value.isNumber() || !(number >= min && number <= max)) {
      throw wrong(key, range(min, max), value);
    }
    return number;
  }

  private static String range(double min, double max) {
    boolean below = min > -Float.MAX_VALUE;
    boolean above = max < Float.MAX_VALUE;
    DecimalFormat shown = new DecimalFormat("0.###", DecimalFormatSymbols.getInstance(Locale.ROOT));
    return above
        ? "a number from " + shown.format(min) + " to " + shown.format(max)
        : below ? "a finite number of at least " + shown.format(min) : "a finite number";
  }

  double number(String key, double min, double max, double absent) {
    return has(key) ? number(key, min, max) : absent;
  }

  /** A finite number above 0. */
  double positive(String key) {
    JsonNode value = require(key, "a number above 0");
    double number = value.doubleValue();
    if (!value.isNumber() || !(number > 0 && number <= Double.MAX_VALUE)) {
      throw wrong(key, "a finite number above 0", value);
    }
    return number;
  }

  double positive(String key, double absent) {
    return has(key) ? positive(key) : absent;
  }

  boolean bool(String key, boolean absent) {
    JsonNode value = node.get(key);
    if (value == null || value.isNull()) {
      return absent;
    }
    if (!value.isBoolean()) {
      throw wrong(key, "true or false", value);
    }
    return value.booleanValue();
  }

  String string(String key) {
    JsonNode value = require(key, "a string");
    if (!value.isTextual()) {
      throw wrong(key, "a string", value);
    }
    return value.textValue();
  }

  @Nullable String stringOrNull(String key) {
    return has(key) ? string(key) : null;
  }

  List<String> strings(String key) {
    JsonNode value = require(key, "a list of strings");
    if (!value.isArray()) {
      throw wrong(key, "a list of strings", value);
    }
    var all = new ArrayList<String>();
    for (JsonNode item : value) {
      if (!item.isTextual()) {
        throw wrong(key, "a list of strings", item);
      }
      all.add(item.textValue());
    }
    return all;
  }

  Json object(String key) {
    JsonNode value = require(key, "an object");
    if (!value.isObject()) {
      throw wrong(key, "an object", value);
    }
    return new Json(file, prefix + key + ".", value);
  }

  /** The sentence for a key whose value is not what it must be. */
  CheckpointException wrong(String key, String expected) {
    return wrong(key, expected, node.get(key));
  }

  private CheckpointException wrong(String key, String expected, @Nullable JsonNode found) {
    return new CheckpointException(
        file + ": " + name(key) + " must be " + expected + ", found " + describe(found));
  }

  /** How a message names a key: with the objects around it. */
  String name(String key) {
    return quote(prefix + key);
  }

  private JsonNode require(String key, String expected) {
    JsonNode value = node.get(key);
    if (value == null || value.isNull()) {
      throw new CheckpointException(file + ": " + name(key) + " is missing; expected " + expected);
    }
    return value;
  }

  private static String describe(@Nullable JsonNode node) {
    if (node == null) {
      return "nothing";
    }
    return switch (node.getNodeType()) {
      case OBJECT -> "an object";
      case ARRAY -> node.isEmpty() ? "an empty list" : "a list";
      case STRING -> quote(node.textValue());
      case MISSING -> "nothing";
      case NUMBER ->
          Double.isInfinite(node.doubleValue())
              ? node.asText() + " or one beyond 64 bits" // as 1e400 is
              : brief(node.asText());
      default -> brief(node.asText());
    };
  }
}
