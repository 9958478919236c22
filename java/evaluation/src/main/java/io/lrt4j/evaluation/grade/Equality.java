package io.lrt4j.evaluation.grade;

import io.lrt4j.evaluation.grade.Expr.Binary;
import io.lrt4j.evaluation.grade.Expr.Num;
import io.lrt4j.evaluation.grade.Expr.Operator;
import io.lrt4j.evaluation.grade.Expr.Sym;
import io.lrt4j.evaluation.grade.Value.Chain;
import io.lrt4j.evaluation.grade.Value.Matrix;
import io.lrt4j.evaluation.grade.Value.Ordered;
import io.lrt4j.evaluation.grade.Value.Scalar;
import io.lrt4j.evaluation.grade.Value.Union;
import io.lrt4j.evaluation.grade.Value.Unordered;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Whether two answers mean the same; not symmetric, where a question could be repeated as one. */
final class Equality {
  private static final Rational HUNDRED = Rational.of(100);

  private Equality() {}

  static boolean same(Value truth, Value found) {
    if (truth instanceof Chain x && found instanceof Chain y && same(x, y)) {
      return true;
    }
    SortedMap<String, Value> named = named(truth);
    SortedMap<String, Value> others = named(found);
    if (named != null && others != null) {
      return named.keySet().equals(others.keySet())
          && named.entrySet().stream()
              .allMatch(e -> same(e.getValue(), Objects.requireNonNull(others.get(e.getKey()))));
    }
    if (others != null && truth instanceof Ordered x && isPoint(x, others)) {
      return inOrder(x.items(), List.copyOf(others.values()));
    }
    if (named != null && found instanceof Ordered y && isPoint(y, named)) {
      return inOrder(List.copyOf(named.values()), y.items());
    }
    Value a = unwrap(truth);
    Value b = unwrap(found);
    return switch (a) {
      case Scalar x -> b instanceof Scalar y && same(x, y);
      case Ordered x ->
          b instanceof Ordered y
              && (x.items().size() > 2 || (x.open() == y.open() && x.close() == y.close()))
              && inOrder(x.items(), y.items());
      case Unordered x -> b instanceof Unordered y && inAnyOrder(x.items(), y.items());
      case Union x -> b instanceof Union y && inAnyOrder(x.parts(), y.parts());
      case Matrix x -> b instanceof Matrix y && same(x, y);
      case Chain x ->
          switch (b) {
            case Ordered y -> {
              Value interval = interval(x);
              yield interval != null && same(interval, y);
            }
            default -> false;
          };
    };
  }

  /**
   * The values of {@code x = 15, y = -29} by their names, in the order of these; null if one has no
   * name or another's, or one with an index, as roots in any order have.
   */
  private static @Nullable SortedMap<String, Value> named(Value value) {
    List<Value> items = value instanceof Unordered u ? u.items() : List.of(value);
    var named = new TreeMap<String, Value>();
    for (Value item : items) {
      if (!(item instanceof Chain c)
          || !c.relations().matches("=+")
          || !(c.terms().getFirst() instanceof Sym s)
          || !s.isVariable()
          || s.name().contains("_")
          || named.put(s.name(), new Scalar(c.terms().getLast(), false)) != null) {
        return null;
      }
    }
    return named;
  }

  /** Whether named values can be the coordinates of a point: letters that follow one another. */
  private static boolean isPoint(Ordered tuple, SortedMap<String, Value> named) {
    if (named.size() < 2 || tuple.open() != '(' || tuple.close() != ')') {
      return false;
    }
    int first = named.firstKey().charAt(0);
    int last = named.lastKey().charAt(0);
    return named.keySet().stream().allMatch(name -> name.length() == 1)
        && last - first == named.size() - 1;
  }

  /** {@code x = 5} says 5, a set of one its element, and {@code 1 ± 2} two numbers. */
  private static Value unwrap(Value value) {
    return switch (value) {
      case Chain c when !c.relations().isEmpty() && c.relations().matches("=+") -> {
        Expr first = c.terms().getFirst();
        Expr last = c.terms().getLast();
        boolean says =
            isName(first)
                || c.relations().length() > 1
                || c.terms().stream().allMatch(Equality::isNumber); // 5 * 3 = 15
        yield says ? unwrap(new Scalar(last, false)) : c;
      }
      case Scalar s when s.expr().isTwofold() ->
          new Unordered(
              List.of(
                  new Scalar(s.expr().withSigns(true), s.percent()),
                  new Scalar(s.expr().withSigns(false), s.percent())));
      case Unordered u -> {
        List<Value> items = new ArrayList<>();
        for (Value item : u.items()) {
          Value plain = unwrap(item);
          if (plain instanceof Unordered inner && item instanceof Scalar) {
            items.addAll(inner.items());
          } else {
            items.add(plain);
          }
        }
        yield items.size() == 1 ? items.getFirst() : new Unordered(items);
      }
      default -> value;
    };
  }

  /** A symbol, or {@code f(x)}. */
  private static boolean isName(Expr e) {
    return (e instanceof Sym s && s.isVariable())
        || (e instanceof Binary(Operator operator, Sym(String f), Sym(String x))
            && operator == Operator.TIMES
            && "fghpqPQ".contains(f)
            && "xyznt".contains(x));
  }

  private static boolean isNumber(Expr e) {
    Set<String> variables = new HashSet<>();
    e.variables(variables);
    return variables.isEmpty();
  }

  private static boolean same(Scalar a, Scalar b) {
    if (Expressions.same(a.expr(), b.expr())) {
      return true;
    }
    return a.percent() != b.percent()
        && (a.percent()
            ? Expressions.same(hundredth(a.expr()), b.expr())
            : Expressions.same(a.expr(), hundredth(b.expr())));
  }

  private static Expr hundredth(Expr e) {
    return new Binary(Operator.OVER, e, new Num(HUNDRED, false));
  }

  private static boolean inOrder(List<Value> a, List<Value> b) {
    return a.size() == b.size()
        && IntStream.range(0, a.size()).allMatch(i -> same(a.get(i), b.get(i)));
  }

  private static boolean inAnyOrder(List<Value> a, List<Value> b) {
    if (a.size() != b.size()) {
      return false;
    }
    List<Value> left = new ArrayList<>(b);
    for (Value x : a) {
      int at =
          IntStream.range(0, left.size()).filter(i -> same(x, left.get(i))).findFirst().orElse(-1);
      if (at < 0) {
        return false;
      }
      left.remove(at);
    }
    return true;
  }

  private static boolean same(Matrix a, Matrix b) {
    return a.rows().size() == b.rows().size()
        && IntStream.range(0, a.rows().size())
            .allMatch(i -> inOrder(a.rows().get(i), b.rows().get(i)));
  }

  /** The interval that an inequality describes, or null. */
  private static @Nullable Value interval(Chain c) {
    List<Expr> t = c.terms();
    String r = c.relations();
    Expr infinity = new Sym("∞");
    Expr less = new Expr.Call("neg", infinity);
    if (t.size() == 2 && isName(t.getFirst())) {
      return switch (r.charAt(0)) {
        case '<' -> interval('(', less, t.getLast(), ')');
        case '≤' -> interval('(', less, t.getLast(), ']');
        case '>' -> interval('(', t.getLast(), infinity, ')');
        case '≥' -> interval('[', t.getLast(), infinity, ')');
        default -> null;
      };
    }
    if (t.size() == 3 && isName(t.get(1))) {
      boolean rising = r.matches("[<≤]{2}");
      if (rising || r.matches("[>≥]{2}")) {
        Chain up = rising ? c : reversed(c);
        String s = up.relations();
        return interval(
            s.charAt(0) == '<' ? '(' : '[',
            up.terms().getFirst(),
            up.terms().getLast(),
            s.charAt(1) == '<' ? ')' : ']');
      }
    }
    return null;
  }

  private static Value interval(char open, Expr from, Expr to, char close) {
    return new Ordered(open, List.of(new Scalar(from, false), new Scalar(to, false)), close);
  }

  private static Chain reversed(Chain c) {
    var relations = new StringBuilder(c.relations()).reverse().toString();
    return new Chain(
        c.terms().reversed(),
        relations
            .replace('<', '\0')
            .replace('>', '<')
            .replace('\0', '>')
            .replace('≤', '\0')
            .replace('≥', '≤')
            .replace('\0', '≥'));
  }

  private static boolean same(Chain a, Chain b) {
    Chain x = rising(a);
    Chain y = rising(b);
    return links(x, y);
  }

  private static Chain rising(Chain c) {
    return c.relations().indexOf('>') >= 0 || c.relations().indexOf('≥') >= 0 ? reversed(c) : c;
  }

  /** Link by link: the difference of the two sides is the same up to a factor. */
  private static boolean links(Chain a, Chain b) {
    if (!a.relations().equals(b.relations())) {
      return false;
    }
    for (int i = 0; i < a.relations().length(); i++) {
      char relation = a.relations().charAt(i);
      double ratio = Expressions.ratio(difference(a, i), difference(b, i));
      boolean signed = relation != '=' && relation != '≠';
      if (Double.isNaN(ratio) || (signed && ratio < 0)) {
        return false;
      }
    }
    return true;
  }

  private static Expr difference(Chain c, int link) {
    return new Binary(Operator.MINUS, c.terms().get(link), c.terms().get(link + 1));
  }
}
