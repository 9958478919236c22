package io.lrt4j.evaluation;

import com.fasterxml.jackson.databind.PropertyNamingStrategies;
import com.fasterxml.jackson.databind.annotation.JsonNaming;
import io.lrt4j.Answer;
import io.lrt4j.evaluation.data.Task;
import java.io.Serializable;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * One answer to one question, graded.
 *
 * @param text the answer
 * @param reasoning the thinking before it, if it was written
 * @param found the final answer in the text, "" if there is none
 * @param right whether that is the right one
 * @param mode the mode that gave it, "" if it came from outside
 * @param finishReason {@code stop}, {@code length} or {@code cancelled}; "" if unknown
 * @param promptTokens given as text
 * @param latentTokens given as latents
 * @param reasoningTokens written as thinking
 * @param answerTokens written as answer
 * @param confidence mean natural log-probability of the answer's tokens; null if unknown
 * @param margin smallest difference between the two largest logits; null if unknown
 * @param firstTokenMs to the first token of the answer
 * @param decodeMs of decoding
 * @param totalMs to the end
 */
@JsonNaming(PropertyNamingStrategies.SnakeCaseStrategy.class)
public record Trial(
    String text,
    String reasoning,
    String found,
    boolean right,
    String mode,
    String finishReason,
    int promptTokens,
    int latentTokens,
    int reasoningTokens,
    int answerTokens,
    @Nullable Double confidence,
    @Nullable Double margin,
    double firstTokenMs,
    double decodeMs,
    double totalMs)
    implements Serializable {

  /** Grades an answer of the engine. */
  public static Trial of(Task task, Answer answer) {
    String found = task.grader().extract(answer.text(), task.truth());
    return new Trial(
        answer.text(),
        answer.reasoning(),
        found,
        task.grader().isRight(answer.text(), task.truth()),
        answer.mode().name().toLowerCase(Locale.ROOT),
        answer.finishReason().name().toLowerCase(Locale.ROOT),
        answer.tokens().prompt(),
        answer.tokens().latent(),
        answer.tokens().reasoning(),
        answer.tokens().answer(),
        finite(answer.confidence().meanLogprob()),
        finite(answer.confidence().smallestMargin()),
        millis(answer.timings().firstToken()),
        millis(answer.timings().decode()),
        millis(answer.timings().total()));
  }

  /** Grades a text that came from elsewhere. */
  public static Trial of(Task task, String text) {
    String found = task.grader().extract(text, task.truth());
    boolean right = task.grader().isRight(text, task.truth());
    return new Trial(text, "", found, right, "", "", 0, 0, 0, 0, null, null, 0, 0, 0);
  }

  /** Tokens that were generated one after another. */
  public int generated() {
    return reasoningTokens + answerTokens;
  }

  private static @Nullable Double finite(double value) {
    return Double.isFinite(value) ? value : null;
  }

  private static double millis(double value) {
    return Math.round(value * 1000) / 1000.0;
  }
}
