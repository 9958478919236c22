package io.lrt4j.reasoning;

import io.lrt4j.Answer;
import io.lrt4j.Mode;
import io.lrt4j.compute.Backend;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;
import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.FlightRecorder;
import jdk.jfr.FlightRecorderListener;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.Registered;
import jdk.jfr.StackTrace;
import jdk.jfr.Timespan;
import org.jspecify.annotations.Nullable;

/**
 * Java Flight Recorder events: one for each load, warm-up and whole answer, and one for each stage
 * of an answer, with what it worked on. Registering them takes longer than much of a start, so that
 * is done where somebody records, as soon as he does.
 */
final class Events {
  private static final FlightRecorderListener REGISTER =
      new FlightRecorderListener() {
        @Override
        public void recorderInitialized(FlightRecorder recorder) {
          List.of(
                  Load.class,
                  WarmUp.class,
                  WholeAnswer.class,
                  Encode.class,
                  Reason.class,
                  Prefill.class,
                  Decode.class)
              .forEach(FlightRecorder::register);
        }
      };

  private static int models; // that are open

  private Events() {}

  /**
   * Makes recordings know the events, those under way and those to come, until {@link #withdraw} is
   * called as often.
   */
  static synchronized void announce() {
    if (models++ == 0) {
      FlightRecorder.addListener(REGISTER);
    }
  }

  /** JFR never lets go of a listener by itself, nor of the class loader that it came from. */
  static synchronized void withdraw() {
    if (--models == 0) {
      FlightRecorder.removeListener(REGISTER);
    }
  }

  @Category("lrt4j")
  @StackTrace(false)
  @Registered(false)
  abstract static class Stage extends Event {
    @Label("Tokens")
    @Description("Rows that went through the base model (or, of a reasoning pass, latents)")
    int tokens;
  }

  @Name("io.lrt4j.Load")
  @Label("Load a model")
  @Category("lrt4j")
  @StackTrace(false)
  @Registered(false)
  static final class Load extends Event {
    @Label("Directory")
    String directory = "";

    @Label("Parameters")
    long parameters;

    @Label("Backend")
    @Description("What computes; what was asked for if the load failed")
    String backend = "";

    @Label("Error")
    @Description("Why the load failed; nothing if it did not")
    @Nullable String error;
  }

  @Name("io.lrt4j.WarmUp")
  @Label("Warm up")
  @Category("lrt4j")
  @StackTrace(false)
  @Registered(false)
  static final class WarmUp extends Event {
    @Label("Rounds")
    int rounds;

    @Label("First round")
    @Timespan
    long first;

    @Label("Last round")
    @Timespan
    long last;
  }

  @Name("io.lrt4j.Answer")
  @Label("Answer")
  @Description("A whole answer, from the start of its computation to its end")
  @Category("lrt4j")
  @StackTrace(false)
  @Registered(false)
  static final class WholeAnswer extends Event {
    @Label("Mode")
    String mode = "";

    @Label("Backend")
    String backend = "";

    @Label("Wait")
    @Description("Time between question and start: for a place, for a thread")
    @Timespan
    long waited;

    @Label("Finish reason")
    @Description("stop, length, cancelled, timeout; nothing if the answer failed")
    @Nullable String finishReason;

    @Label("Error")
    @Description("Why it failed; nothing if it did not")
    @Nullable String error;

    @Label("Prompt tokens")
    int promptTokens;

    @Label("Latent tokens")
    int latentTokens;

    @Label("Reasoning tokens")
    int reasoningTokens;

    @Label("Answer tokens")
    int answerTokens;

    /** Tells of an answer that has ended. */
    void describe(Answer answer) {
      mode = Session.name(answer.mode());
      finishReason = Session.name(answer.finishReason());
      promptTokens = answer.tokens().prompt();
      latentTokens = answer.tokens().latent();
      reasoningTokens = answer.tokens().reasoning();
      answerTokens = answer.tokens().answer();
    }
  }

  @Name("io.lrt4j.Encode")
  @Label("Encode the question")
  @Registered(false)
  static final class Encode extends Stage {
    @Label("Cached")
    @Description("Tokens that an earlier question had begun with too")
    int cached;
  }

  @Name("io.lrt4j.Reason")
  @Label("Reasoning network")
  @Registered(false)
  static final class Reason extends Stage {}

  @Name("io.lrt4j.Prefill")
  @Label("Prefill latents and closing text")
  @Registered(false)
  static final class Prefill extends Stage {}

  @Name("io.lrt4j.Decode")
  @Label("Decode the answer")
  @Registered(false)
  static final class Decode extends Stage {
    @Label("Guessed")
    @Description("Tokens that were guessed and read together with the one before them")
    int guessed;

    @Label("Guessed right")
    @Description("Those of them that were what the model chose")
    int right;
  }

  /** Answers; a recording is told of each answer, or of what was thrown in place of all. */
  static List<Answer> recorded(
      Mode mode, Backend backend, int count, long asked, Supplier<List<Answer>> work) {
    var first = new WholeAnswer();
    if (!first.isEnabled()) {
      return work.get();
    }
    long waited = System.nanoTime() - asked;
    List<WholeAnswer> events = new ArrayList<>(List.of(first));
    while (events.size() < count) {
      events.add(new WholeAnswer());
    }
    for (WholeAnswer event : events) {
      event.mode = Session.name(mode);
      event.backend = backend.name();
      event.waited = waited;
      event.begin();
    }
    try {
      List<Answer> answers = work.get();
      for (int i = 0; i < answers.size(); i++) {
        events.get(i).describe(answers.get(i));
      }
      return answers;
    } catch (RuntimeException | Error e) {
      events.subList(1, count).clear();
      first.error = e.toString();
      throw e;
    } finally {
      events.forEach(WholeAnswer::commit);
    }
  }
}
