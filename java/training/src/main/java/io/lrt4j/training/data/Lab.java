package io.lrt4j.training.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * A proving ground for reasoning: short English word problems, by default of one to six steps, each
 * of which needs the result of the one before, with the steps and the answer. A line of the
 * reasoning is the calculation of one step. A problem is a pure function of range, mix, seed, split
 * and index.
 *
 * <p>The training and the held-out set have no calculation in common: a problem's start value,
 * operations and numbers are hashed into sixteen buckets, of which one is held out. Names and
 * wording do not count.
 */
public final class Lab {
  /** Most steps of a problem. */
  public static final int MAX_STEPS = 12;

  /** Steps of the problems that a model is usually trained and examined with: 1 to this. */
  public static final int USUAL_STEPS = 6;

  private static final int MIN_START = 2;
  private static final int BUCKETS = 16;

  /**
   * The numbers that occur.
   *
   * @param maxValue largest value after any step; the smallest is 1
   * @param maxStart largest value to begin with; the smallest is 2
   * @param maxOperand most that is added or taken away at once
   * @param maxFactor most boxes, and most in a box; the fewest are 2
   */
  public record Range(int maxValue, int maxStart, int maxOperand, int maxFactor) {
    /** What a small model learns in minutes. */
    public static final Range EASY = new Range(29, 9, 5, 3);

    public Range {
      if (maxStart < MIN_START
          || maxStart > maxValue
          || maxOperand < 1
          || maxFactor < 2
          || maxValue > 9999
          || maxOperand > 9999
          || maxFactor > 99) {
        throw new IllegalArgumentException(
            "expected a largest value up to 9999, start of 2 to that value, operand of 1 to 9999"
                + " and factor of 2 to 99, found "
                + maxValue
                + ", "
                + maxStart
                + ", "
                + maxOperand
                + " and "
                + maxFactor);
      }
    }
  }

  /**
   * How many steps the problems have.
   *
   * @param least fewest steps
   * @param most most steps, up to {@link #MAX_STEPS}
   * @param weights how often each number from least to most comes up; empty for all as often
   * @param curriculum index from which on there are problems of most steps; before it, the largest
   *     number rises evenly from two; 0 for all from the start
   */
  public record Mix(int least, int most, List<Double> weights, long curriculum) {
    public Mix {
      weights = List.copyOf(weights);
      if (least < 1 || most > MAX_STEPS || least > most) {
        throw new IllegalArgumentException(
            "steps must be 1 to " + MAX_STEPS + ", found " + least + " to " + most);
      }
      if (!weights.isEmpty() && weights.size() != most - least + 1) {
        throw new IllegalArgumentException(
            "expected a weight for each number of steps from "
                + least
                + " to "
                + most
                + ", found "
                + weights.size());
      }
      double sum = weights.stream().mapToDouble(w -> w).sum();
      if (!weights.isEmpty()
          && !(weights.stream().allMatch(w -> w >= 0) && sum > 0 && sum < Double.MAX_VALUE)) {
        throw new IllegalArgumentException("expected weights of 0 or more, found " + weights);
      }
      if (curriculum < 0) {
        throw new IllegalArgumentException("expected a curriculum of 0 or more: " + curriculum);
      }
    }

    /** All numbers of steps as often. */
    public static Mix even(int least, int most) {
      return new Mix(least, most, List.of(), 0);
    }

    private int draw(SplittableRandom random, long index) {
      int limit = most;
      if (index < curriculum) {
        int from = Math.clamp(2, least, most);
        limit = from + (int) ((most - from) * ((double) index / curriculum));
      }
      double sum = 0;
      for (int steps = least; steps <= limit; steps++) {
        sum += weight(steps);
      }
      double at = random.nextDouble() * sum;
      for (int steps = least; steps < limit; steps++) {
        at -= weight(steps);
        if (at < 0) {
          return steps;
        }
      }
      return limit;
    }

    private double weight(int steps) {
      return weights.isEmpty() ? 1 : weights.get(steps - least);
    }
  }

  /** Which of the two sets, without a calculation in common, a problem is from. */
  public enum Split {
    /** To learn from. */
    TRAIN,
    /** To be examined with. */
    HELDOUT
  }

  private record Person(String name, String pronoun) {}

  private static final List<Person> PEOPLE =
      List.of(
          new Person("Tom", "he"),
          new Person("Anna", "she"),
          new Person("Ben", "he"),
          new Person("Mia", "she"),
          new Person("Sam", "he"),
          new Person("Eva", "she"),
          new Person("Max", "he"),
          new Person("Lucy", "she"),
          new Person("Paul", "he"),
          new Person("Emma", "she"),
          new Person("Leo", "he"),
          new Person("Nina", "she"),
          new Person("Jack", "he"),
          new Person("Rosa", "she"),
          new Person("Omar", "he"),
          new Person("Lily", "she"));

  private static final List<String> ITEMS =
      List.of(
          "apples", "books", "coins", "pens", "cards", "eggs", "shells", "stamps", "balls", "nuts",
          "stones", "cakes");

  /**
   * What may happen, with how it is said: {@code P} is the pronoun, {@code a}, {@code b} numbers.
   */
  private enum Operation {
    GAIN(0, "P buys a more.", "P finds a more.", "P gets a more."),
    LOSS(1, "P gives away a.", "P loses a.", "P sells a."),
    BOXES(2, "P buys a boxes of b.", "P finds a bags of b.", "P gets a packs of b."),
    DOUBLE(3, "P doubles them.", "They double."),
    TRIPLE(4, "P triples them.", "They triple."),
    HALF(5, "P loses half.", "P sells half.", "P gives away half.");

    @SuppressWarnings("ImmutableEnumChecker") // List.of
    private final List<String> sentences;

    private final int code; // in the hash that parts the two sets: never to be changed

    Operation(int code, String... sentences) {
      this.code = code;
      this.sentences = List.of(sentences);
    }
  }

  private static final List<Operation> OPERATIONS = List.of(Operation.values());

  private static final List<String> QUESTIONS =
      List.of("How many are there?", "How many does N have?");

  private record Step(Operation operation, int a, int b) {
    int apply(int value) {
      return switch (operation) {
        case GAIN -> value + a;
        case LOSS -> value - a;
        case BOXES -> value + a * b;
        case DOUBLE -> value * 2;
        case TRIPLE -> value * 3;
        case HALF -> value / 2;
      };
    }

    boolean possible(int value, int most) {
      int result = apply(value);
      boolean whole = operation != Operation.HALF || value % 2 == 0;
      return whole && result >= 1 && result <= most;
    }

    /** How its result is calculated; boxes take two calculations. */
    String calculation(int value) {
      int result = apply(value);
      return switch (operation) {
        case GAIN -> value + "+" + a + "=" + result;
        case LOSS -> value + "-" + a + "=" + result;
        case BOXES -> a + "*" + b + "=" + a * b + ", " + value + "+" + a * b + "=" + result;
        case DOUBLE -> value + "*2=" + result;
        case TRIPLE -> value + "*3=" + result;
        case HALF -> value + "/2=" + result;
      };
    }
  }

  private final Range range;
  private final Mix mix;
  private final long seed;
  private final Split split;

  /** An endless row of problems. */
  public Lab(Range range, Mix mix, long seed, Split split) {
    this.range = range;
    this.mix = mix;
    this.seed = seed;
    this.split = split;
  }

  /** The problem at an index. */
  public Problem problem(long index) {
    var random = new SplittableRandom(mix(mix(seed) + (split == Split.TRAIN ? 0 : 1)) + mix(index));
    int count = mix.draw(random, index);
    while (true) {
      int start = random.nextInt(MIN_START, range.maxStart + 1);
      List<Step> steps = steps(random, start, count);
      boolean heldOut = Math.floorMod(hash(start, steps), BUCKETS) == 0;
      if (heldOut == (split == Split.HELDOUT)) {
        return say(random, start, steps);
      }
    }
  }

  private List<Step> steps(SplittableRandom random, int start, int count) {
    List<Step> steps = new ArrayList<>();
    int value = start;
    while (steps.size() < count) {
      Operation operation = OPERATIONS.get(random.nextInt(OPERATIONS.size()));
      Step step =
          switch (operation) {
            case GAIN, LOSS -> new Step(operation, random.nextInt(1, range.maxOperand + 1), 0);
            case BOXES -> new Step(operation, factor(random), factor(random));
            case DOUBLE, TRIPLE, HALF -> new Step(operation, 0, 0);
          };
      if (step.possible(value, range.maxValue)) {
        steps.add(step);
        value = step.apply(value);
      }
    }
    return steps;
  }

  private int factor(SplittableRandom random) {
    return random.nextInt(2, range.maxFactor + 1);
  }

  private static Problem say(SplittableRandom random, int start, List<Step> steps) {
    Person person = PEOPLE.get(random.nextInt(PEOPLE.size()));
    String items = ITEMS.get(random.nextInt(ITEMS.size()));
    var text = new StringBuilder(person.name + " has " + start + " " + items + ".");
    List<String> thoughts = new ArrayList<>();
    int value = start;
    for (Step step : steps) {
      List<String> sentences = step.operation.sentences;
      String sentence = sentences.get(random.nextInt(sentences.size()));
      String said = say(sentence, person.pronoun, step);
      text.append(' ').append(said);
      thoughts.add(step.calculation(value));
      value = step.apply(value);
    }
    String question = QUESTIONS.get(random.nextInt(QUESTIONS.size()));
    text.append(' ').append(question.replace("I", items).replace("N", person.name));
    String answer = Integer.toString(value);
    return new Problem(text.toString(), String.join("\n", thoughts), answer, answer);
  }

  private static String say(String sentence, String pronoun, Step step) {
    var words = new StringBuilder();
    for (String word : sentence.split(" ", -1)) {
      String said =
          switch (word) {
            case "P" ->
                words.isEmpty()
                    ? pronoun.substring(0, 1).toUpperCase(Locale.ROOT) + pronoun.substring(1)
                    : pronoun;
            case "a" -> Integer.toString(step.a);
            case "a." -> step.a + ".";
            case "b." -> step.b + ".";
            default -> word;
          };
      words.append(words.isEmpty() ? "" : " ").append(said);
    }
    return words.toString();
  }

  private static long hash(int start, List<Step> steps) {
    long hash = mix(start);
    for (Step s : steps) {
      hash = mix(hash + (s.operation.code * 10_000L + s.a) * 100 + s.b);
    }
    return hash;
  }

  /** The finaliser of SplitMix64 (Steele, Lea and Flood, 2014), after its golden increment. */
  private static long mix(long x) {
    long z = x + 0x9E3779B97F4A7C15L;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
