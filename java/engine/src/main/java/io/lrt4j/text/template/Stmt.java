package io.lrt4j.text.template;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** A statement; {@code line} is where it stands in the template. */
sealed interface Stmt {
  int line();

  record Data(String text, int line) implements Stmt {}

  record Print(Expr value, int line) implements Stmt {}

  record If(List<Branch> branches, List<Stmt> otherwise, int line) implements Stmt {}

  record Branch(Expr test, List<Stmt> body) {}

  record For(
      Target target,
      Expr items,
      @Nullable Expr filter,
      List<Stmt> body,
      List<Stmt> otherwise,
      int line)
      implements Stmt {}

  record Set(Target target, Expr value, int line) implements Stmt {}

  /** {@code {% set x %}…{% endset %}}; {@code filter} is applied to {@link #BODY}. */
  record SetBlock(Target target, @Nullable Expr filter, List<Stmt> body, int line)
      implements Stmt {}

  record With(List<Target> targets, List<Expr> values, List<Stmt> body, int line) implements Stmt {}

  record FilterBlock(Expr filter, List<Stmt> body, int line) implements Stmt {}

  record MacroDefinition(Signature signature, List<Stmt> body, int line) implements Stmt {}

  /** {@code {% call(…) f(…) %}…{% endcall %}}: the body is handed to the macro as its caller. */
  record CallBlock(Expr.Call call, Signature signature, List<Stmt> body, int line)
      implements Stmt {}

  /** {@code {% generation %}}: marks what the model writes; rendered as if it were not there. */
  record Generation(List<Stmt> body, int line) implements Stmt {}

  record Break(int line) implements Stmt {}

  record Continue(int line) implements Stmt {}

  /** The name that stands for a block's text in the filters applied to it. */
  String BODY = " body";

  /**
   * A macro's head.
   *
   * @param defaults one for each parameter, null for those without
   * @param catchAll the body reads {@code varargs}
   * @param catchNamed the body reads {@code kwargs}
   * @param usesCaller the body reads {@code caller}
   */
  record Signature(
      String name,
      List<String> parameters,
      List<@Nullable Expr> defaults,
      boolean catchAll,
      boolean catchNamed,
      boolean usesCaller) {}

  /** What can be assigned to. */
  sealed interface Target {
    record Variable(String name) implements Target {}

    /** {@code namespace.attribute} */
    record Field(String namespace, String attribute) implements Target {}

    record Unpack(List<Target> targets) implements Target {}
  }
}
