package io.lrt4j.checkpoint;

import static io.lrt4j.checkpoint.HostileCase.damaged;

import java.nio.charset.StandardCharsets;
import java.util.stream.Stream;

/** Bad safetensors files, by what is wrong with their headers. */
final class HostileHeaders {
  private static final String F32 = "\"dtype\":\"F32\",";

  private static final String EMPTY = ":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}";

  private HostileHeaders() {}

  private static HostileCase header(String name, String json, int data, String... fragments) {
    return damaged(name, m -> m.header(json, data), fragments);
  }

  private static HostileCase entry(String name, String entry, int data, String... fragments) {
    return header(name, "{\"x\":{" + entry + "}}", data, fragments);
  }

  private static HostileCase claim(String name, long length, String... fragments) {
    byte[] json = "{}".getBytes(StandardCharsets.UTF_8);
    return damaged(
        name, m -> m.bytes("model.safetensors", TinyModel.safetensors(length, json, 0)), fragments);
  }

  private static HostileCase bytes(String name, String latin1, String... fragments) {
    return damaged(name, m -> m.header(latin1.getBytes(StandardCharsets.ISO_8859_1), 0), fragments);
  }

  /** An object with a million distinct keys. */
  private static String many(String start, String value) {
    var json = new StringBuilder(start);
    for (int i = 0; i < 1_000_000; i++) {
      json.append(i == 0 ? "\"" : ",\"").append(i).append('"').append(value);
    }
    return json.append("}}").toString();
  }

  static Stream<HostileCase> headers() {
    String file = "model.safetensors";
    return Stream.of(
        damaged("empty file", m -> m.bytes(file, new byte[0]), file, "8 bytes", "found 0"),
        damaged("seven bytes", m -> m.bytes(file, new byte[7]), file, "8 bytes", "found 7"),
        claim("header of no bytes", 0, file, "found a length of 0"),
        claim("header of one byte", 1, file, "found a length of 1"),
        claim("header of 2 GB", 1L << 31, file, "found a length of 2147483648"),
        claim("header of 2^64 - 1 bytes", -1, file, "found a length of 18446744073709551615"),
        claim("header just over the limit", 100_000_001, file, "found a length of 100000001"),
        claim("header longer than the file", 3, file, "claims 3 bytes", "has 2"),
        header("header begins with a space", " {}", 0, file, "begins with {"),
        header("header is a list", "[]", 0, file, "begins with {"),
        header("header is no JSON", "{tensor}", 0, file, "not valid JSON", "line 1"),
        header(
            "header ends early", "{\"x\":{", 0, file, "not valid JSON", "at line: 1, column: 6)"),
        header("text after the header", "{} x", 0, file, "JSON"),
        header("second object after the header", "{}{}", 0, file, "nothing but spaces"),
        bytes("header is not UTF-8", "{\"\u00ff\":{}}", file, "UTF-8"),
        bytes("overlong UTF-8", "{\"\u00c0\u0080\":{}}", file, "UTF-8"),
        bytes("surrogate in UTF-8", "{\"\u00ed\u00a0\u0080\":{}}", file, "UTF-8"),
        header("half a character in a name", "{\"\\ud800\":{}}", 0, file, "surrogate"),
        header("the other half", "{\"\\udc00\":{}}", 0, file, "urrogate"),
        header("empty name", "{\"\":{}}", 0, file, "names"),
        header("name of 2,000 characters", "{\"" + "x".repeat(2000) + "\":{}}", 0, file, "ame"),
        header("metadata is a list", "{\"__metadata__\":[]}", 0, file, "__metadata__", "a list"),
        header("number in the metadata", "{\"__metadata__\":{\"a\":1}}", 0, "__metadata__.a"),
        header("object in the metadata", "{\"__metadata__\":{\"a\":{}}}", 0, "__metadata__.a"),
        header(
            "duplicate key in the metadata",
            "{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\"}}",
            0,
            file,
            "Duplicate",
            "'a'"),
        header(
            "a million strings in the metadata", many("{\"__metadata__\":{", ":\"\""), 0, "65536"),
        header("a million tensors", many("{", EMPTY), 0, file, "at most 65536 tensors"),
        header("deep nesting", "{\"x\":{\"shape\":" + "[".repeat(5000), 0, file, "\"x\""),
        header("newlines in a name", "{\"a\\nb\\u0007\":1}", 0, file, "a b\\u0007"));
  }

  static Stream<HostileCase> tensorEntries() {
    String offsets = ",\"data_offsets\":[0,4]";
    return Stream.of(
        header("tensor is a number", "{\"x\":1}", 0, "\"x\" must be an object, found 1"),
        header("tensor is null", "{\"x\":null}", 0, "\"x\" must be an object, found null"),
        header(
            "duplicate tensor",
            "{\"x\":{" + F32 + "\"shape\":[1]" + offsets + "},\"x\":{}}",
            4,
            "Duplicate",
            "'x'"),
        entry("duplicate key", F32 + F32 + "\"shape\":[1]" + offsets, 4, "Duplicate", "dtype"),
        entry("unknown key", F32 + "\"shape\":[1],\"y\":1" + offsets, 4, "unknown key \"y\""),
        entry("no dtype", "\"shape\":[1]" + offsets, 4, "\"x\"", "no \"dtype\""),
        entry("no shape", "\"dtype\":\"F32\"" + offsets, 4, "\"x\"", "no \"shape\""),
        entry("no offsets", F32 + "\"shape\":[1]", 4, "\"x\"", "no \"data_offsets\""),
        entry("unknown dtype", "\"dtype\":\"F33\",\"shape\":[1]" + offsets, 4, "dtype \"F33\""),
        entry("lower-case dtype", "\"dtype\":\"f32\",\"shape\":[1]" + offsets, 4, "\"f32\""),
        entry("dtype is a number", "\"dtype\":32,\"shape\":[1]" + offsets, 4, "found 32"),
        entry("half a byte", "\"dtype\":\"F4\",\"shape\":[1]" + offsets, 4, "whole bytes"),
        entry("negative dimension", F32 + "\"shape\":[-1]" + offsets, 4, "shape", "found -1"),
        entry("dimension 1.0", F32 + "\"shape\":[1.0]" + offsets, 4, "shape", "found 1.0"),
        entry("dimension 1e0", F32 + "\"shape\":[1e0]" + offsets, 4, "shape", "found 1e0"),
        entry("dimension \"1\"", F32 + "\"shape\":[\"1\"]" + offsets, 4, "found \"1\""),
        entry("dimension null", F32 + "\"shape\":[null]" + offsets, 4, "found null"),
        entry("dimension NaN", F32 + "\"shape\":[NaN]" + offsets, 4, "NaN"),
        entry("dimension 01", F32 + "\"shape\":[01]" + offsets, 4, "not valid JSON"),
        entry(
            "dimension of 2^63", F32 + "\"shape\":[9223372036854775808]" + offsets, 4, "integers"),
        entry("shape is a number", F32 + "\"shape\":1" + offsets, 4, "a list of integers"),
        entry("nested shape", F32 + "\"shape\":[[1]]" + offsets, 4, "found a list"),
        entry("65 dimensions", F32 + "\"shape\":[1" + ",1".repeat(64) + "]" + offsets, 4, "64"),
        entry("size overflows", F32 + "\"shape\":[4294967296,4294967296]" + offsets, 4, "overflow"),
        entry("bytes overflow", F32 + "\"shape\":[4611686018427387904]" + offsets, 4, "overflow"));
  }

  private static String tensor(String name, long begin, long end) {
    return "\""
        + name
        + "\":{"
        + F32
        + "\"shape\":[1],\"data_offsets\":["
        + begin
        + ","
        + end
        + "]}";
  }

  static Stream<HostileCase> offsets() {
    return Stream.of(
        entry("one offset", F32 + "\"shape\":[1],\"data_offsets\":[0]", 4, "2 integers, found 1"),
        entry("three offsets", F32 + "\"shape\":[1],\"data_offsets\":[0,4,4]", 4, "at most 2"),
        entry("offsets reversed", F32 + "\"shape\":[1],\"data_offsets\":[4,0]", 4, "[4, 0]"),
        entry("negative offset", F32 + "\"shape\":[1],\"data_offsets\":[-4,0]", 4, "found -4"),
        entry("offset 4.0", F32 + "\"shape\":[1],\"data_offsets\":[0,4.0]", 4, "found 4.0"),
        entry("too few bytes", F32 + "\"shape\":[2],\"data_offsets\":[0,4]", 4, "8 bytes"),
        entry("too many bytes", F32 + "\"shape\":[0],\"data_offsets\":[0,4]", 4, "0 bytes"),
        header("hole at the start", "{" + tensor("x", 4, 8) + "}", 8, "\"x\"", "hole after 0"),
        header(
            "hole between tensors",
            "{" + tensor("x", 0, 4) + "," + tensor("y", 8, 12) + "}",
            12,
            "\"y\"",
            "hole after 4"),
        header(
            "overlapping tensors",
            "{" + tensor("x", 0, 4) + "," + tensor("y", 2, 6) + "}",
            6,
            "\"y\"",
            "overlaps"),
        header(
            "two tensors in one place",
            "{" + tensor("x", 0, 4) + "," + tensor("y", 0, 4) + "}",
            4,
            "overlaps"),
        header("beyond the file", "{" + tensor("x", 0, 4) + "}", 3, "\"x\"", "3 bytes of data"),
        header(
            "beyond 2^62",
            "{" + tensor("x", 1L << 62, (1L << 62) + 4) + "}",
            4,
            "\"x\"",
            "hole after 0"),
        header(
            "data that no tensor claims", "{" + tensor("x", 0, 4) + "}", 5, "end at 4", "5 bytes"),
        header("data without tensors", "{}", 1, "end at 0", "1 bytes"),
        damaged("truncated by a byte", m -> m.truncate("model.safetensors", 1), "truncated"),
        damaged(
            "truncated in the header",
            m -> m.truncate("model.safetensors", m.bytes("model.safetensors").length - 20),
            "claims"));
  }
}
