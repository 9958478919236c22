package io.lrt4j;

import java.util.Objects;
import java.util.regex.Pattern;

/**
 * A function that the model may want to have called.
 *
 * @param name letters, digits, _ and -, at most 64 of them
 * @param description tells the model what it does; "" says nothing
 * @param parameters JSON Schema of its arguments, which are an object; {@code {}} says nothing
 * @param strict whether arguments can only be written as {@code parameters} says, of which all must
 *     then be understood (see {@link GenerationOptions#jsonSchema}), and calls of nothing but the
 *     tools that are offered
 */
public record Tool(String name, String description, String parameters, boolean strict) {
  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9_-]{1,64}");

  /** One that is not strict. */
  public Tool(String name, String description, String parameters) {
    this(name, description, parameters, false);
  }

  public Tool {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(description, "description");
    Objects.requireNonNull(parameters, "parameters");
    if (!NAME.matcher(name).matches()) {
      throw new QuestionException(
          "a tool's name must be 1 to 64 letters, digits, _ and -, found "
              + name.substring(0, Math.min(80, name.length())));
    }
  }
}
