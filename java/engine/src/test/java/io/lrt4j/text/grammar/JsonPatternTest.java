package io.lrt4j.text.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.node.TextNode;
import io.lrt4j.QuestionException;
import java.nio.charset.StandardCharsets;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Strings that match a pattern, as Java's own regular expressions do. */
class JsonPatternTest {
  private static final String ALPHABET = "aA1_ -\"\\\n";

  private static Grammar grammar(String pattern) {
    return JsonSchema.grammar("{\"pattern\":" + TextNode.valueOf(pattern) + "}");
  }

  private static boolean accepts(Grammar grammar, String text) {
    Grammar.State state = grammar.start();
    for (byte b : TextNode.valueOf(text).toString().getBytes(StandardCharsets.UTF_8)) {
      state = grammar.next(state, b & 0xff);
    }
    return state.accepting();
  }

  /** All texts of up to four characters. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "a",
        "^",
        "a$",
        "^a",
        "^a$",
        "^$|^aa",
        "^a|1$",
        "^(a|1_)*$",
        "^(?:a?)*1?$",
        "^(a*)+$",
        "^a{2}$",
        "^[aA]{1,2}_?$",
        "^a{1,}?1??$",
        "^(?<first>a)[^a]+$",
        "^.$",
        "^.{2,3}",
        "^\\d\\D\\w\\W$",
        "^\\s\\S$",
        "^[\\s\\d]+$",
        "^[^\\s\\d]+$",
        "^[\\s\\S]{3}$",
        "^[\\w-]+$",
        "^[\\w-\\\\]+$",
        "^[ -1]+$",
        "^[a\\-1]\\\\\\n?\"",
        "^[A-Z]\\x61\\u0031$",
        "^\\S(.*\\S)?$",
        "^((a|A)(1|_)){2}$",
        "()a(|1)$",
      })
  void asJavaMatches(String pattern) {
    Grammar grammar = grammar(pattern);
    Pattern java = Pattern.compile(pattern.replace("$", "\\z"));
    for (int length = 0; length <= 4; length++) {
      for (int i = 0; i < Math.pow(ALPHABET.length(), length); i++) {
        var text = new StringBuilder();
        for (int rest = i; text.length() < length; rest /= ALPHABET.length()) {
          text.append(ALPHABET.charAt(rest % ALPHABET.length()));
        }
        boolean may = java.matcher(text).find();
        assertEquals(may, accepts(grammar, text.toString()), () -> pattern + " and " + text);
      }
    }
  }

  /** Of zod and pydantic; texts between semicolons. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "^(?:[A-Za-z0-9_'+\\-]+\\.)*[A-Za-z0-9_'+\\-]*[A-Za-z0-9_+-]@(?:[A-Za-z0-9][A-Za-z0-9\\-]*\\.)+[A-Za-z]{2,}$"
            + " ~ a.b+c@mail.example.org ~ a@b;a b@c.de;@c.de",
        "^([0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[1-8][0-9a-fA-F]{3}-[89abAB][0-9a-fA-F]{3}-[0-9a-fA-F]{12}|00000000-0000-0000-0000-000000000000)$"
            + " ~ 123e4567-e89b-12d3-a456-426614174000 ~ 123e4567-e89b-92d3-a456-426614174000",
        "^(?:(?:\\d\\d[2468][048]|\\d\\d[13579][26]|\\d\\d0[48]|[02468][048]00|[13579][26]00)-02-29|\\d{4}"
            + "-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\\d|30)|(?:02)-(?:0[1-9]|1\\d|2[0-8])))$"
            + " ~ 2024-02-29;2023-12-31 ~ 2023-02-29;2023-13-01;2023-04-31",
        "^[A-Z]{3}$ ~ ABC ~ AB;ABCD;abc",
        "^[^A-Z]*$ ~ é😀;`` ~ aB",
        "^[à-ï ü]+$ ~ éü à ~ e",
        "^.+é$ ~ 中é ~ é;e",
        "^\\S+$ ~ é中😀a ~ a b;a\u00a0b;a\u3000b;a\u2028b",
      })
  void asPeopleWriteThem(String pattern, String good, String bad) {
    Grammar grammar = grammar(pattern);
    for (String text : good.split(";", -1)) {
      assertTrue(accepts(grammar, text), text);
    }
    for (String text : bad.split(";", -1)) {
      assertFalse(accepts(grammar, text), text);
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '~',
      quoteCharacter = '`',
      value = {
        "(?=a) ~ 1: (?=a)",
        "^(?!^[-+.]*$)[+-]? ~ 2: (?!^[-+.]*$)",
        "a(?<!b) ~ 2: (?<!b)",
        "(a)\\1 ~ 4: \\1",
        "a\\b ~ 2: \\b",
        "\\p{L} ~ 1: \\p{L}",
        "a^b ~ 2: ^b",
        "(^a) ~ 2: ^a)",
        "(a$) ~ 1: (a$)",
        "a$b ~ 3: b",
        "(a ~ 1: (a",
        "a) ~ 2: )",
        "[a ~ 1: [a",
        "[] ~ 1: []",
        "[b-a] ~ 2: b-a]",
        "[a-\\d] ~ 2: a-\\d]",
        "[\u4e00-\u9fa5] ~ 2: \u4e00-\u9fa5]",
        "* ~ 1: *",
        "a** ~ 3: *",
        "a++ ~ 3: +",
        "a{2 ~ 1: a{2",
        "a{,2} ~ 1: a{,2}",
        "a{3,2} ~ 1: a{3,2}",
        "a{1025} ~ 1: a{1025}",
        "(a?){2} ~ 1: (a?){2}",
        "\\ ~ 1: \\",
        "\\ud83d ~ 1: \\ud83d",
        "\\u00g0 ~ 1: \\u00g0",
      })
  void refused(String pattern, String what) {
    var thrown = assertThrows(QuestionException.class, () -> grammar(pattern));
    assertEquals(
        "the JSON schema has a pattern with what is not supported at character " + what,
        thrown.getMessage());
  }

  @Test
  void hostile() {
    for (String pattern : new String[] {"(".repeat(500), "a".repeat(1001), "(?:a".repeat(100)}) {
      assertThrows(QuestionException.class, () -> grammar(pattern));
    }
    assertTrue(accepts(grammar("^" + "a?".repeat(499) + "$"), "a".repeat(400)));
    assertTrue(accepts(grammar("^((((a*)*)*)*)*$"), "a".repeat(400)));
    assertTrue(accepts(grammar("^(a{1,1000}){1,1000}$"), "a".repeat(40)));
    assertTrue(accepts(grammar("^(.*a.{25}|.*[a-m].{26})$"), "a".repeat(400)));
  }
}
