package io.lrt4j.text.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.QuestionException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.function.IntFunction;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a schema lets through and what not, and what of JSON Schema is refused. */
class JsonSchemaTest {
  private static boolean accepts(Grammar grammar, String text) {
    Grammar.State state = grammar.start();
    for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
      state = grammar.next(state, b & 0xff);
    }
    return state.accepting();
  }

  /** Texts between semicolons, @ for a line break; those at the end are no part of the language. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "{} ~ 1;true;null;\"a\";[];{};[1, {\"a\":[ ]}];{\"a\":1,\"b\":@  {}};  1 ~"
            + " ;[;[1,];{a:1};{\"a\"};nul;01;1.;.5;+1;[1;}",
        "{\"type\":\"integer\"} ~ 0;-1;12;-120;999999999999999 ~ 00;01;-;1.0;1e3;a;--1;1 ;"
            + "1999999999999999",
        "{\"type\":\"number\"} ~ 0;-1.5;1e3;1.25E-10;0.001 ~ 1.;.1;1e;1e+;1.2.3;1e100",
        "{\"type\":\"integer\",\"minimum\":-9007199254740991,\"maximum\":9007199254740991} ~"
            + " 0;-1;12;-999999999999999;999999999999999 ~ -0;00;1.0;-;1999999999999999",
        "{\"type\":[\"integer\",\"null\"],\"minimum\":0} ~ 0;7;null;999999999999999 ~ -1;-0;07;1.0",
        "{\"type\":\"integer\",\"maximum\":1e999999999,\"minimum\":2.5} ~ 3;10 ~ 2;-3;2.5",
        "{\"type\":\"number\",\"minimum\":0,\"maximum\":1} ~ 0;0.25;0.0;1 ~"
            + " -0.1;1.0;1.5;2;1e0;0.;10",
        "{\"type\":\"number\",\"minimum\":-2,\"maximum\":10} ~ -2;-1.9;-0;-0.5;0;9.99;10 ~"
            + " -2.1;-3;10.1;11;100",
        "{\"type\":\"number\",\"maximum\":-3.0} ~ -3;-3.5;-44 ~ -2;-2.9;0;3;-",
        "{\"type\":\"number\",\"exclusiveMinimum\":0} ~ 0.1;0.000000000000001;1;1.0;12.5;"
            + "999999999999999 ~ 0;0.0;-1;-0;-0.1;0.",
        "{\"type\":\"number\",\"exclusiveMinimum\":0.0,\"exclusiveMaximum\":1} ~ 0.5;"
            + "0.999999999999999 ~ 0;1;1.0;0.0;0.000;1e-1",
        "{\"type\":\"number\",\"exclusiveMaximum\":100,\"minimum\":-1} ~ -1;0;99;99.9999999999999;"
            + "98.999999999999999 ~ 100;99.999999999999999;-1.5",
        "{\"type\":\"number\",\"exclusiveMaximum\":0} ~ -0.5;-1;-7.0 ~ 0;-0;-0.0;1",
        "{\"type\":\"object\",\"propertyNames\":{\"type\":\"string\"},\"additionalProperties\":{\"type\":\"string\",\"format\":\"date\"}}"
            + " ~ {};{\"a\":\"\",\"b\":\"x\"} ~ {\"a\":1}",
        "{\"type\":[\"integer\",\"number\"],\"minimum\":4} ~ 4;4.5;12 ~ 3;3.9;-4",
        "{\"type\":\"string\"} ~ \"\";\"a b\";\"\\n\\u00e9\\\"\";\"é€😀\";\"\\uFFFF\" ~"
            + " \";\"a@b\";\"\\x\";\"\\ud800\";\"\\u12\";'a';\"a\"b",
        "{\"type\":\"string\",\"minLength\":1,\"maxLength\":2} ~ \"a\";\"é😀\";\"\\n\\n\" ~"
            + " \"\";\"abc\"",
        "{\"type\":[\"boolean\",\"null\"]} ~ true;false;null ~ 1;\"true\";tru",
        "{\"type\":\"array\",\"items\":{\"type\":\"integer\"},\"minItems\":1,\"maxItems\":3} ~"
            + " [1];[1,2];[1, 2, 3];[@  1,@  2@] ~ [];[1,2,3,4];[1,];[\"a\"];[1 2]",
        "{\"type\":\"array\",\"maxItems\":0} ~ [];[ ] ~ [1]",
        "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":\"integer\"},\"b\":{},"
            + "\"c\":{\"const\":null}},\"required\":[\"b\"]} ~ {\"b\":1};{\"a\":1,\"b\":2};"
            + "{\"a\": 1, \"b\": [], \"c\": null};{\"b\":1,\"c\":null};{@    \"b\": 1@} ~"
            + " {};{\"a\":1};{\"b\":1,\"a\":1};{\"b\":1,};{,\"b\":1};{\"b\":1 \"c\":null};"
            + "{\"b\":1,\"d\":1}",
        "{\"properties\":{\"a\":true},\"additionalProperties\":false} ~ {};{\"a\":1} ~ {\"b\":1}",
        "{\"type\":\"object\"} ~ {};{\"a\":1,\"b\":{\"c\":[1]}} ~ [];1",
        "{\"type\":\"object\",\"additionalProperties\":{\"type\":\"boolean\"}} ~ {\"a\":true} ~"
            + " {\"a\":1}",
        "{\"type\":\"object\",\"additionalProperties\":false} ~ {} ~ {\"a\":1}",
        "{\"enum\":[1,\"a\\\"é\",[1,{\"b\":null}],true]} ~ 1;\"a\\\"é\";[1,{\"b\":null}];true ~"
            + " 2;a;\"a\";[1]",
        "{\"type\":\"string\",\"enum\":[1,\"a\",\"ab\"]} ~ \"a\";\"ab\" ~ 1;\"b\"",
        "{\"enum\":[1,2],\"const\":2} ~ 2 ~ 1",
        "{\"anyOf\":[{\"type\":\"integer\"},{\"type\":\"object\",\"properties\":{\"a\":{}},"
            + "\"required\":[\"a\"]}],\"description\":\"x\"} ~ 1;{\"a\":1} ~ {};\"a\"",
        "{\"$defs\":{\"node\":{\"type\":\"object\",\"properties\":{\"v\":{\"type\":\"integer\"},"
            + "\"next\":{\"anyOf\":[{\"$ref\":\"#/$defs/node\"},{\"type\":\"null\"}]}},"
            + "\"required\":[\"v\",\"next\"]}},\"$ref\":\"#/$defs/node\"} ~"
            + " {\"v\":1,\"next\":null};{\"v\":1,\"next\":{\"v\":2,\"next\":null}} ~"
            + " {\"v\":1};{\"v\":1,\"next\":{\"v\":2}}",
        "{\"anyOf\":[{\"$ref\":\"#\"},{\"const\":1}]} ~ 1 ~ 2",
        "{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"boolean\"}],\"items\":{\"type\":\"null\"}}"
            + " ~ [];[1];[1, true];[1,true,null,null];[@  1,@  true@] ~"
            + " [true];[1,1];[1,true,1];[,];[1,]",
        "{\"type\":\"array\",\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"boolean\"}],\"minItems\":2,\"maxItems\":2}"
            + " ~ [1,true];[ 1,true ] ~ [];[1];[1,true,1]",
        "{\"type\":\"array\",\"items\":[{\"type\":\"integer\"},{\"type\":\"boolean\"}],\"minItems\":1,\"additionalItems\":false}"
            + " ~ [1];[1,true] ~ [];[1,true,1]",
        "{\"prefixItems\":[{\"type\":\"integer\"}],\"minItems\":3} ~ [1,2,[]];[1,2,3,4] ~ [1,2];[]",
        "{\"prefixItems\":[{\"type\":\"integer\"},{\"type\":\"boolean\"}],\"maxItems\":1} ~ [];[1]"
            + " ~ [1,true]",
        "{\"prefixItems\":[{\"type\":\"integer\"}],\"maxItems\":0} ~ [] ~ [1]",
        "{\"type\":\"array\",\"items\":false} ~ [] ~ [1]",
        "{\"propertyNames\":{\"$ref\":\"#/$defs/e\"},\"additionalProperties\":{\"type\":\"integer\"},\"required\":[\"b\"],\"$defs\":{\"e\":{\"type\":\"string\",\"enum\":[\"a\",\"b\"]}}}"
            + " ~ {\"b\":1};{\"a\":1,\"b\":2} ~ {};{\"a\":1};{\"b\":1,\"c\":2};{\"b\":true}",
        "{\"propertyNames\":{\"const\":\"a\"}} ~ {};{\"a\":[]} ~ {\"b\":1}",
        "{\"$ref\":\"#/$defs/Page%3Ca%2Bb%3E\",\"$defs\":{\"Page<a+b>\":{\"type\":\"null\"}}} ~"
            + " null ~ 1",
        "{\"type\":\"null\",\"x-order\":1,\"contentMediaType\":\"application/json\"} ~ null ~ 1",
        "{\"allOf\":[{\"type\":\"integer\"}],\"description\":\"x\"} ~ 1 ~ \"a\"",
        "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":[\"string\",\"null\"]},{\"const\":true},{\"const\":false},{\"enum\":[[],{}]}]}"
            + " ~ 1;\"a\";null;true;false;[];{} ~ 1.5;[1]",
        "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"a\":{},\"b\":{}},\"required\":[\"a\"]},{\"type\":\"object\",\"properties\":{\"b\":{},\"c\":{}},\"required\":[\"c\"]}]}"
            + " ~ {\"a\":1};{\"b\":1,\"c\":2} ~ {\"b\":1};{\"a\":1,\"c\":1}",
        "{\"oneOf\":[{\"$ref\":\"#/$defs/c\"},{\"allOf\":[{\"$ref\":\"#/$defs/d\"}]}],\"discriminator\":{"
            + "\"propertyName\":\"k\",\"mapping\":{\"c\":\"#/$defs/c\"}},\"$defs\":{\"c\":{\"type\":\"object\","
            + "\"properties\":{\"k\":{\"const\":\"c\",\"default\":\"c\",\"type\":\"string\"},\"n\":{\"type\":"
            + "\"integer\"}},\"required\":[\"n\"]},\"d\":{\"type\":\"object\",\"properties\":{\"k\":{\"enum\":[\"d\",\"w\"]},\"n\":{\"type\":\"string\"}}}}}"
            + " ~ {\"k\":\"c\",\"n\":1};{\"k\":\"w\",\"n\":\"a\"};{\"k\":\"d\"} ~"
            + " {\"n\":1};{\"k\":\"c\"};{\"k\":\"c\",\"n\":\"a\"};{\"n\":\"a\"}",
      })
  void language(String schema, String good, String bad) {
    Grammar grammar = JsonSchema.grammar(schema);
    for (String text : good.split(";", -1)) {
      assertTrue(accepts(grammar, text.replace('@', '\n')), text);
    }
    for (String text : bad.split(";", -1)) {
      assertFalse(accepts(grammar, text.replace('@', '\n')), text);
    }
  }

  /** All of them, whatever the bounds. */
  @Test
  void integersBetweenBounds() {
    int[] bounds = {
      -1000, -999, -101, -100, -99, -12, -1, 0, 1, 7, 9, 10, 19, 20, 99, 100, 321, 1000
    };
    for (int least : bounds) {
      for (int most : bounds) {
        if (least <= most) {
          String of = "{\"type\":\"integer\",\"exclusiveMinimum\":%d,\"exclusiveMaximum\":%d}";
          Grammar grammar = JsonSchema.grammar(of.formatted(least - 1, most + 1));
          for (int i = -1102; i <= 1102; i++) {
            boolean between = least <= i && i <= most;
            assertEquals(between, accepts(grammar, String.valueOf(i)), () -> least + " " + most);
          }
        }
      }
    }
  }

  /** Those near the bounds, too: readers in doubles must not find one that is left out. */
  @Test
  void numbersBetweenBounds() {
    long[] bounds = {-1_000_000_000L, -100, -10, -3, -1, 0, 1, 2, 9, 10, 11, 99, 1000, 1L << 40};
    for (long least : bounds) {
      for (long most : bounds) {
        for (int open = 0; open < 4 && (least < most || (least == most && open == 0)); open++) {
          boolean above = (open & 1) != 0;
          boolean below = (open & 2) != 0;
          String schema =
              "{\"type\":\"number\",\"%s\":%d,\"%s\":%d}"
                  .formatted(
                      above ? "exclusiveMinimum" : "minimum",
                      least,
                      below ? "exclusiveMaximum" : "maximum",
                      most);
          Grammar grammar = JsonSchema.grammar(schema);
          for (long whole : bounds) {
            for (long near = Math.abs(whole) - 1; near <= Math.abs(whole) + 1; near++) {
              for (String fraction : List.of("", ".5", ".01", "." + "9".repeat(15), ".0", ".999")) {
                String text = (whole < 0 ? "-" : "") + near + fraction;
                double value = Double.parseDouble(text);
                boolean between =
                    (above ? value > least : value >= least)
                        && (below ? value < most : value <= most);
                if (near >= 0 && accepts(grammar, text)) {
                  assertTrue(between, schema + " allows " + text);
                } else if (near >= 0 && between && !text.equals("-0")) {
                  assertTrue(text.contains(".0") || text.length() > 14, schema + " has no " + text);
                }
              }
            }
          }
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "nonsense ~ is not JSON: Unrecognized token",
        "[] ~ must be an object",
        "{\"type\":\"text\"} ~ has the type text; there are object, array",
        "{\"type\":\"integer\",\"multipleOf\":2} ~ has the keyword multipleOf, which is not"
            + " supported",
        "{\"type\":\"string\",\"minimum\":1} ~ has the keyword minimum, which is not supported",
        "{\"minimum\":1} ~ has the keyword minimum, which is not supported",
        "{\"exclusiveMinimum\":0} ~ has the keyword exclusiveMinimum, which is not supported",
        "{\"type\":\"number\",\"exclusiveMinimum\":true} ~ must have a number as exclusiveMinimum",
        "{\"type\":\"number\",\"exclusiveMaximum\":0.5} ~ must have a whole number as"
            + " exclusiveMaximum with type number",
        "{\"type\":\"number\",\"exclusiveMinimum\":3,\"maximum\":3} ~ allows no number of at most",
        "{\"type\":\"number\",\"minimum\":5,\"maximum\":4} ~ allows no number of at most 15 digits",
        "{\"type\":\"number\",\"exclusiveMinimum\":999999999999999} ~ allows no number of at most",
        "{\"propertyNames\":{\"enum\":[\"a\"],\"minLength\":2}} ~ has propertyNames, of which only"
            + " {\"type\": \"string\"} and, without properties, an enum of strings are supported",
        "{\"propertyNames\":{\"enum\":[]}} ~ has propertyNames, of which only",
        "{\"propertyNames\":{\"enum\":[1]}} ~ has propertyNames, of which only",
        "{\"propertyNames\":{\"enum\":[\"a\"]},\"properties\":{\"a\":{}}} ~ has propertyNames, of"
            + " which",
        "{\"propertyNames\":{\"enum\":[\"a\"]},\"additionalProperties\":{\"not\":1}} ~ at"
            + " /additionalProperties has the keyword not",
        "{\"propertyNames\":{\"enum\":[\"a\"]},\"required\":[\"b\"]} ~ requires \"b\", which is"
            + " none of",
        "{\"prefixItems\":[{}],\"items\":[{}]} ~ has the keyword prefixItems, which is not"
            + " supported",
        "{\"type\":\"array\",\"items\":{},\"additionalItems\":{}} ~ has the keyword"
            + " additionalItems",
        "{\"prefixItems\":{}} ~ must have a list as prefixItems",
        "{\"prefixItems\":[{}],\"items\":false,\"minItems\":2} ~ allows no value: minItems is more"
            + " than",
        "{\"prefixItems\":[{},{\"not\":1}]} ~ at /prefixItems/1 has the keyword not",
        "{\"items\":{\"propertyNames\":1}} ~ at /items has propertyNames, of which only",
        "{\"type\":\"number\",\"minimum\":0.5} ~ must have a whole number as minimum with type"
            + " number",
        "{\"type\":\"integer\",\"minimum\":\"1\"} ~ must have a number as minimum",
        "{\"type\":\"integer\",\"minimum\":1e-999999999} ~ number as minimum, of at most 30"
            + " decimals",
        "{\"type\":\"integer\",\"minimum\":2,\"maximum\":1} ~ allows no number of at most 15"
            + " digits",
        "{\"type\":\"integer\",\"minimum\":1.2,\"maximum\":1.8} ~ allows no number of at most 15",
        "{\"type\":\"integer\",\"exclusiveMinimum\":1,\"exclusiveMaximum\":2} ~ allows no number"
            + " of",
        "{\"type\":\"integer\",\"minimum\":1e15} ~ allows no number of at most 15 digits",
        "{\"type\":\"number\",\"maximum\":-1e999999999} ~ allows no number of at most 15 digits",
        "{\"type\":\"integer\",\"pattern\":\"a\"} ~ has the keyword pattern, which is not"
            + " supported",
        "{\"type\":\"string\",\"pattern\":1} ~ must have a text as pattern",
        "{\"pattern\":\"(?!a)\"} ~ has a pattern with what is not supported at character 1: (?!a)",
        "{\"pattern\":\"^a+$\",\"maxLength\":9} ~ has a pattern of strings of which minLength or"
            + " maxLength leaves out some, which is not supported: say their length in the pattern",
        "{\"pattern\":\"^a{1,3}$\",\"minLength\":2} ~ of which minLength or maxLength leaves out"
            + " some",
        "{\"type\":\"string\",\"maxLength\":65537} ~ must have a whole number from 0 to 65536 as"
            + " max",
        "{\"properties\":{\"a\":{\"oneOf\":[]}}} ~ at /properties/a must have a list in oneOf",
        "{\"oneOf\":[{\"type\":\"integer\"},{\"type\":\"null\"},{\"type\":\"number\"}]} ~ has a"
            + " oneOf of which 0 and 2 may both allow a value, which is not supported: a required"
            + " property with",
        "{\"oneOf\":[{\"const\":1},{\"enum\":[2,1.0]}]} ~ of which 0 and 1 may both allow a value",
        "{\"oneOf\":[{\"const\":[1]},{\"const\":[2]}]} ~ of which 0 and 1 may both allow a value",
        "{\"oneOf\":[{\"type\":\"string\"},{\"maxLength\":1}]} ~ of which 0 and 1 may both allow a",
        "{\"oneOf\":[{\"type\":\"object\"},{\"type\":\"object\",\"properties\":{\"a\":{}},\"required\":[\"a\"]}]}"
            + " ~ of which 0 and 1 may both allow a value",
        "{\"oneOf\":[{\"type\":\"object\",\"properties\":{\"k\":{\"const\":1}}},{\"type\":\"object\",\"properties\":{\"k\":{\"const\":2}},\"required\":[\"k\"]}]}"
            + " ~ of which 0 and 1 may both allow",
        "{\"oneOf\":[{\"anyOf\":[{\"const\":\"a\"},{\"type\":\"string\"}]},{\"const\":\"b\"}]} ~ of"
            + " which 0 and 1 may both allow a value",
        "{\"oneOf\":[{\"$ref\":\"#\"},{\"const\":1}]} ~ has a oneOf of more than 64 alternatives",
        "{\"oneOf\":[{\"const\":1}],\"type\":\"integer\"} ~ has the keyword type beside oneOf",
        "{\"type\":\"object\",\"discriminator\":{}} ~ has the keyword discriminator, which is not",
        "{\"allOf\":[{},{}]} ~ has an allOf of more than one schema, which is not supported",
        "{\"anyOf\":[{}],\"type\":\"string\"} ~ has the keyword type beside anyOf",
        "{\"anyOf\":{}} ~ must have a list in anyOf",
        "{\"$ref\":\"http://x\"} ~ has a $ref to \"http://x\", which is no part of it",
        "{\"$ref\":\"#/$defs/a\"} ~ which is no part of it",
        "{\"required\":[\"a\"]} ~ requires \"a\", which is none of its properties",
        "{\"type\":\"integer\",\"enum\":[\"a\"]} ~ allows no value",
        "{\"enum\":[]} ~ allows no value",
        "{ ~ is not JSON: Unexpected end-of-input: expected close marker for Object (start marker"
            + " at line: 1, column: 1)",
        "{\"enum\":1} ~ must have a list as enum",
        "{\"required\":1} ~ must have a list as required",
        "{\"minItems\":2,\"maxItems\":1} ~ allows no value: maxItems is less than minItems",
        "{\"items\":{\"$id\":\"a\"}} ~ at /items has the keyword $id, which is not supported",
        "{\"$ref\":\"#\"} ~ allows no value that has an end",
        "{\"properties\":{\"a\":{\"$ref\":\"#\"}},\"required\":[\"a\"]} ~ allows no value that has"
            + " an",
        "{\"items\":{\"$ref\":\"#\"},\"minItems\":1} ~ allows no value that has an end",
        "{\"type\":\"integer\",\"type\":\"string\"} ~ is not JSON: Duplicate field 'type'",
        "{\"const\":\"\\ud800\"} ~ must be Unicode, found half a surrogate pair",
        "{\"items\":{\"enum\":[1,[\"\\udc00\"]]}} ~ at /items must be Unicode, found half a"
            + " surrogate",
      })
  void refused(String schema, String message) {
    var thrown = assertThrows(QuestionException.class, () -> JsonSchema.grammar(schema));
    String said = String.valueOf(thrown.getMessage());
    assertTrue(said.startsWith("the JSON schema ") && said.contains(message), said);
  }

  @Test
  void nestingHasALimitAndNoEndOfTheProcess() {
    Grammar grammar = JsonSchema.grammar("{}");
    assertTrue(accepts(grammar, "[".repeat(80) + "]".repeat(80)));
    assertFalse(accepts(grammar, "[".repeat(100_000) + "]".repeat(100_000)));
    String deep = "{\"items\":".repeat(60) + "{}" + "}".repeat(60);
    assertTrue(accepts(JsonSchema.grammar(deep), "[".repeat(60) + "]".repeat(60)));
    assertThrows(
        QuestionException.class,
        () -> JsonSchema.grammar("{\"items\":".repeat(999) + "{}" + "}".repeat(999)));
  }

  /** What has a value only in part has that; what needs itself ends at the limit of depth. */
  @Test
  void recursionHasAWayOut() {
    Grammar grammar =
        JsonSchema.grammar(
            "{\"anyOf\":[{\"const\":1},{\"items\":{\"$ref\":\"#\"},\"minItems\":1}]}");
    Grammar.State state = grammar.start();
    int depth = 0;
    for (Grammar.State next = state; !next.ended(); next = grammar.next(state, '[')) {
      state = next;
      depth++;
    }
    state = grammar.next(state, '1');
    for (int i = 1; i < depth; i++) {
      state = grammar.next(state, ']');
    }
    assertTrue(depth > 64 && state.accepting(), "depth " + depth);
    Grammar empty =
        JsonSchema.grammar(
            "{\"properties\":{\"a\":{\"items\":{\"$ref\":\"#/properties/a\"},\"minItems\":1}}}");
    assertTrue(accepts(empty, "{}"));
    assertFalse(accepts(empty, "{\"a\":["));
  }

  private static String list(int n, IntFunction<String> each) {
    return IntStream.range(0, n).mapToObj(each).collect(Collectors.joining(","));
  }

  /** Schemas that would blow up: each is refused in a sentence or read in a moment. */
  @Test
  @Timeout(20)
  void hostileSchemas() {
    String[] refused = {
      "{\"enum\":[\"" + "x".repeat(70_000) + "\"]}",
      "{\"$defs\":{"
          + list(2000, i -> "\"" + i + "\":{\"$ref\":\"#/$defs/" + (i + 1) + "\"}")
          + ",\"2000\":{}},\"$ref\":\"#/$defs/0\"}",
      "{\"properties\":{" + list(513, i -> "\"" + i + "\":{}") + "}}",
      "{\"" + "k".repeat(60_000) + "\":1}",
    };
    for (String schema : refused) {
      var thrown = assertThrows(QuestionException.class, () -> JsonSchema.grammar(schema));
      assertTrue(String.valueOf(thrown.getMessage()).length() < 400, thrown.getMessage());
    }
    Grammar texts = JsonSchema.grammar("{\"enum\":[" + list(5000, i -> "\"x" + i + "\"") + "]}");
    assertTrue(accepts(texts, "\"x4999\""));
    assertFalse(accepts(texts, "\"x5000\""));
    String array = "{\"items\":{\"$ref\":\"#\"}}";
    Grammar twice = JsonSchema.grammar("{\"anyOf\":[" + array + "," + array + "]}");
    assertTrue(accepts(twice, "[".repeat(100) + "]".repeat(100)));
    String lengths = list(1000, i -> "{\"type\":\"string\",\"maxLength\":" + (i + 1) + "}");
    Grammar strings = JsonSchema.grammar("{\"anyOf\":[" + lengths + "]}"); // a part is read
    assertTrue(accepts(strings, "\"" + "x".repeat(50) + "\""));
    assertFalse(accepts(strings, "\"" + "x".repeat(1001) + "\""));
    String options = list(512, i -> "\"" + i + "\":{\"const\":" + i + "}");
    Grammar object = JsonSchema.grammar("{\"properties\":{" + options + "}}");
    assertTrue(accepts(object, "{\"0\":0,\"511\":511}"));
  }

  @Test
  void placesAreFoundOnce() {
    Grammar grammar = JsonSchema.grammar("{\"type\":\"string\"}");
    Grammar.State open = grammar.next(grammar.start(), '"');
    assertEquals(grammar.next(open, 'a'), open);
    assertEquals(grammar.next(grammar.next(open, 0xc3), 0xa9), open);
    assertTrue(grammar.next(open, '"').ended());
  }
}
