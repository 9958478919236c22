package io.lrt4j.json;

import static java.util.concurrent.TimeUnit.SECONDS;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import com.fasterxml.jackson.core.JsonParseException;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.json.JsonMapper;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What users are told is about their text, not about the parser's settings. */
class JsonProblemTest {
  private static final JsonMapper MAPPER =
      JsonMapper.builder()
          .enable(JsonParser.Feature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();

  private static String problem(String json) {
    return JsonProblem.of(
        assertThrows(JsonProcessingException.class, () -> MAPPER.readTree(json), json));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      textBlock =
          """
          [           ~ Unexpected end-of-input: expected close marker for Array (start marker at line: 1, column: 1)
          {]          ~ Unexpected close marker ']': expected '}' (for Object starting at line: 1, column: 1)
          {/**/}      ~ Unexpected character ('/' (code 47))
          {"a": NaN}  ~ Non-standard token 'NaN'
          [+1]        ~ Unexpected character ('+' (code 43)) in numeric value: JSON spec does not allow numbers to have plus signs
          {} {}       ~ Trailing token (of type START_OBJECT) found after value
          {"a" 1}     ~ Unexpected character ('1' (code 49)): was expecting a colon to separate field name and value
          """)
  void oneSentence(String json, String expected) {
    assertEquals(expected, problem(json));
  }

  @Test
  void limits() {
    assertEquals(
        "Document nesting depth (1001) exceeds the maximum allowed (1000)",
        problem("[".repeat(2000)));
  }

  @Test
  void namesOfTheText() {
    assertEquals("Duplicate field '\\u001b[2J'", problem("{\"\\u001b[2J\":1, \"\\u001b[2J\":2}"));
    String longest = problem("{\"%s\":1, \"%<s\":2}".formatted("a".repeat(1000)));
    assertEquals("Duplicate field '" + "a".repeat(143) + "…", longest);
  }

  /** Names come from outside: to look through them must not take the square of their length. */
  @Test
  @Timeout(value = 60, unit = SECONDS)
  void manyThatLookLikeSources() {
    for (String source : List.of("[Source: ", "[Source: ; ")) {
      String message = source.repeat(100_000);
      assertEquals(
          message.substring(0, 100),
          JsonProblem.of(new JsonParseException(null, message)).substring(0, 100));
    }
  }
}
