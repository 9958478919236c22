package io.lrt4j.training.data;

import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * A proving ground for reasoning: short English word problems of one to six steps, each of which
 * needs the result of the one before, with the steps and the answer. A line of the reasoning is the
 * calculation of one step. All values are 1 to 199. A problem is a pure function of seed, split,
 * steps and index.
 *
 * <p>The training and the held-out set have no calculation in common: a problem's start value,
 * operations and numbers are hashed into sixteen buckets, of which one is held out. Names and
 * wording do not count.
 */
public final class Lab {
  /** Most steps of a problem. */
  public static final int MAX_STEPS = 6;

  /** Largest value that occurs. */
  public static final int MAX_VALUE = 199;

  private static final int MAX_START = 60;
  private static final int MAX_OPERAND = 20;
  private static final int MAX_BOXES = 5;
  private static final int MAX_IN_BOX = 9;
  private static final int BUCKETS = 16;

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
    DOUBLE(3, "Then P doubles what P has.", "Soon P has twice as many."),
    TRIPLE(4, "Then P triples what P has.", "Soon P has three times as many."),
    HALF(5, "P gives away half.", "P loses half.", "P sells half.");

    @SuppressWarnings("ImmutableEnumChecker") // List.of
    private final List<String> sentences;

    private final int code; // in the hash that parts the two sets: never to be changed

    Operation(int code, String... sentences) {
      this.code = code;
      this.sentences = List.of(sentences);
    }
  }

  /** Additions and subtractions twice as often as the others. */
  private static final List<Operation> DRAWN =
      List.of(
          Operation.GAIN,
          Operation.GAIN,
          Operation.LOSS,
          Operation.LOSS,
          Operation.BOXES,
          Operation.BOXES,
          Operation.DOUBLE,
          Operation.TRIPLE,
          Operation.HALF);

  private static final List<String> QUESTIONS =
      List.of("How many I does N have now?", "How many I are there now?");

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

    boolean possible(int value) {
      int result = apply(value);
      boolean whole = operation != Operation.HALF || value % 2 == 0;
      return whole && result >= 1 && result <= MAX_VALUE;
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

  private final long seed;
  private final Split split;
  private final int leastSteps;
  private final int mostSteps;

  /**
   * A row of problems.
   *
   * @param leastSteps of a problem; 1 to {@link #MAX_STEPS}
   * @param mostSteps of a problem; all numbers between are as likely
   */
  public Lab(long seed, Split split, int leastSteps, int mostSteps) {
    if (leastSteps < 1 || mostSteps > MAX_STEPS || leastSteps > mostSteps) {
      throw new IllegalArgumentException(
          "steps must be 1 to " + MAX_STEPS + ", found " + leastSteps + " to " + mostSteps);
    }
    this.seed = seed;
    this.split = split;
    this.leastSteps = leastSteps;
    this.mostSteps = mostSteps;
  }

  /** The problem at an index. */
  public Problem problem(long index) {
    var random = new SplittableRandom(mix(mix(seed) + (split == Split.TRAIN ? 0 : 1)) + mix(index));
    int count = random.nextInt(leastSteps, mostSteps + 1);
    while (true) {
      int start = random.nextInt(2, MAX_START + 1);
      List<Step> steps = steps(random, start, count);
      boolean heldOut = Math.floorMod(hash(start, steps), BUCKETS) == 0;
      if (heldOut == (split == Split.HELDOUT)) {
        return say(random, start, steps);
      }
    }
  }

  private static List<Step> steps(SplittableRandom random, int start, int count) {
    List<Step> steps = new ArrayList<>();
    int value = start;
    while (steps.size() < count) {
      Operation operation = DRAWN.get(random.nextInt(DRAWN.size()));
      Step step =
          switch (operation) {
            case GAIN, LOSS -> new Step(operation, random.nextInt(1, MAX_OPERAND + 1), 0);
            case BOXES ->
                new Step(
                    operation, random.nextInt(2, MAX_BOXES + 1), random.nextInt(2, MAX_IN_BOX + 1));
            case DOUBLE, TRIPLE, HALF -> new Step(operation, 0, 0);
          };
      if (step.possible(value)) {
        steps.add(step);
        value = step.apply(value);
      }
    }
    return steps;
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
      hash = mix(hash + (s.operation.code * 100L + s.a) * 100 + s.b);
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
