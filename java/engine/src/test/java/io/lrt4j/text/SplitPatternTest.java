package io.lrt4j.text;

import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What released tokenizers split by is run; what may backtrack without end is not. */
class SplitPatternTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        // Qwen 2 to 3, DeepSeek-R1-Distill-Qwen
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r"
            + "\\n"
            + "\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r"
            + "\\n"
            + "]*|\\s*[\\r"
            + "\\n"
            + "]+|\\s+(?!\\S)|\\s+",
        // Llama 3
        "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r"
            + "\\n"
            + "\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r"
            + "\\n"
            + "]*|\\s*[\\r"
            + "\\n"
            + "]+|\\s+(?!\\S)|\\s+",
        // GPT-2
        "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
        // GPT-4o, Llama 4
        "[^\\r"
            + "\\n"
            + "\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?|[^\\r"
            + "\\n"
            + "\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?|\\p{N}{1,3}|"
            + " ?[^\\s\\p{L}\\p{N}]+[\\r"
            + "\\n"
            + "/]*|\\s*[\\r"
            + "\\n"
            + "]+|\\s+(?!\\S)|\\s+",
        // DeepSeek V3
        "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r"
            + "\\n"
            + "\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\\r"
            + "\\n"
            + "]*|\\s*[\\r"
            + "\\n"
            + "]+|\\s+(?!\\S)|\\s+",
        "\\p{N}{1,3}",
        "[一-龥぀-ゟ゠-ヿ]+",
        "a++b++c",
        "."
      })
  void run(String pattern) {
    assertNull(SplitPattern.objection(pattern));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "a*",
        "a?",
        "a|",
        "(a*)*b",
        "(a|a)*b",
        "(a|aa)+$",
        "(?:a+)b",
        "a*a*b",
        ".*.*x",
        "(a?){20}a",
        "a?a?a?a?a?a?a?a?a?a?aaaaaaaaaa",
        "(a)\\1",
        "a**",
        "a{2}{3}",
        "a{2}+",
        "a{1000}",
        "(?=a*b)c",
        "(?=a)*b",
        "(?!a)?b",
        "((a",
        "a)",
        "[a",
        "a\\",
        "\\pL",
        "\\p{L",
        "\\Ka",
        "(?i)a",
        "(?#x)a",
        "a{,3}",
        "{2}",
        "^a",
        "a$",
        "x{5,2}",
        "\\s*a|\\s*b|\\s*c|\\s*d|\\s*e"
      })
  void refused(String pattern) {
    assertNotNull(SplitPattern.objection(pattern));
  }
}
