package io.lrt4j.reasoning;

import io.lrt4j.Engine;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.QuestionException;
import io.lrt4j.TemplateException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CancellationException;
import java.util.function.LongConsumer;

/** Rounds of made-up answers until they take no less time than those before: {@link #run}. */
public final class WarmUp {
  private static final System.Logger LOG = System.getLogger(Engine.class.getName());

  /** No more rounds are begun after that, and one under way is called off. */
  private static final Duration LONGEST = Duration.ofSeconds(30);

  /** Of its answers; the time counts from the start of the first. */
  public static final GenerationOptions OPTIONS =
      GenerationOptions.defaults().toBuilder()
          .maxTokens(16)
          .thinkingBudget(8)
          .ignoreEos(true)
          .seed(0L)
          .timeout(LONGEST)
          .build();

  /**
   * A round that takes less of the fastest one's time than this shows that there is more to gain.
   */
  private static final double FASTER = 0.9;

  /** Rounds in succession that gain nothing. */
  private static final int SETTLED = 3;

  private static final int SAMPLES = 4;

  private static final Question QUESTION =
      Question.of("Mia has 4 books, and buys 3 times as many. How many are there?\n(a) 7 (b) 16");

  private WarmUp() {}

  /**
   * Warms up.
   *
   * @param round one, of a warm-up that began then, {@link System#nanoTime}: {@link #round}
   * @return how long it took
   * @throws CancellationException if the thread is interrupted
   */
  public static Duration run(LongConsumer round) {
    var event = new Events.WarmUp();
    event.begin();
    long start = System.nanoTime();
    long fastest = Long.MAX_VALUE;
    int settled = 0;
    long now = start;
    while (settled < SETTLED && now - start < LONGEST.toNanos()) {
      round.accept(start);
      if (Thread.currentThread().isInterrupted()) {
        throw new CancellationException("the warm-up was interrupted");
      }
      long end = System.nanoTime();
      long took = end - now;
      now = end;
      event.first = event.rounds == 0 ? took : event.first;
      event.last = took;
      event.rounds++;
      settled = took < fastest * FASTER ? 0 : settled + 1;
      fastest = Math.min(fastest, took);
    }
    event.commit();
    Duration took = Duration.ofNanos(now - start);
    LOG.log(
        System.Logger.Level.DEBUG,
        () ->
            "warmed up in %d ms: %d rounds, the first took %d ms, the last %d ms"
                .formatted(
                    took.toMillis(),
                    event.rounds,
                    Duration.ofNanos(event.first).toMillis(),
                    Duration.ofNanos(event.last).toMillis()));
    return took;
  }

  /**
   * One round of what answers are made of: text to tokens, and in each way that there is to reason
   * here an answer alone, and several together that are sampled. Its tokens are made up, and
   * nothing is drawn.
   *
   * @param start of the warm-up, {@link System#nanoTime}
   */
  public static void round(Session session, LoadedModel model, long start) {
    List<Mode> modes = new ArrayList<>(List.of(Mode.DIRECT));
    if (model.hasTokenizer() && model.prompts().knowsThinking()) {
      modes.add(Mode.EXPLICIT);
    }
    if (model.hasTokenizer() && model.network() != null) {
      modes.add(Mode.LATENT);
    }
    if (model.hasTokenizer()) {
      try {
        int[] _ = model.prompts().thinking(QUESTION);
        int[] _ = model.prompts().direct(QUESTION);
      } catch (QuestionException | TemplateException e) {
        // The template may want more than a question; and a model may only complete.
      }
    }
    GenerationOptions sampled = OPTIONS.toBuilder().temperature(1f).topK(50).topP(0.95f).build();
    for (Mode mode : modes) {
      session.rehearse(mode, OPTIONS, 1, start);
      session.rehearse(mode, sampled, SAMPLES, start);
    }
  }
}
