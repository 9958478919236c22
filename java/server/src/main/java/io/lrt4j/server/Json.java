package io.lrt4j.server;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.json.JsonProblem;
import java.io.IOException;

/** Reads and writes JSON. */
final class Json {
  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private Json() {}

  static ObjectNode object() {
    return MAPPER.createObjectNode();
  }

  static byte[] bytes(JsonNode node) {
    try {
      return MAPPER.writeValueAsBytes(node);
    } catch (JsonProcessingException e) {
      throw new IllegalStateException("a tree cannot be written", e);
    }
  }

  /** A request's body. */
  static ObjectNode parse(byte[] body) {
    JsonNode node;
    try {
      node = MAPPER.readTree(body);
    } catch (JsonProcessingException e) {
      var at = e.getLocation();
      String where = at == null ? "" : " at line " + at.getLineNr() + ", " + at.getColumnNr();
      throw ApiException.invalid(null, "the body is not JSON: " + JsonProblem.of(e) + where);
    } catch (IOException e) {
      throw ApiException.invalid(null, "the body is not JSON: " + e.getMessage());
    }
    if (node instanceof ObjectNode object) {
      return object;
    }
    throw ApiException.invalid(null, "the body must be a JSON object, found " + Fields.kind(node));
  }
}
