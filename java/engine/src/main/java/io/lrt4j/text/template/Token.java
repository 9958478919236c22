package io.lrt4j.text.template;

/**
 * A token of a template.
 *
 * @param text of DATA the text, of a STRING its unescaped value, else the source
 * @param line where it begins, from 1
 */
record Token(Kind kind, String text, int line) {

  enum Kind {
    DATA("text"),
    BLOCK_BEGIN("'{%'"),
    BLOCK_END("'%}'"),
    VARIABLE_BEGIN("'{{'"),
    VARIABLE_END("'}}'"),
    NAME("a name"),
    STRING("a string"),
    INTEGER("an integer"),
    FLOAT("a number"),
    OPERATOR("an operator"),
    END("the end of the template");

    private final String description;

    Kind(String description) {
      this.description = description;
    }

    @Override
    public String toString() {
      return description;
    }
  }

  boolean is(Kind kind, String text) {
    return this.kind == kind && this.text.equals(text);
  }

  boolean isName(String name) {
    return is(Kind.NAME, name);
  }

  boolean isOperator(String operator) {
    return is(Kind.OPERATOR, operator);
  }

  /** For messages. */
  String describe() {
    return kind == Kind.NAME || kind == Kind.OPERATOR || kind == Kind.INTEGER || kind == Kind.FLOAT
        ? "'" + text + "'"
        : kind.toString();
  }
}
