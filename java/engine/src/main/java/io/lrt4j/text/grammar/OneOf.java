package io.lrt4j.text.grammar;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Whether the alternatives of a {@code oneOf} exclude each other, so that it is an {@code anyOf}:
 * by their types, their values, a property that both require with values or types that exclude each
 * other, or properties that each requires and the other has none of. What cannot be told so is
 * refused.
 */
final class OneOf {
  private static final int MAX_ALTERNATIVES = 64; // those of alternatives included
  private static final int MAX_REFERENCES = 64; // one to the other

  private final JsonNode root;
  private final String path;
  private final List<Alternative> all = new ArrayList<>();
  private int met;

  /**
   * One that is no list of alternatives itself.
   *
   * @param index in the list, or that of what it is an alternative of
   */
  private record Alternative(int index, JsonNode schema, Set<String> required) {}

  private OneOf(JsonNode root, String path) {
    this.root = root;
    this.path = path;
  }

  static void check(JsonNode root, JsonNode schemas, String path) {
    var oneOf = new OneOf(root, path);
    for (int i = 0; i < schemas.size(); i++) {
      oneOf.add(i, schemas.get(i));
    }
    for (Alternative a : oneOf.all) {
      for (Alternative b : oneOf.all) {
        if (a.index < b.index && !oneOf.exclude(a, b)) {
          throw JsonSchema.wrong(
              path,
              "has a oneOf of which %d and %d may both allow a value, which is not supported: a"
                      .formatted(a.index, b.index)
                  + " required property with const or enum would tell them apart");
        }
      }
    }
  }

  /**
   * Has objects require the property that a {@code discriminator} of OpenAPI tells them apart by:
   * readers need it, though pydantic's schemas do not require what has a default.
   */
  static void requireDiscriminators(JsonNode root, JsonNode part) {
    if (part.isArray()) {
      part.forEach(inner -> requireDiscriminators(root, inner));
    }
    part.propertyStream()
        .filter(inner -> !JsonSchema.VALUES.contains(inner.getKey()))
        .forEach(inner -> requireDiscriminators(root, inner.getValue()));
    String name = part.path("discriminator").path("propertyName").asText();
    for (String keyword : List.of("oneOf", "anyOf")) {
      for (JsonNode alternative : part.path(keyword)) {
        JsonNode schema = resolved(root, alternative);
        Set<String> required = names(schema);
        if (schema.path("properties").has(name)
            && schema instanceof ObjectNode object
            && required.add(name)) {
          ArrayNode all = object.putArray("required");
          required.forEach(all::add);
        }
      }
    }
  }

  private static Set<String> names(JsonNode schema) {
    Set<String> names = new HashSet<>();
    schema.path("required").forEach(name -> names.add(name.asText()));
    return names;
  }

  private void add(int index, JsonNode schema) {
    if (++met > MAX_ALTERNATIVES) {
      throw JsonSchema.wrong(
          path, "has a oneOf of more than " + MAX_ALTERNATIVES + " alternatives");
    }
    JsonNode one = resolved(root, schema);
    JsonNode inner = one.has("oneOf") ? one.get("oneOf") : one.path("anyOf");
    if (inner.isEmpty()) {
      all.add(new Alternative(index, one, names(one)));
    }
    inner.forEach(alternative -> add(index, alternative));
  }

  /** What a schema refers to, if that is all it does. */
  static JsonNode resolved(JsonNode root, JsonNode schema) {
    JsonNode at = schema;
    for (int i = 0; i < MAX_REFERENCES; i++) {
      JsonNode all = at.path("allOf");
      if (at.has("$ref")) {
        at = JsonSchema.part(root, at.get("$ref"));
      } else if (all.size() == 1) {
        at = all.get(0);
      } else {
        return at;
      }
    }
    return at;
  }

  private boolean exclude(Alternative a, Alternative b) {
    if (differ(a.schema, b.schema)) {
      return true;
    }
    Set<String> types = new HashSet<>(types(a.schema));
    types.retainAll(types(b.schema));
    if (!types.equals(Set.of("object"))) {
      return false;
    }
    JsonNode inA = a.schema.path("properties");
    JsonNode inB = b.schema.path("properties");
    for (String name : a.required) {
      if (b.required.contains(name)
          && differ(resolved(root, inA.path(name)), resolved(root, inB.path(name)))) {
        return true;
      }
    }
    return lacksOne(inA, b.required) && lacksOne(inB, a.required);
  }

  /** Whether objects that are written, which have no properties but these, lack a required one. */
  private static boolean lacksOne(JsonNode properties, Set<String> required) {
    return !properties.isEmpty() && required.stream().anyMatch(name -> !properties.has(name));
  }

  /** Whether types or values of two schemas are others. */
  private static boolean differ(JsonNode a, JsonNode b) {
    if (Collections.disjoint(types(a), types(b))) {
      return true;
    }
    Set<Object> inA = values(a);
    Set<Object> inB = values(b);
    return inA != null && inB != null && Collections.disjoint(inA, inB);
  }

  private static final Set<String> TYPES =
      Set.of("null", "boolean", "number", "string", "array", "object");

  private static Set<String> types(JsonNode schema) {
    JsonNode type = schema.path("type");
    Set<String> types = new HashSet<>();
    if (type.isMissingNode()) {
      listed(schema).forEach(v -> types.add(v.getNodeType().name().toLowerCase(Locale.ROOT)));
      return types.isEmpty() ? TYPES : types;
    }
    (type.isArray() ? type : List.of(type))
        .forEach(t -> types.add(t.asText().equals("integer") ? "number" : t.asText()));
    return types;
  }

  static Iterable<JsonNode> listed(JsonNode schema) {
    return schema.has("const") ? List.of(schema.get("const")) : schema.path("enum");
  }

  /** What {@code const} or {@code enum} list; null if neither does, or what cannot be compared. */
  private static @Nullable Set<Object> values(JsonNode schema) {
    Set<Object> values = new HashSet<>();
    for (JsonNode value : listed(schema)) {
      if (value.isContainerNode()) {
        return null;
      }
      values.add(value.isNumber() ? value.decimalValue().stripTrailingZeros() : value);
    }
    return values.isEmpty() ? null : values;
  }
}
