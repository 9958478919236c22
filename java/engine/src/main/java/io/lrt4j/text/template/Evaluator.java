package io.lrt4j.text.template;

import io.lrt4j.text.template.Value.Function;
import io.lrt4j.text.template.Value.None;
import io.lrt4j.text.template.Value.Tuple;
import io.lrt4j.text.template.Value.Undefined;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Evaluates expressions. */
final class Evaluator {
  private final Rendering rendering;
  int line = 1;

  Evaluator(Rendering rendering) {
    this.rendering = rendering;
  }

  Object eval(Expr expression, Scope scope) {
    rendering.enter();
    rendering.spend(1);
    line = expression.line();
    var value =
        switch (expression) {
          case Expr.Constant constant -> constant.value();
          case Expr.Name(var name, var _) -> name(name, scope);
          case Expr.Attribute(var object, var name, var _) ->
              Attributes.attribute(rendering, eval(object, scope), name);
          case Expr.Item(var object, var index, var _) ->
              Attributes.item(rendering, eval(object, scope), eval(index, scope));
          case Expr.Call call -> call(call, scope, null);
          case Expr.Filter(var operand, var name, var arguments, var _) ->
              Filters.apply(rendering, name, eval(operand, scope), arguments(arguments, scope));
          case Expr.Test(var operand, var name, var arguments, var _) ->
              Tests.apply(rendering, name, eval(operand, scope), arguments(arguments, scope));
          case Expr.Binary(var operator, var left, var right, var _) ->
              Arithmetic.binary(rendering, operator, eval(left, scope), eval(right, scope));
          case Expr.Unary(var operator, var operand, var _) ->
              operator.equals("not")
                  ? (Object) !Operators.truth(eval(operand, scope))
                  : Arithmetic.sign(operator, eval(operand, scope));
          case Expr.Logical(var and, var left, var right, var _) -> {
            var first = eval(left, scope);
            yield Operators.truth(first) == and ? eval(right, scope) : first;
          }
          case Expr.Comparison comparison -> compare(comparison, scope);
          case Expr.Conditional choice -> choose(choice, scope);
          case Expr.Concat(var parts, var _) ->
              StringMethods.join(rendering, "", evalAll(parts, scope));
          case Expr.Sequence(var items, var tuple, var _) ->
              tuple ? new Tuple(evalAll(items, scope)) : evalAll(items, scope);
          case Expr.Dict dict -> dict(dict, scope);
          case Expr.Slice slice ->
              Operators.slice(
                  rendering,
                  eval(slice.object(), scope),
                  optional(slice.start(), scope),
                  optional(slice.stop(), scope),
                  optional(slice.step(), scope));
        };
    rendering.leave();
    return value;
  }

  private static Object name(String name, Scope scope) {
    var value = scope.get(name);
    if (value == null) {
      value = Functions.GLOBALS.get(name);
    }
    return value == null ? new Undefined("'" + name + "' is undefined") : value;
  }

  private Object optional(@Nullable Expr expression, Scope scope) {
    return expression == null ? None.NONE : eval(expression, scope);
  }

  private List<Object> evalAll(List<Expr> expressions, Scope scope) {
    var values = new ArrayList<Object>();
    for (var expression : expressions) {
      values.add(eval(expression, scope));
    }
    return values;
  }

  private Object compare(Expr.Comparison comparison, Scope scope) {
    var left = eval(comparison.first(), scope);
    for (int i = 0; i < comparison.rest().size(); i++) {
      var right = eval(comparison.rest().get(i), scope);
      if (!Operators.compare(rendering, comparison.operators().get(i), left, right)) {
        return false;
      }
      left = right;
    }
    return true;
  }

  private Object choose(Expr.Conditional choice, Scope scope) {
    if (Operators.truth(eval(choice.test(), scope))) {
      return eval(choice.then(), scope);
    }
    var otherwise = choice.otherwise();
    return otherwise == null
        ? new Undefined("the inline if-expression is false and has no else")
        : eval(otherwise, scope);
  }

  private Object dict(Expr.Dict dict, Scope scope) {
    var map = new LinkedHashMap<Object, Object>();
    for (var entry : dict.entries()) {
      var key = Operators.plain(eval(entry.getKey(), scope));
      Operators.requireKey(key);
      var value = eval(entry.getValue(), scope);
      map.put(Operators.sameKey(rendering, map, key), value);
    }
    return map;
  }

  /** A call, handing over a call block's body if there is one. */
  Object call(Expr.Call call, Scope scope, @Nullable Function caller) {
    var function = eval(call.function(), scope);
    var arguments = arguments(call.arguments(), scope);
    if (caller != null) {
      var named = new LinkedHashMap<>(arguments.named());
      named.put("caller", caller);
      arguments = new Arguments(arguments.positional(), named);
    }
    line = call.line();
    return switch (function) {
      case Function f -> f.body().call(rendering, arguments);
      case Undefined undefined -> throw undefined.fault();
      default -> throw new Fault("a '" + Operators.typeName(function) + "' cannot be called");
    };
  }

  private Arguments arguments(Expr.CallArguments expressions, Scope scope) {
    var positional = evalAll(expressions.positional(), scope);
    var named = new LinkedHashMap<String, Object>();
    for (var entry : expressions.named()) {
      if (named.put(entry.getKey(), eval(entry.getValue(), scope)) != null) {
        throw new Fault("the argument '" + entry.getKey() + "' is given twice");
      }
    }
    if (expressions.rest() != null) {
      positional.addAll(rendering.list(eval(expressions.rest(), scope)));
    }
    if (expressions.namedRest() != null) {
      if (!(eval(expressions.namedRest(), scope) instanceof Map<?, ?> map)) {
        throw new Fault("** expects a dict");
      }
      for (var entry : map.entrySet()) {
        if (named.put(rendering.str(entry.getKey()), entry.getValue()) != null) {
          throw new Fault("the argument '" + entry.getKey() + "' is given twice");
        }
      }
    }
    return new Arguments(positional, named);
  }

  /** Assigns a macro's arguments in its scope; a default may use the parameters before it. */
  Scope bind(Stmt.Signature signature, Arguments arguments, Scope scope) {
    var parameters = signature.parameters();
    var positional = arguments.positional();
    var named = new LinkedHashMap<>(arguments.named());
    for (int i = 0; i < parameters.size(); i++) {
      var name = parameters.get(i);
      var value = i < positional.size() ? positional.get(i) : named.remove(name);
      var fallback = signature.defaults().get(i);
      if (value == null) {
        value =
            fallback == null
                ? new Undefined("parameter '" + name + "' was not provided")
                : eval(fallback, scope);
      }
      scope.set(name, value);
    }
    if (signature.usesCaller() && !parameters.contains("caller")) {
      var caller = named.remove("caller");
      scope.set("caller", caller == null ? new Undefined("no caller defined") : caller);
    }
    if (signature.catchNamed()) {
      scope.set("kwargs", new LinkedHashMap<Object, Object>(named));
    } else if (!named.isEmpty()) {
      throw new Fault(
          "macro '%s' takes no keyword argument '%s'"
              .formatted(signature.name(), named.keySet().iterator().next()));
    }
    int rest = Math.min(parameters.size(), positional.size());
    if (signature.catchAll()) {
      scope.set("varargs", new Tuple(positional.subList(rest, positional.size())));
    } else if (rest < positional.size()) {
      throw new Fault(
          "macro '%s' takes at most %d arguments, found %d"
              .formatted(signature.name(), parameters.size(), positional.size()));
    }
    return scope;
  }
}
