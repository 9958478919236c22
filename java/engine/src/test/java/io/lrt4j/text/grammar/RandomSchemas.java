package io.lrt4j.text.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Random;
import java.util.regex.Pattern;

/** Schemas of all that is understood, and whether a value is valid by one: not by a grammar. */
public final class RandomSchemas {
  private static final ObjectMapper MAPPER = new ObjectMapper();
  private static final JsonNodeFactory NODES = JsonNodeFactory.instance;
  private static final List<String> NAMES = List.of("a", "ab", "b\"", "é😀", "", "a b");

  private static final List<String> PATTERNS =
      List.of("a\"b", "^\\S+@[^\\s@]+\\.[a-z]{2,3}$", "^.*[é-í\\\\]$|^(?:\\d\\d[-/]){2}(\\W|\\n)?");

  private final Random random;

  private RandomSchemas(Random random) {
    this.random = random;
  }

  /** A schema that may refer to itself. */
  public static String schema(long seed) {
    var schemas = new RandomSchemas(new Random(seed));
    ObjectNode root = schemas.any(3);
    root.putObject("$defs").set("r", schemas.any(2));
    return root.toString();
  }

  private ObjectNode any(int depth) {
    ObjectNode schema = NODES.objectNode().put("description", "x");
    switch (random.nextInt(depth > 0 ? 12 : 5)) {
      case 0 -> schema.put("type", random.nextBoolean() ? "integer" : "number");
      case 1 -> {
        schema.put("type", "string");
        if (random.nextInt(3) == 0) {
          schema.put("pattern", PATTERNS.get(random.nextInt(PATTERNS.size())));
        } else {
          limits(schema, "Length");
        }
      }
      case 2 -> {
        ArrayNode values = schema.putArray("enum").add(1.5).addNull();
        NAMES.forEach(values::add);
        values.addObject().put(NAMES.get(random.nextInt(3)), 1);
      }
      case 3 -> schema.put("const", NAMES.get(random.nextInt(NAMES.size())));
      case 4 -> schema.putArray("type").add("boolean").add("null");
      case 5 -> {
        ArrayNode of = schema.putArray("anyOf").add(any(depth - 1));
        of.add(any(depth - 1)).add(NODES.objectNode().put("type", "boolean"));
      }
      case 9 -> {
        ArrayNode of = schema.putArray("oneOf").add(NODES.objectNode().put("type", "null"));
        for (String kind : NAMES.subList(0, 2)) {
          ObjectNode object = of.addObject().put("type", "object");
          ObjectNode properties = object.putObject("properties");
          properties.set("first", inner(depth - 1));
          properties.putObject("kind").put("const", kind);
          object.putArray("required").add("kind");
        }
      }
      case 10 -> {
        ArrayNode first = limits(schema.put("type", "array"), "Items").putArray("prefixItems");
        first.add(inner(depth - 1)).add(inner(depth - 1));
        if (random.nextBoolean()) {
          schema.set("items", inner(depth - 1));
        }
      }
      case 11 -> {
        schema.set("additionalProperties", inner(depth - 1));
        ArrayNode names = schema.putObject("propertyNames").putArray("enum");
        NAMES.subList(0, 3).forEach(names::add);
        schema.putArray("required").add(NAMES.get(1));
      }
      case 6 -> limits(schema.put("type", "array"), "Items").set("items", inner(depth - 1));
      case 7 -> schema.put("type", "object").set("additionalProperties", inner(0));
      default -> {
        ObjectNode properties = schema.putObject("properties");
        ArrayNode required = schema.putArray("required");
        for (String name : NAMES) {
          if (random.nextBoolean()) {
            properties.set(name, inner(depth - 1));
            if (random.nextBoolean()) {
              required.add(name);
            }
          }
        }
        if (random.nextBoolean()) {
          schema.put("additionalProperties", false);
        }
      }
    }
    return schema;
  }

  /** The same, or a reference. */
  private ObjectNode inner(int depth) {
    return random.nextInt(6) > 0
        ? any(depth)
        : NODES.objectNode().put("$ref", random.nextInt(3) == 0 ? "#" : "#/$defs/r");
  }

  private ObjectNode limits(ObjectNode schema, String of) {
    int least = random.nextInt(3);
    if (random.nextBoolean()) {
      schema.put("min" + of, least);
    }
    if (random.nextInt(4) > 0) {
      schema.put("max" + of, least + random.nextInt(3));
    }
    return schema;
  }

  /** Whether bytes are one value of JSON in proper UTF-8, valid by the schema. */
  public static boolean valid(String schema, byte[] json) throws IOException {
    JsonNode root = MAPPER.readTree(schema);
    String text = StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(json)).toString();
    try (var parser = MAPPER.createParser(text)) {
      JsonNode value = MAPPER.readTree(parser);
      return value != null && parser.nextToken() == null && valid(root, root, value);
    }
  }

  private static boolean valid(JsonNode root, JsonNode schema, JsonNode value) {
    boolean valid = true;
    if (schema.has("$ref")) {
      valid = valid(root, root.at(schema.get("$ref").asText().substring(1)), value);
    }
    if (schema.has("anyOf")) {
      valid &= schema.get("anyOf").valueStream().anyMatch(of -> valid(root, of, value));
    }
    if (schema.has("oneOf")) {
      valid &= schema.get("oneOf").valueStream().filter(of -> valid(root, of, value)).count() == 1;
    }
    if (schema.has("enum")) {
      valid &= schema.get("enum").valueStream().anyMatch(value::equals);
    }
    if (schema.has("const")) {
      valid &= schema.get("const").equals(value);
    }
    JsonNode type = schema.path("type");
    valid &=
        type.isMissingNode()
            || hasType(type.asText(), value)
            || type.valueStream().anyMatch(t -> hasType(t.asText(), value));
    if (value.isTextual()) {
      String text = value.textValue();
      valid &= within(schema, "Length", text.codePointCount(0, text.length()));
      valid &= Pattern.compile(schema.path("pattern").asText()).matcher(text).find();
    }
    if (value.isArray()) {
      valid &= within(schema, "Items", value.size());
      JsonNode first = schema.path("prefixItems");
      for (int i = 0; i < value.size(); i++) {
        JsonNode of = i < first.size() ? first.get(i) : schema.path("items");
        valid &= of.isMissingNode() || valid(root, of, value.get(i));
      }
    }
    if (value.isObject()) {
      valid &=
          !schema.has("propertyNames")
              || value
                  .propertyStream()
                  .map(p -> NODES.textNode(p.getKey()))
                  .allMatch(name -> valid(root, schema.get("propertyNames"), name));
      valid &= schema.path("required").valueStream().allMatch(name -> value.has(name.asText()));
      valid &=
          value
              .propertyStream()
              .allMatch(
                  p -> {
                    JsonNode of = schema.path("properties").path(p.getKey());
                    of = of.isMissingNode() ? schema.path("additionalProperties") : of;
                    return of.isBoolean()
                        ? of.booleanValue()
                        : of.isMissingNode() || valid(root, of, p.getValue());
                  });
    }
    return valid;
  }

  private static boolean within(JsonNode schema, String of, int n) {
    return n >= schema.path("min" + of).asInt(0)
        && n <= schema.path("max" + of).asInt(Integer.MAX_VALUE);
  }

  private static boolean hasType(String type, JsonNode value) {
    return switch (type) {
      case "null" -> value.isNull();
      case "boolean" -> value.isBoolean();
      case "integer" -> value.isIntegralNumber();
      case "number" -> value.isNumber();
      case "string" -> value.isTextual();
      case "array" -> value.isArray();
      default -> value.isObject();
    };
  }
}
