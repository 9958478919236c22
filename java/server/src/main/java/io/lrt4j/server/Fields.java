package io.lrt4j.server;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.QuestionException;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * The fields of an object in a request. Each getter gives null for one that is absent or null, and
 * refuses one of another type by its name.
 *
 * @param node the object
 * @param path its name in the request with a dot behind it; "" is the request itself
 */
record Fields(ObjectNode node, String path) {
  static Fields of(ObjectNode request) {
    return new Fields(request, "");
  }

  /**
   * Refuses fields that are not among {@code known}: they are misspelled, or ask for something.
   * Null asks for nothing: clients write out with it whatever they know and do not set.
   */
  void only(Set<String> known) {
    for (var field : node.properties()) {
      if (!known.contains(field.getKey()) && !field.getValue().isNull()) {
        throw ApiException.refused(
            400,
            path + field.getKey(),
            "unknown_parameter",
            "unrecognized request argument: " + shown(path + field.getKey()));
      }
    }
  }

  boolean has(String name) {
    return !node.path(name).isMissingNode() && !node.path(name).isNull();
  }

  @Nullable String text(String name) {
    if (!has(name)) {
      return null;
    }
    JsonNode value = node.get(name);
    if (!value.isTextual()) {
      throw must(name, "be a string", value);
    }
    return value.textValue();
  }

  /** A whole number from {@code least} on. */
  @Nullable Integer integer(String name, int least) {
    return integer(name, least, Integer.MAX_VALUE);
  }

  /** A whole number from {@code least} to {@code most}. */
  @Nullable Integer integer(String name, int least, int most) {
    if (!has(name)) {
      return null;
    }
    JsonNode value = node.get(name);
    if (!value.isIntegralNumber()
        || !value.canConvertToInt()
        || value.intValue() < least
        || value.intValue() > most) {
      throw must(name, "be a whole number from " + least + " to " + most, value);
    }
    return value.intValue();
  }

  @Nullable Long longInteger(String name) {
    if (!has(name)) {
      return null;
    }
    JsonNode value = node.get(name);
    if (!value.isIntegralNumber() || !value.canConvertToLong()) {
      throw must(name, "be a whole number of 64 bits", value);
    }
    return value.longValue();
  }

  /** A number between {@code least} and {@code most}. */
  @Nullable Float number(String name, float least, float most) {
    if (!has(name)) {
      return null;
    }
    JsonNode value = node.get(name);
    if (!value.isNumber() || !(value.doubleValue() >= least && value.doubleValue() <= most)) {
      throw must(name, "be a number from " + least + " to " + most, value);
    }
    return value.floatValue();
  }

  boolean flag(String name) {
    if (!has(name)) {
      return false;
    }
    JsonNode value = node.get(name);
    if (!value.isBoolean()) {
      throw must(name, "be true or false", value);
    }
    return value.booleanValue();
  }

  /** One string, or a list of them; empty if absent. */
  List<String> texts(String name, int most) {
    if (!has(name)) {
      return List.of();
    }
    JsonNode value = node.get(name);
    if (value.isTextual()) {
      return List.of(value.textValue());
    }
    if (!value.isArray()) {
      throw must(name, "be a string or a list of strings", value);
    }
    List<String> texts = new ArrayList<>();
    for (JsonNode text : array(name, most)) {
      if (!text.isTextual()) {
        throw must(name, "be a string or a list of strings", text);
      }
      texts.add(text.textValue());
    }
    return List.copyOf(texts);
  }

  /** What the engine makes of a field, which it may refuse. */
  <T> T taken(String name, Supplier<T> by) {
    try {
      return by.get();
    } catch (QuestionException e) {
      throw ApiException.of(e, _ -> path + name);
    }
  }

  @Nullable Fields object(String name) {
    if (!has(name)) {
      return null;
    }
    if (node.get(name) instanceof ObjectNode object) {
      return new Fields(object, path + name + ".");
    }
    throw must(name, "be an object", node.get(name));
  }

  /** The objects of a list; empty if absent. */
  List<Fields> objects(String name, int most) {
    if (!has(name)) {
      return List.of();
    }
    List<Fields> objects = new ArrayList<>();
    for (JsonNode item : array(name, most)) {
      if (!(item instanceof ObjectNode object)) {
        throw must(name, "be a list of objects", item);
      }
      objects.add(new Fields(object, path + name + "[" + objects.size() + "]."));
    }
    return List.copyOf(objects);
  }

  private ArrayNode array(String name, int most) {
    if (!(node.get(name) instanceof ArrayNode array)) {
      throw must(name, "be a list", node.get(name));
    }
    if (array.size() > most) {
      throw ApiException.invalid(
          path + name,
          path + name + " must have at most " + most + " items, found " + array.size());
    }
    return array;
  }

  /** What is wrong with a field. */
  ApiException must(String name, String be, JsonNode found) {
    boolean plain = !found.isContainerNode() && !found.isMissingNode();
    boolean beyond = found.isDouble() && Double.isInfinite(found.doubleValue()); // as 1e400 is
    String value = beyond ? "one beyond 64 bits" : plain ? found.toString() : kind(found);
    return ApiException.invalid(
        path + name, path + name + " must " + be + ", found " + shown(value));
  }

  static String kind(JsonNode node) {
    return switch (node.getNodeType()) {
      case OBJECT -> "an object";
      case ARRAY -> "a list";
      case MISSING -> "nothing";
      default -> node.getNodeType().name().toLowerCase(Locale.ROOT);
    };
  }

  /** What a client sent may be long. */
  static String shown(String text) {
    return text.length() <= 60 ? text : text.substring(0, 60) + "…";
  }
}
