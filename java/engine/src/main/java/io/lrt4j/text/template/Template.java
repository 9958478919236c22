package io.lrt4j.text.template;

import io.lrt4j.TemplateException;
import java.time.Clock;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** A parsed template: immutable, shared by threads. */
public final class Template {
  private static final int MAX_SOURCE = 1 << 20;

  private final String name;
  private final List<Stmt> body;

  private Template(String name, List<Stmt> body) {
    this.name = name;
    this.body = body;
  }

  /**
   * Reads a template.
   *
   * @param name what messages call it
   * @throws TemplateException if it is no valid template, or uses what is not supported
   */
  public static Template parse(String name, String source) {
    if (source.length() > MAX_SOURCE) {
      throw new TemplateException(
          "%s: expected at most %d characters, found %d"
              .formatted(name, MAX_SOURCE, source.length()));
    }
    try {
      return new Template(name, Parser.parse(source));
    } catch (SyntaxFault fault) {
      throw located(name, fault.line, fault);
    }
  }

  /**
   * Renders the template.
   *
   * @param variables strings, numbers, booleans, nulls, and lists and string-keyed maps of those
   * @param clock what {@code strftime_now} reads
   * @throws TemplateException if the template fails, raises an exception or does too much
   */
  public String render(Map<String, ? extends @Nullable Object> variables, Clock clock) {
    var interpreter = new Interpreter(new Rendering(clock));
    try {
      var scope = new Scope(null);
      variables.forEach((name, value) -> scope.set(name, Value.of(value)));
      return interpreter.render(body, scope);
    } catch (Fault fault) {
      throw located(name, interpreter.line(), fault);
    }
  }

  private static TemplateException located(String name, int line, RuntimeException fault) {
    return new TemplateException(name + ", line " + line + ": " + fault.getMessage(), fault);
  }
}
