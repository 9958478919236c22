package io.lrt4j.text.template;

import io.lrt4j.text.template.Stmt.Signature;
import io.lrt4j.text.template.Stmt.Target;
import io.lrt4j.text.template.Token.Kind;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Reads statements. */
final class Parser extends ExpressionParser {
  private static final Set<String> UNSUPPORTED =
      Set.of("block", "extends", "include", "import", "from", "autoescape");

  private static final Set<String> CONSTANTS =
      Set.of("true", "false", "none", "True", "False", "None");

  /** Loops around the current statement, within its macro. */
  private int loops;

  private Parser(List<Token> tokens) {
    super(tokens);
  }

  static List<Stmt> parse(String source) {
    var parser = new Parser(Lexer.tokenize(source));
    var body = parser.statements(List.of());
    parser.refuseUnknown();
    return body;
  }

  /** Statements up to a tag named in {@code ends}, which is next, or to the end of the template. */
  private List<Stmt> statements(List<String> ends) {
    enter();
    var body = new ArrayList<Stmt>();
    while (true) {
      var token = take();
      switch (token.kind()) {
        case DATA -> body.add(new Stmt.Data(token.text(), token.line()));
        case VARIABLE_BEGIN -> {
          body.add(new Stmt.Print(tuple(true, null), token.line()));
          expect(Kind.VARIABLE_END);
        }
        case BLOCK_BEGIN -> {
          if (peek().kind() == Kind.NAME && ends.contains(peek().text())) {
            leave();
            return body;
          }
          body.add(statement());
          expect(Kind.BLOCK_END);
        }
        case END -> {
          if (!ends.isEmpty()) {
            throw fault("the template ends where one of " + ends + " is expected");
          }
          leave();
          return body;
        }
        default -> throw new IllegalStateException(token.toString());
      }
    }
  }

  /** The body of a tag: from its {@code %}} to one of the tags that end it, which is taken. */
  private List<Stmt> body(String end) {
    var body = openBody(List.of(end));
    take();
    return body;
  }

  private List<Stmt> openBody(List<String> ends) {
    skipOperator(":");
    expect(Kind.BLOCK_END);
    return statements(ends);
  }

  private Stmt statement() {
    int line = line();
    var tag = expect(Kind.NAME).text();
    return switch (tag) {
      case "if" -> ifStatement(line);
      case "for" -> forStatement(line);
      case "set" -> set(line);
      case "with" -> with(line);
      case "macro" -> macro(line);
      case "call" -> callBlock(line);
      case "filter" -> filterBlock(line);
      case "print" -> print(line);
      case "generation" -> new Stmt.Generation(isolated(() -> body("endgeneration")), line);
      case "break", "continue" -> {
        if (loops == 0) {
          throw new SyntaxFault("'" + tag + "' outside a loop", line);
        }
        yield tag.equals("break") ? new Stmt.Break(line) : new Stmt.Continue(line);
      }
      default ->
          throw new SyntaxFault(
              UNSUPPORTED.contains(tag)
                  ? "the tag '" + tag + "' is not supported"
                  : "unknown tag '" + tag + "'",
              line);
    };
  }

  private Stmt print(int line) {
    var parts = new ArrayList<Expr>();
    do {
      parts.add(expression());
    } while (skipOperator(","));
    return new Stmt.Print(new Expr.Concat(parts, line), line);
  }

  private Stmt ifStatement(int line) {
    int mark = unknowns();
    var branches = new ArrayList<Stmt.Branch>();
    List<Stmt> otherwise = List.of();
    while (true) {
      var test = tuple(false, null);
      branches.add(new Stmt.Branch(test, openBody(List.of("elif", "else", "endif"))));
      var next = take();
      if (next.isName("else")) {
        otherwise = body("endif");
      }
      if (!next.isName("elif")) {
        break;
      }
    }
    forgive(mark);
    return new Stmt.If(branches, otherwise, line);
  }

  private Stmt forStatement(int line) {
    var target = target("in", false);
    if (target instanceof Target.Variable(var name) && name.equals("loop")) {
      throw new SyntaxFault("a loop's variable cannot be called 'loop'", line);
    }
    expectName("in");
    var items = tuple(false, "recursive");
    var filter = skipName("if") ? expression() : null;
    if (peek().isName("recursive")) {
      throw fault("a recursive loop is not supported");
    }
    loops++;
    var body = openBody(List.of("endfor", "else"));
    loops--;
    List<Stmt> otherwise = take().isName("else") ? body("endfor") : List.of();
    return new Stmt.For(target, items, filter, body, otherwise, line);
  }

  private Stmt set(int line) {
    var target = target(null, true);
    if (skipOperator("=")) {
      return new Stmt.Set(target, tuple(true, null), line);
    }
    var filter = peek().isOperator("|") ? filter(new Expr.Name(Stmt.BODY, line)) : null;
    return new Stmt.SetBlock(target, filter, body("endset"), line);
  }

  private Stmt with(int line) {
    var targets = new ArrayList<Target>();
    var values = new ArrayList<Expr>();
    while (peek().kind() != Kind.BLOCK_END) {
      if (!targets.isEmpty()) {
        expectOperator(",");
      }
      targets.add(target(null, false));
      expectOperator("=");
      values.add(expression());
    }
    return new Stmt.With(targets, values, body("endwith"), line);
  }

  private Stmt filterBlock(int line) {
    var filter = filter(namedFilter(new Expr.Name(Stmt.BODY, line)));
    return new Stmt.FilterBlock(filter, body("endfilter"), line);
  }

  private Stmt macro(int line) {
    var name = variable();
    var head = signature(name);
    return macroBody(
        head, "endmacro", (signature, body) -> new Stmt.MacroDefinition(signature, body, line));
  }

  private Stmt callBlock(int line) {
    var head = peek().isOperator("(") ? signature("caller") : signatureOf("caller");
    if (!(expression() instanceof Expr.Call call)) {
      throw new SyntaxFault("expected a call", line);
    }
    return macroBody(
        head, "endcall", (signature, body) -> new Stmt.CallBlock(call, signature, body, line));
  }

  private interface Made {
    Stmt of(Signature signature, List<Stmt> body);
  }

  /** A macro's body; which of the special names it reads completes its signature. */
  private Stmt macroBody(Signature head, String end, Made made) {
    var outer = new HashSet<>(names());
    names().clear();
    var body = isolated(() -> body(end));
    var read = Set.copyOf(names());
    names().addAll(outer);
    return made.of(
        new Signature(
            head.name(),
            head.parameters(),
            head.defaults(),
            read.contains("varargs"),
            read.contains("kwargs"),
            read.contains("caller")),
        body);
  }

  private List<Stmt> isolated(java.util.function.Supplier<List<Stmt>> body) {
    int outer = loops;
    loops = 0;
    var statements = body.get();
    loops = outer;
    return statements;
  }

  private static Signature signatureOf(String name) {
    return new Signature(name, List.of(), List.of(), false, false, false);
  }

  private Signature signature(String name) {
    var parameters = new ArrayList<String>();
    var defaults = new ArrayList<@Nullable Expr>();
    boolean optional = false;
    expectOperator("(");
    while (!peek().isOperator(")")) {
      if (!parameters.isEmpty()) {
        expectOperator(",");
      }
      parameters.add(variable());
      if (skipOperator("=")) {
        defaults.add(expression());
        optional = true;
      } else if (optional) {
        throw fault("a parameter without default follows one with");
      } else {
        defaults.add(null);
      }
    }
    expectOperator(")");
    return new Signature(name, parameters, defaults, false, false, false);
  }

  private String variable() {
    var token = expect(Kind.NAME);
    if (CONSTANTS.contains(token.text())) {
      throw new SyntaxFault("'" + token.text() + "' cannot be assigned to", token.line());
    }
    return token.text();
  }

  /** What is assigned to: names, with commas between them for unpacking. */
  private Target target(@Nullable String end, boolean fields) {
    var first = oneTarget(fields);
    if (!peek().isOperator(",")) {
      return first;
    }
    var targets = new ArrayList<Target>();
    targets.add(first);
    while (skipOperator(",") && !peek().isOperator("=") && !atTupleEnd(end)) {
      targets.add(oneTarget(fields));
    }
    return new Target.Unpack(targets);
  }

  private Target oneTarget(boolean fields) {
    if (skipOperator("(")) {
      enter();
      var inner = target(null, fields);
      expectOperator(")");
      leave();
      return inner;
    }
    var name = variable();
    return fields && skipOperator(".")
        ? new Target.Field(name, expect(Kind.NAME).text())
        : new Target.Variable(name);
  }
}
