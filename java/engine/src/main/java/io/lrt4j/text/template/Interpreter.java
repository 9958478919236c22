package io.lrt4j.text.template;

import io.lrt4j.text.template.Stmt.Target;
import io.lrt4j.text.template.Value.Function;
import io.lrt4j.text.template.Value.Loop;
import io.lrt4j.text.template.Value.Namespace;
import io.lrt4j.text.template.Value.Undefined;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;

/** Executes statements. */
final class Interpreter {
  /** How a statement ends: loops look for the latter two. */
  private enum Flow {
    NEXT,
    BREAK,
    CONTINUE
  }

  private final Rendering rendering;
  private final Evaluator evaluator;
  private StringBuilder out = new StringBuilder();

  Interpreter(Rendering rendering) {
    this.rendering = rendering;
    this.evaluator = new Evaluator(rendering);
  }

  String render(List<Stmt> body, Scope scope) {
    run(body, scope);
    return out.toString();
  }

  /** The line of the last expression or statement begun, for messages. */
  int line() {
    return evaluator.line;
  }

  private Flow run(List<Stmt> body, Scope scope) {
    rendering.enter();
    var flow = Flow.NEXT;
    for (int i = 0; i < body.size() && flow == Flow.NEXT; i++) {
      flow = run(body.get(i), scope);
    }
    rendering.leave();
    return flow;
  }

  private Flow run(Stmt statement, Scope scope) {
    rendering.spend(1);
    evaluator.line = statement.line();
    switch (statement) {
      case Stmt.Data data -> write(data.text());
      case Stmt.Print print -> write(rendering.str(eval(print.value(), scope)));
      case Stmt.Set set -> assign(set.target(), eval(set.value(), scope), scope);
      case Stmt.If choice -> {
        return choose(choice, scope);
      }
      case Stmt.For loop -> {
        return loop(loop, scope);
      }
      case Stmt.SetBlock block -> {
        return capture(
            block.body(),
            new Scope(scope),
            text -> {
              var inner = new Scope(scope);
              inner.set(Stmt.BODY, text);
              var filter = block.filter();
              assign(block.target(), filter == null ? text : eval(filter, inner), scope);
            });
      }
      case Stmt.FilterBlock block -> {
        return capture(
            block.body(),
            new Scope(scope),
            text -> {
              var inner = new Scope(scope);
              inner.set(Stmt.BODY, text);
              write(rendering.str(eval(block.filter(), inner)));
            });
      }
      case Stmt.With with -> {
        var inner = new Scope(scope);
        for (int i = 0; i < with.targets().size(); i++) {
          assign(with.targets().get(i), eval(with.values().get(i), scope), inner);
        }
        return run(with.body(), inner);
      }
      case Stmt.Generation generation -> run(generation.body(), new Scope(scope));
      case Stmt.MacroDefinition(var signature, var body, var _) ->
          scope.set(signature.name(), macro(signature, body, scope));
      case Stmt.CallBlock block -> {
        var caller = macro(block.signature(), block.body(), scope);
        write(rendering.str(evaluator.call(block.call(), scope, caller)));
      }
      case Stmt.Break _ -> {
        return Flow.BREAK;
      }
      case Stmt.Continue _ -> {
        return Flow.CONTINUE;
      }
    }
    return Flow.NEXT;
  }

  private void write(String text) {
    rendering.spendText(text.length());
    out.append(text);
    rendering.limit(out);
  }

  private Object eval(Expr expression, Scope scope) {
    return evaluator.eval(expression, scope);
  }

  /** What a block made of its text. */
  private interface Captured {
    void use(String text);
  }

  /** Runs a body with its output caught; a loop left in its midst uses nothing. */
  private Flow capture(List<Stmt> body, Scope scope, Captured captured) {
    var outer = out;
    out = new StringBuilder();
    var flow = run(body, scope);
    var text = out.toString();
    out = outer;
    if (flow == Flow.NEXT) {
      captured.use(text);
    }
    return flow;
  }

  private Flow choose(Stmt.If choice, Scope scope) {
    for (var branch : choice.branches()) {
      if (Operators.truth(eval(branch.test(), scope))) {
        return run(branch.body(), scope);
      }
    }
    return run(choice.otherwise(), scope);
  }

  private Flow loop(Stmt.For loop, Scope scope) {
    var items = eval(loop.items(), scope);
    var filter = loop.filter();
    Iterator<Object> chosen = rendering.iterate(items);
    long length = Operators.lengthOrUnknown(items);
    if (filter != null) {
      var kept = new ArrayList<Object>();
      while (chosen.hasNext()) {
        var item = chosen.next();
        var inner = new Scope(scope);
        assign(loop.target(), item, inner);
        if (Operators.truth(eval(filter, inner))) {
          kept.add(item);
        }
      }
      chosen = kept.iterator();
      length = kept.size();
    }
    var state = new Loop(chosen, length);
    boolean completed = false;
    while (state.advance()) {
      var inner = new Scope(scope);
      inner.set("loop", state);
      assign(loop.target(), state.current(), inner);
      var flow = run(loop.body(), inner);
      if (flow == Flow.BREAK) {
        break;
      }
      completed |= flow == Flow.NEXT;
    }
    // As in Jinja, where a turn that ends in break or continue is none.
    return completed ? Flow.NEXT : run(loop.otherwise(), new Scope(scope));
  }

  private void assign(Target target, Object value, Scope scope) {
    switch (target) {
      case Target.Variable(var name) -> scope.set(name, value);
      case Target.Field(var name, var attribute) -> {
        if (!(scope.get(name) instanceof Namespace namespace)) {
          throw new Fault("'" + name + "' is no namespace: its attributes cannot be set");
        }
        namespace.attributes().put(attribute, value);
      }
      case Target.Unpack(var targets) -> {
        if (value instanceof Undefined undefined) {
          throw undefined.fault();
        }
        var items = rendering.list(value);
        if (items.size() != targets.size()) {
          throw new Fault(
              "expected %d values to unpack, found %d".formatted(targets.size(), items.size()));
        }
        for (int i = 0; i < items.size(); i++) {
          assign(targets.get(i), items.get(i), scope);
        }
      }
    }
  }

  private Function macro(Stmt.Signature signature, List<Stmt> body, Scope scope) {
    return new Function(
        signature.name(), (_, arguments) -> callMacro(signature, body, scope, arguments));
  }

  private Object callMacro(
      Stmt.Signature signature, List<Stmt> body, Scope scope, Arguments arguments) {
    var inner = evaluator.bind(signature, arguments, new Scope(scope));
    var text = new String[1];
    capture(body, inner, made -> text[0] = made);
    return text[0];
  }
}
