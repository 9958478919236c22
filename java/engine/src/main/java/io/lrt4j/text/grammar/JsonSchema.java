package io.lrt4j.text.grammar;

import static io.lrt4j.text.grammar.Grammar.bytes;
import static io.lrt4j.text.grammar.Grammar.choice;
import static io.lrt4j.text.grammar.Grammar.optional;
import static io.lrt4j.text.grammar.Grammar.repeat;
import static io.lrt4j.text.grammar.Grammar.sequence;
import static io.lrt4j.text.grammar.Grammar.text;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.BooleanNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import io.lrt4j.QuestionException;
import io.lrt4j.json.JsonProblem;
import io.lrt4j.text.ToolTexts;
import io.lrt4j.text.grammar.Grammar.Node;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * JSON Schema (2020-12) as a grammar. Understood: {@code type} (one or a list), {@code properties},
 * {@code required}, {@code additionalProperties}, {@code propertyNames} (any strings, or an enum),
 * {@code items}, {@code prefixItems} (as a list of {@code items}, too), {@code minItems}, {@code
 * maxItems}, {@code minLength}, {@code maxLength}, {@code pattern} (see {@link JsonPattern}),
 * {@code minimum}, {@code maximum}, {@code exclusiveMinimum} and {@code exclusiveMaximum}, {@code
 * enum}, {@code const}, {@code anyOf}, {@code oneOf} of what excludes each other (see {@link
 * OneOf}), {@code allOf} of one, {@code $ref} to parts of the same schema; {@code title}, {@code
 * description}, {@code format} and the like say nothing, nor what begins with {@code x-}; every
 * other keyword is refused by its name.
 *
 * <p>What may be written is valid by the schema, but not all that is valid may be written: an
 * object has its properties in their order and, if there are any, no others; white space is that of
 * a line or of an indented text; numbers have at most 15 digits before and behind the point, and no
 * exponent if they have bounds, which must be whole, and 15 digits in all next to exclusive ones,
 * so that readers in 64 bits round to none; and what is nested more than some 200 deep has to come
 * to its end.
 *
 * <p>Limits, each refused in a sentence: {@value #MAX_LENGTH} characters, {@value #MAX_NESTING}
 * deep, {@value #MAX_DEPTH} with references followed, {@value #MAX_PROPERTIES} properties of an
 * object, {@value #MAX_COUNT} as the least or most items or characters. Each part is read once, so
 * reading a schema costs O(its characters).
 */
final class JsonSchema {
  private static final int MAX_LENGTH = 1 << 16; // of a schema, characters
  private static final int MAX_NESTING = 64; // of its JSON
  private static final int MAX_DEPTH = 256; // of its parts, references followed
  private static final int MAX_COUNT = 1 << 16; // of items or characters
  private static final int MAX_PROPERTIES = 512;
  private static final int MAX_MESSAGE = 300; // characters, of names that are told back

  private static final JsonMapper MAPPER =
      ToolTexts.json(MAX_NESTING)
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.USE_BIG_DECIMAL_FOR_FLOATS)
          .build();

  private static final Set<String> SAY_NOTHING =
      Set.of(
          "title",
          "description",
          "default",
          "examples",
          "deprecated",
          "example",
          "format",
          "contentEncoding",
          "contentMediaType",
          "contentSchema",
          "readOnly",
          "writeOnly",
          "$schema",
          "$comment",
          "$defs",
          "definitions");

  private static final Set<String> OF_OBJECTS =
      Set.of("properties", "required", "additionalProperties", "propertyNames");
  private static final Set<String> OF_ARRAYS =
      Set.of("items", "prefixItems", "minItems", "maxItems");
  private static final Set<String> OF_STRINGS = Set.of("minLength", "maxLength", "pattern");
  static final Set<String> VALUES = Set.of("enum", "const");
  private static final List<String> ALTERNATIVES = List.of("anyOf", "oneOf", "allOf");

  /** One line, or the next one, indented. */
  static final Node SPACE =
      optional(choice(text(" "), sequence(text("\n"), repeat(text(" "), 0, 16))));

  /** What models write before they begin. */
  static final Node BEFORE = repeat(bytes(' ', ' ', '\n', '\n'), 0, 2);

  private static final Node HEX = bytes('0', '9', 'a', 'f', 'A', 'F');
  private static final Node TAIL = bytes(0x80, 0xbf); // of a character's bytes

  private static final Node CHARACTER =
      choice(
          bytes(' ', '!', '#', '[', ']', 0x7f),
          sequence(bytes(0xc2, 0xdf), TAIL),
          sequence(bytes(0xe0, 0xe0), bytes(0xa0, 0xbf), TAIL),
          sequence(bytes(0xe1, 0xec, 0xee, 0xef), TAIL, TAIL),
          sequence(bytes(0xed, 0xed), bytes(0x80, 0x9f), TAIL), // no surrogates
          sequence(bytes(0xf0, 0xf0), bytes(0x90, 0xbf), TAIL, TAIL),
          sequence(bytes(0xf1, 0xf3), TAIL, TAIL, TAIL),
          sequence(bytes(0xf4, 0xf4), bytes(0x80, 0x8f), TAIL, TAIL),
          sequence(
              text("\\"),
              choice(
                  bytes(
                      '"', '"', '\\', '\\', '/', '/', 'b', 'b', 'f', 'f', 'n', 'n', 'r', 'r', 't',
                      't'),
                  sequence(
                      text("u"),
                      choice(
                          sequence(
                              bytes('0', '9', 'a', 'c', 'A', 'C', 'e', 'f', 'E', 'F'),
                              HEX,
                              HEX,
                              HEX),
                          sequence(bytes('d', 'd', 'D', 'D'), bytes('0', '7'), HEX, HEX))))));

  private static final Node STRING = string(0, -1);
  private static final Node BOOLEAN = choice(text("true"), text("false"));

  private final JsonNode root;
  private final IdentityHashMap<JsonNode, Grammar.Rule> known = new IdentityHashMap<>(); // by part
  private final Grammar.Rule any = new Grammar.Rule();
  private int depth; // parts that are being read

  private JsonSchema(JsonNode root) {
    this.root = root;
    any.is(
        choice(object(any), array(any, 0, -1), STRING, JsonNumbers.NUMBER, BOOLEAN, text("null")));
  }

  /**
   * The grammar of a schema, with up to two spaces or line breaks before the value.
   *
   * @throws QuestionException if it is none, or has what is not understood
   */
  static Grammar grammar(String schema) {
    return new Grammar(sequence(BEFORE, values(schema)));
  }

  /** The values of a schema that are objects only; {@code {}} has them all. */
  static Node objects(String schema) {
    Node values = values(schema.equals("{}") ? "{\"type\":\"object\"}" : schema);
    if (!new Grammar(values).start().onlyBegins('{')) {
      throw wrong("", "must allow nothing but objects");
    }
    return values;
  }

  /** The values of a schema, of which there are some. */
  static Node values(String schema) {
    if (schema.length() > MAX_LENGTH) {
      throw wrong(
          "", "has " + schema.length() + " characters, more than the " + MAX_LENGTH + " allowed");
    }
    JsonNode root;
    try {
      root = MAPPER.readTree(schema);
    } catch (JsonProcessingException e) {
      throw new QuestionException("the JSON schema is not JSON: " + JsonProblem.of(e), e);
    }
    OneOf.requireDiscriminators(root, root);
    Node value = new JsonSchema(root).compile(root, "");
    if (new Grammar(value).isEmpty()) {
      throw wrong("", "allows no value that has an end");
    }
    return value;
  }

  static QuestionException wrong(String path, String what) {
    String said = "the JSON schema " + (path.isEmpty() ? "" : "at " + path + " ") + what;
    return new QuestionException(
        said.length() <= MAX_MESSAGE ? said : said.substring(0, MAX_MESSAGE) + "…");
  }

  /**
   * The values of a part of the schema. Each part is read once, however often it is referred to.
   */
  private Node compile(JsonNode schema, String path) {
    if (schema.isBoolean() && schema.booleanValue()) {
      return any;
    }
    if (!(schema instanceof ObjectNode)) {
      throw wrong(path, "must be an object");
    }
    Grammar.Rule rule = known.get(schema);
    if (rule == null) {
      rule = new Grammar.Rule();
      known.put(schema, rule);
      if (++depth > MAX_DEPTH) {
        throw wrong(path, "is more than " + MAX_DEPTH + " parts deep, references followed");
      }
      rule.is(read(schema, path));
      depth--;
    }
    return rule;
  }

  private Node read(JsonNode schema, String path) {
    Set<String> said = new HashSet<>();
    schema.fieldNames().forEachRemaining(said::add);
    said.removeIf(keyword -> SAY_NOTHING.contains(keyword) || keyword.startsWith("x-"));
    if (path.isEmpty()) { // the root
      said.remove("$id");
    }
    if (said.contains("$ref")) {
      alone("$ref", said, path);
      return reference(schema.get("$ref"), path);
    }
    for (String keyword : ALTERNATIVES) {
      if (said.contains(keyword)) {
        said.remove("discriminator"); // says how to find the one; see OneOf
        alone(keyword, said, path);
        return alternatives(keyword, schema.get(keyword), path);
      }
    }
    List<Node> types = new ArrayList<>();
    for (String type : types(schema, said, path)) {
      types.add(ofType(type, schema, said, path));
    }
    if (!said.isEmpty()) {
      throw wrong(
          path,
          "has the keyword "
              + said.stream().sorted().findFirst().orElseThrow()
              + ", which is not supported"
              + (schema.has("type") ? " with type " + schema.get("type") : ""));
    }
    return choice(types);
  }

  private static void alone(String keyword, Set<String> said, String path) {
    if (said.size() > 1) {
      said.remove(keyword);
      throw wrong(
          path,
          "has the keyword "
              + said.stream().sorted().findFirst().orElseThrow()
              + " beside "
              + keyword
              + ", which is not supported");
    }
  }

  private Node reference(JsonNode to, String path) {
    JsonNode part = part(root, to);
    if (part.isMissingNode()) {
      throw wrong(path, "has a $ref to " + to + ", which is no part of it");
    }
    return compile(part, to.textValue().substring(1));
  }

  /** The part of a schema that a {@code $ref} names; a missing node if there is none. */
  static JsonNode part(JsonNode root, JsonNode ref) {
    String pointer = ref.isTextual() ? ref.textValue() : "";
    if (!pointer.equals("#") && !pointer.startsWith("#/")) {
      return MAPPER.missingNode();
    }
    JsonNode part = root.at(pointer.substring(1));
    return part.isMissingNode() && pointer.contains("%") ? root.at(decoded(pointer)) : part;
  }

  /** A pointer in a URI has characters such as < as %3C. */
  private static String decoded(String pointer) {
    try {
      return URLDecoder.decode(pointer.substring(1).replace("+", "%2B"), StandardCharsets.UTF_8);
    } catch (IllegalArgumentException e) { // no such thing
      return pointer.substring(1);
    }
  }

  private Node alternatives(String keyword, JsonNode schemas, String path) {
    if (!schemas.isArray() || schemas.isEmpty()) {
      throw wrong(path, "must have a list in " + keyword);
    }
    if (keyword.equals("allOf") && schemas.size() > 1) {
      throw wrong(path, "has an allOf of more than one schema, which is not supported");
    }
    List<Node> all = new ArrayList<>();
    for (int i = 0; i < schemas.size(); i++) {
      all.add(compile(schemas.get(i), path + "/" + keyword + "/" + i));
    }
    if (keyword.equals("oneOf")) {
      OneOf.check(root, schemas, path);
    }
    return choice(all);
  }

  /** What {@code type} says, or the other keywords do without it. */
  private static List<String> types(JsonNode schema, Set<String> said, String path) {
    if (said.stream().anyMatch(VALUES::contains)) {
      return List.of("value");
    }
    if (!said.remove("type")) {
      return List.of(
          said.stream().anyMatch(OF_OBJECTS::contains)
              ? "object"
              : said.stream().anyMatch(OF_ARRAYS::contains)
                  ? "array"
                  : said.stream().anyMatch(OF_STRINGS::contains) ? "string" : "any");
    }
    List<String> types = new ArrayList<>();
    JsonNode type = schema.get("type");
    (type.isArray() ? type : List.of(type)).forEach(t -> types.add(t.asText()));
    if (types.isEmpty()) {
      throw wrong(path, "must have a type");
    }
    if (types.contains("number")) {
      types.remove("integer"); // which is one
    }
    return types;
  }

  /** The part of one type; takes its keywords out of {@code said}. */
  private Node ofType(String type, JsonNode schema, Set<String> said, String path) {
    return switch (type) {
      case "any" -> any;
      case "value" -> values(schema, said, path);
      case "null" -> text("null");
      case "boolean" -> BOOLEAN;
      case "integer", "number" -> {
        said.removeAll(JsonNumbers.KEYWORDS);
        yield JsonNumbers.of(type, schema, path);
      }
      case "string" -> {
        said.removeAll(OF_STRINGS);
        yield string(schema, path);
      }
      case "array" -> array(schema, said, path);
      case "object" -> {
        said.removeAll(OF_OBJECTS);
        yield object(schema, path);
      }
      default ->
          throw wrong(
              path,
              "has the type "
                  + type
                  + "; there are object, array, string, number, integer,"
                  + " boolean and null");
    };
  }

  private static int least(JsonNode schema, String keyword, String path) {
    return count(schema, keyword, 0, path);
  }

  /** What {@code max…} says, which is not less than what {@code min…} does; -1 if nothing. */
  private static int most(JsonNode schema, String of, String path) {
    int most = count(schema, "max" + of, -1, path);
    if (most >= 0 && most < least(schema, "min" + of, path)) {
      throw wrong(path, "allows no value: max" + of + " is less than min" + of);
    }
    return most;
  }

  private static int count(JsonNode schema, String keyword, int absent, String path) {
    JsonNode count = schema.path(keyword);
    if (count.isMissingNode()) {
      return absent;
    }
    if (!count.isInt() || count.intValue() < 0 || count.intValue() > MAX_COUNT) {
      throw wrong(path, "must have a whole number from 0 to " + MAX_COUNT + " as " + keyword);
    }
    return count.intValue();
  }

  /** {@code enum} and {@code const}, of which only what has the type counts. */
  private static Node values(JsonNode schema, Set<String> said, String path) {
    if (said.contains("enum") && !schema.path("enum").isArray()) {
      throw wrong(path, "must have a list as enum");
    }
    Iterable<JsonNode> values =
        said.contains("const") ? List.of(schema.get("const")) : schema.get("enum");
    List<String> texts = new ArrayList<>();
    for (JsonNode value : values) {
      boolean listed =
          !said.contains("const") || !said.contains("enum") || contains(schema.get("enum"), value);
      if (listed && hasType(value, schema.path("type"))) {
        texts.add(unicode(value.toString(), path));
      }
    }
    if (texts.isEmpty()) {
      throw wrong(path, "allows no value");
    }
    said.removeAll(VALUES);
    said.remove("type");
    return Grammar.oneOf(texts);
  }

  /** What an answer is to have must be something that can be written. */
  private static String unicode(String text, String path) {
    if (!StandardCharsets.UTF_8.newEncoder().canEncode(text)) {
      throw wrong(path, "must be Unicode, found half a surrogate pair");
    }
    return text;
  }

  private static boolean contains(JsonNode list, JsonNode value) {
    for (JsonNode one : list) {
      if (one.equals(value)) {
        return true;
      }
    }
    return false;
  }

  private static boolean hasType(JsonNode value, JsonNode type) {
    if (type.isMissingNode()) {
      return true;
    }
    if (type.isArray()) {
      for (JsonNode one : type) {
        if (hasType(value, one)) {
          return true;
        }
      }
      return false;
    }
    return switch (type.asText()) {
      case "null" -> value.isNull();
      case "boolean" -> value.isBoolean();
      case "integer" -> value.isIntegralNumber();
      case "number" -> value.isNumber();
      case "string" -> value.isTextual();
      case "array" -> value.isArray();
      case "object" -> value.isObject();
      default -> false;
    };
  }

  private static Node string(JsonNode schema, String path) {
    int least = least(schema, "minLength", path);
    int most = most(schema, "Length", path);
    if (!schema.has("pattern")) {
      return string(least, most);
    }
    if (!schema.get("pattern").isTextual()) {
      throw wrong(path, "must have a text as pattern");
    }
    var strings = JsonPattern.of(schema.get("pattern").textValue(), path);
    if (strings.least() < least || (most >= 0 && strings.most() > most)) {
      throw wrong(
          path,
          "has a pattern of strings of which minLength or maxLength leaves out some, which is not"
              + " supported: say their length in the pattern");
    }
    return sequence(text("\""), strings.node(), text("\""));
  }

  private static Node string(int least, int most) {
    return sequence(text("\""), repeat(CHARACTER, least, most), text("\""));
  }

  private static Node array(Node item, int least, int most) {
    Node more = sequence(text(","), SPACE, item);
    Node some =
        sequence(SPACE, item, repeat(more, Math.max(0, least - 1), most < 0 ? most : most - 1));
    Node items = most == 0 ? Grammar.EMPTY : least > 0 ? some : optional(some);
    return sequence(text("["), items, SPACE, text("]"));
  }

  /** An array whose first items may have schemas of their own. */
  private Node array(JsonNode schema, Set<String> said, String path) {
    boolean older = schema.path("items").isArray(); // than 2020-12
    String ofFirst = older ? "items" : "prefixItems";
    String ofRest = older ? "additionalItems" : "items";
    said.removeAll(Set.of(ofFirst, ofRest, "minItems", "maxItems"));
    JsonNode first = schema.path(ofFirst);
    JsonNode rest = schema.path(ofRest);
    int least = least(schema, "minItems", path);
    int most = most(schema, "Items", path);
    boolean closed = rest.isBoolean() && !rest.booleanValue();
    if (closed) {
      if (least > first.size()) {
        throw wrong(path, "allows no value: minItems is more than the items that it names");
      }
      most = most < 0 ? first.size() : Math.min(most, first.size());
    }
    Node item = closed || rest.isMissingNode() ? any : compile(rest, path + "/" + ofRest);
    if (!first.isMissingNode() && !first.isArray()) {
      throw wrong(path, "must have a list as " + ofFirst);
    }
    int named = most < 0 ? first.size() : Math.min(most, first.size());
    if (named == 0) {
      return array(item, least, most);
    }
    Node behind = // what may follow the last of those
        sequence(
            repeat(
                sequence(text(","), SPACE, item),
                Math.max(0, least - named),
                most < 0 ? most : most - named),
            SPACE,
            text("]"));
    for (int i = named - 1; i >= 0; i--) {
      Node one = sequence(SPACE, compile(first.get(i), path + "/" + ofFirst + "/" + i), behind);
      Node more = i == 0 ? one : sequence(text(","), one);
      behind = i < least ? more : choice(more, sequence(SPACE, text("]")));
    }
    return sequence(text("["), behind);
  }

  /** An object with any keys. */
  private static Node object(Node value) {
    Node member = sequence(STRING, text(":"), SPACE, value);
    Node members = sequence(SPACE, member, repeat(sequence(text(","), SPACE, member), 0, -1));
    return sequence(text("{"), optional(members), SPACE, text("}"));
  }

  /**
   * The properties that an object names: itself, or as {@code propertyNames} that are listed. Those
   * that are any strings say nothing: {@code z.record} of TypeScript's zod.
   */
  private Map<String, JsonNode> properties(JsonNode schema, String path) {
    Map<String, JsonNode> properties = new LinkedHashMap<>();
    schema.path("properties").properties().forEach(p -> properties.put(p.getKey(), p.getValue()));
    if (!schema.has("propertyNames")) {
      return properties;
    }
    JsonNode names = OneOf.resolved(root, schema.get("propertyNames"));
    Set<String> said = new HashSet<>();
    names.fieldNames().forEachRemaining(said::add);
    said.removeAll(SAY_NOTHING);
    boolean strings = !said.remove("type") || names.get("type").asText().equals("string");
    if (names.isObject() && strings && said.isEmpty()) {
      return properties;
    }
    said.removeAll(VALUES);
    List<JsonNode> listed = new ArrayList<>();
    OneOf.listed(names).forEach(listed::add);
    boolean supported = strings && said.isEmpty() && properties.isEmpty() && !listed.isEmpty();
    if (!supported || !listed.stream().allMatch(JsonNode::isTextual)) {
      throw wrong(
          path,
          "has propertyNames, of which only {\"type\": \"string\"} and, without properties, an enum"
              + " of strings are supported");
    }
    JsonNode others = schema.path("additionalProperties");
    for (JsonNode name : listed) {
      properties.put(name.textValue(), others.isMissingNode() ? BooleanNode.TRUE : others);
    }
    return properties;
  }

  private Node object(JsonNode schema, String path) {
    JsonNode others = schema.path("additionalProperties");
    if (schema.has("properties") && !schema.get("properties").isObject()) {
      throw wrong(path, "must have an object as properties");
    }
    Map<String, JsonNode> properties = properties(schema, path);
    if (properties.size() > MAX_PROPERTIES) {
      throw wrong(
          path, "has " + properties.size() + " properties, more than the " + MAX_PROPERTIES);
    }
    Set<String> required = new HashSet<>();
    JsonNode needs = schema.path("required");
    if (!needs.isMissingNode() && !needs.isArray()) {
      throw wrong(path, "must have a list as required");
    }
    for (JsonNode name : needs) {
      required.add(name.asText());
      if (!properties.containsKey(name.asText())) {
        throw wrong(path, "requires " + name + ", which is none of its properties");
      }
    }
    if (properties.isEmpty()) {
      if (others.isBoolean() && !others.booleanValue()) {
        return sequence(text("{"), SPACE, text("}"));
      }
      return object(others.isMissingNode() ? any : compile(others, path + "/additionalProperties"));
    }
    Node names = text("}"); // what may follow if no property was written so far: a name, or the end
    Node moreNames = Grammar.EMPTY; // what may follow a comma
    Node behind = sequence(SPACE, text("}")); // what may follow a value
    boolean needed = false; // a property further on
    List<Map.Entry<String, JsonNode>> all = new ArrayList<>(properties.entrySet());
    for (Map.Entry<String, JsonNode> property : all.reversed()) {
      String name = property.getKey();
      boolean own = schema.path("properties").has(name);
      String at = path + (own ? "/properties/" + name : "/additionalProperties");
      Node value = compile(property.getValue(), at);
      Node member =
          sequence(text(unicode(TextNode.valueOf(name) + ":", path)), SPACE, value, behind);
      boolean must = required.contains(name);
      names = must ? member : choice(member, names);
      moreNames = must || moreNames == Grammar.EMPTY ? member : choice(member, moreNames);
      needed |= must;
      Node more = sequence(text(","), SPACE, moreNames);
      behind = needed ? more : choice(more, sequence(SPACE, text("}")));
    }
    return sequence(text("{"), SPACE, names);
  }
}
