package io.lrt4j.text.template;

import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.Fixtures;
import io.lrt4j.Fuzz;
import io.lrt4j.TemplateException;
import java.time.Clock;
import java.time.LocalDateTime;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class TemplateTest {
  private static final Clock CLOCK = Clock.systemUTC();

  private static String render(String source) {
    return Template.parse("chat template", source).render(Map.of("xs", List.of(3, 1, 2)), CLOCK);
  }

  private static String message(String source) {
    var e = assertThrows(TemplateException.class, () -> render(source), source);
    return String.valueOf(e.getMessage());
  }

  /** Every snippet gives what jinja2 gave, or fails where jinja2 failed. */
  @Test
  @SuppressWarnings("unchecked")
  void doesWhatJinjaDoes() {
    var recorded = Fixtures.json(Fixtures.dir("templates").resolve("snippets.json"));
    Map<String, Object> context =
        new ObjectMapper().convertValue(recorded.get("context"), Map.class);
    var now = LocalDateTime.parse(recorded.get("now").textValue()).toInstant(ZoneOffset.UTC);
    var clock = Clock.fixed(now, ZoneOffset.UTC);
    var differences = new ArrayList<String>();
    for (JsonNode c : recorded.get("cases")) {
      var source = c.get("source").textValue();
      String found;
      try {
        found = Template.parse("chat template", source).render(context, clock);
      } catch (TemplateException e) {
        found = null;
      }
      var expected = c.path("text").textValue();
      if (expected == null ? found != null : !expected.equals(found)) {
        differences.add(
            "%s expected %s, found %s"
                .formatted(source, c.has("text") ? expected : c.get("error"), found));
      }
    }
    assertTrue(recorded.get("cases").size() > 900);
    assertEquals("", String.join("\n", differences));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '¦',
      quoteCharacter = '`',
      textBlock =
          """
          {% include 'x' %} ¦ the tag 'include' is not supported
          {% extends 'x' %} ¦ the tag 'extends' is not supported
          {% import 'x' as y %} ¦ the tag 'import' is not supported
          {% block a %}{% endblock %} ¦ the tag 'block' is not supported
          {% do xs.append(1) %} ¦ unknown tag 'do'
          {% for x in xs %} ¦ the template ends where one of [endfor, else] is expected
          {% if xs %} ¦ the template ends where one of [elif, else, endif] is expected
          {% for x in xs recursive %}{% endfor %} ¦ a recursive loop is not supported
          {{ xs | groupby('a') }} ¦ the filter 'groupby' is not supported
          {{ xs | nope }} ¦ there is no filter 'nope'
          {{ xs is nope }} ¦ there is no test 'nope'
          {{ 'a'.encode() }} ¦ the string method 'encode' is not supported
          {{ xs[0].real }} ¦ the attribute 'real' of a number is not supported
          {{ joiner(',') }} ¦ the function 'joiner' is not supported
          {{ loop_.x }} ¦ 'loop_' is undefined
          {{ xs.append(1) }} ¦ 'append' would change a list, which a template may not do
          {{ 9223372036854775807 + 1 }} ¦ an integer of more than 64 bits is not supported
          {{ xs[1, 2] }} ¦ an index of several parts is not supported
          {{ '%q' % 1 }} ¦ the format %q is not supported
          {{ '{:>8}'.format(1) }} ¦ the format field {:>8} is not supported
          {{ strftime_now('%Q') }} ¦ the date format %Q is not supported
          {{ ('a' | safe).upper() }} ¦ the attribute 'upper' of a safe string is not supported
          {{ xs | map('string') }} ¦ printing a generator is not supported
          {{ raise_exception('Only users, please.') }} ¦ Only users, please.
          """)
  void refusesByNameAndLine(String source, String expected) {
    assertEquals("chat template, line 3: " + expected, message("a\n\n" + source));
  }

  @Test
  void linesAreThoseOfTheFailingTag() {
    assertEquals(
        "chat template, line 4: 'b' is undefined",
        message("{# x\n #}\n{% if true %}\n {{ b.c }}\n{% endif %}"));
    assertTrue(message("x\n{{ 'a' 1 }}").startsWith("chat template, line 2: "));
    assertTrue(message("{% if true %}\n\n\n").startsWith("chat template, line "));
  }

  /** Templates are untrusted: each of these must fail, soon, with one sentence. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% for a in range(99999) %}{{ 'x' * 10000 }}{% endfor %}",
        "{{ 'x' * 99999999999 }}",
        "{{ [0] * 99999999999 }}",
        "{{ (0,) * 99999999999 }}",
        "{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{%"
            + " endfor %}",
        "{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x ~ ns.x %}{%"
            + " endfor %}",
        "{% set ns = namespace(x='xx') %}{% for i in range(99) %}{% set ns.x = ns.x | replace('x',"
            + " ns.x) %}{% endfor %}",
        "{% set ns = namespace(x=[1]) %}{% for i in range(99) %}{% set ns.x = ns.x + ns.x %}{%"
            + " endfor %}",
        "{% set ns = namespace(x=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{%"
            + " endfor %}{{ ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{%"
            + " endfor %}{{ ns.x | tojson }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(99) %}{% set ns.x = [ns.x, ns.x] %}{%"
            + " endfor %}{{ ns.x == ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor"
            + " %}{{ ns.x }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor"
            + " %}{{ ns.x | tojson }}",
        "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}{% set ns.x = [ns.x] %}{% endfor"
            + " %}{{ ns.x < ns.x or ns.x == ns.x }}",
        "{% set ns = namespace() %}{% set ns.x = ns %}{{ ns.x }}",
        "{% set ns = namespace(x=[]) %}{% set ns.x = [ns] %}{{ ns }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% macro a() %}{{ b() }}{% endmacro %}{% macro b() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{% macro n(i) %}{% if i %}{{ n(i - 1) }}{{"
            + " n(i - 1) }}{% endif %}{% endmacro %}{{ n(60) }}",
        "{{ 'a' | center(999999999) }}",
        "{{ 'a'.ljust(999999999) }}",
        "{{ 'a'.zfill(999999999) }}",
        "{{ '%999999999d' % 1 }}",
        "{{ '%.999999999f' % 1.5 }}",
        "{{ 'a' | indent(999999999, true) }}",
        "{{ [1] | tojson(indent=999999999) }}",
        "{{ [1] | batch(999999999, 'x') | list }}",
        "{{ [1] | slice(999999999) | list }}",
        "{{ ('a' * 4000000) in ('a' * 8000000 + 'b') and ('a' * 4000000 + 'b') in ('a' * 8000000)"
            + " }}",
        "{{ range(10 ** 18) }}",
        "{{ 2 ** 99999999999 }}",
        "{{ 9999999999 ** 9999999999 }}",
        "{% for x in range(99999) %}{% set y = range(99999) | list %}{% endfor %}",
        "{{ range(99999) | map('string') | unique | list }}",
        "{{ 1e308 | round(300) | string | length + missing }}",
      })
  void hostileTemplatesEnd(String source) {
    var message = message(source);
    assertTrue(message.startsWith("chat template, line 1: ") && message.length() < 300, message);
  }

  /**
   * Deep nesting is refused before a small stack overflows, in the parser as in the interpreter.
   */
  @Test
  void deepNestingIsRefused() throws InterruptedException {
    var sources = new ArrayList<String>();
    for (int depth : new int[] {90, 101, 5000, 100_000}) {
      sources.add("{{ " + "(".repeat(depth) + "1" + ")".repeat(depth) + " }}");
      sources.add("{{ " + "[".repeat(depth) + "]".repeat(depth) + " }}");
      sources.add("{{ " + "{1:".repeat(depth) + "1" + "}".repeat(depth) + " }}");
      sources.add("{{ " + "not ".repeat(depth) + "1 }}");
      sources.add("{{ " + "- ".repeat(depth) + "1 }}");
      sources.add("{{ 1" + " + 1".repeat(depth) + " }}");
      sources.add("{{ 1" + " if 1 else 1".repeat(depth) + " }}");
      sources.add("{{ 's'" + "|upper".repeat(depth) + " }}");
      sources.add("{{ xs" + "[0:]".repeat(depth) + " }}");
      sources.add("{{ range(1" + ", range(1".repeat(depth) + ")".repeat(depth + 1) + " }}");
      sources.add("{% if 1 %}".repeat(depth) + "{% endif %}".repeat(depth));
      sources.add("{% for x in xs[:1] %}".repeat(depth) + "{% endfor %}".repeat(depth));
      sources.add("{% set x %}".repeat(depth) + "{% endset %}".repeat(depth));
      sources.add(
          "{% for " + "(".repeat(depth) + "a" + ")".repeat(depth) + " in xs %}{% endfor %}");
      sources.add("{% if 0 %}" + "{% elif 0 %}".repeat(depth) + "{% endif %}");
    }
    sources.add(
        "{% macro m(f) %}"
            + "{% if 1 %}".repeat(60)
            + "{{ m((((((f)))))) }}"
            + "{% endif %}".repeat(60)
            + "{% endmacro %}{{ m(1) }}");
    var failures = new HashMap<String, Throwable>();
    var thread =
        new Thread(
            null,
            () -> {
              for (var source : sources) {
                try {
                  render(source);
                } catch (TemplateException expected) {
                  // one sentence, no StackOverflowError
                } catch (Throwable e) {
                  failures.put(source.substring(0, 20), e);
                }
              }
            },
            "small stack",
            512 << 10);
    thread.start();
    thread.join();
    assertEquals(Map.of(), failures);
  }

  @Test
  void deepInputIsRefused() {
    @Nullable Object deep = null;
    for (int i = 0; i < 5000; i++) {
      deep = i % 2 == 0 ? List.of(deep == null ? "" : deep) : Map.of("x", deep == null ? "" : deep);
    }
    var variables = Map.of("deep", deep == null ? "" : deep);
    var template = Template.parse("chat template", "x");
    assertThrows(TemplateException.class, () -> template.render(variables, CLOCK));
  }

  @Test
  void inputThatIsNoValueIsRefusedByItsType() {
    var template = Template.parse("chat template", "x");
    var e = assertThrows(TemplateException.class, () -> template.render(Map.of("x", CLOCK), CLOCK));
    assertTrue(String.valueOf(e.getMessage()).contains("SystemClock"), e.getMessage());
  }

  /** Rendering changes neither the template nor what it was given. */
  @Test
  void templatesAreImmutable() {
    var template =
        Template.parse(
            "chat template",
            "{% set ns = namespace(n=0) %}{% set ns.n = ns.n + 1 %}{{ ns.n }}{% set xs = 1 %}{{ xs"
                + " }}");
    assertAll(
        () -> assertEquals("11", template.render(Map.of("xs", List.of(1)), CLOCK)),
        () -> assertEquals("11", template.render(Map.of("xs", List.of(1)), CLOCK)));
  }

  /** Whatever a template says, it renders or fails as a template: 30,000 mutated snippets. */
  @Test
  @SuppressWarnings("unchecked")
  void mutatedTemplatesFailCleanly() {
    var recorded = Fixtures.json(Fixtures.dir("templates").resolve("snippets.json"));
    Map<String, Object> context =
        new ObjectMapper().convertValue(recorded.get("context"), Map.class);
    var sources = new ArrayList<String>();
    recorded.get("cases").forEach(c -> sources.add(c.get("source").textValue()));
    var random = new Random(1);
    int rounds = 10_000 * Fuzz.FACTOR;
    int failed = 0;
    for (int i = 0; i < rounds; i++) {
      var source = new StringBuilder(sources.get(random.nextInt(sources.size())));
      for (int edits = 1 + random.nextInt(3); edits > 0; edits--) {
        var other = sources.get(random.nextInt(sources.size()));
        int at = random.nextInt(source.length() + 1);
        int end = Math.min(source.length(), at + random.nextInt(4));
        int from = random.nextInt(other.length() + 1);
        int to = Math.min(other.length(), from + random.nextInt(12));
        source.replace(at, end, other.substring(from, to));
      }
      var text = source.toString();
      try {
        Template.parse("chat template", text).render(context, CLOCK);
      } catch (TemplateException expected) {
        failed++;
      } catch (Throwable e) {
        throw new AssertionError(text, e);
      }
    }
    assertTrue(failed > rounds / 10 && failed < rounds / 30 * 29, failed + " failed");
  }
}
