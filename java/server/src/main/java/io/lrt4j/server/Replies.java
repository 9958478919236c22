package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Answer;
import io.lrt4j.FinishReason;
import java.util.List;
import java.util.Locale;
import java.util.function.ToIntFunction;
import java.util.stream.IntStream;

/** The parts of an answer in OpenAI's form that do not depend on the endpoint. */
final class Replies {
  private Replies() {}

  static String finishReason(Answer answer) {
    if (answer.finishReason() == FinishReason.LENGTH) {
      return "length";
    }
    return answer.toolCalls().isEmpty() ? "stop" : "tool_calls";
  }

  /**
   * Tokens of the prompts, each of which counts once.
   *
   * @param each answers to each of them
   */
  static int prompts(List<Answer> answers, int each, ToIntFunction<Answer.TokenCounts> of) {
    return IntStream.range(0, answers.size() / each)
        .map(i -> of.applyAsInt(answers.get(i * each).tokens()))
        .sum();
  }

  /** What the answers cost together, {@code each} to a prompt. */
  static ObjectNode usage(List<Answer> answers, int each) {
    int prompt = prompts(answers, each, Answer.TokenCounts::prompt);
    int reasoning = answers.stream().mapToInt(a -> a.tokens().reasoning()).sum();
    int completion = reasoning + answers.stream().mapToInt(a -> a.tokens().answer()).sum();
    ObjectNode usage = Json.object();
    usage
        .put("prompt_tokens", prompt)
        .put("completion_tokens", completion)
        .put("total_tokens", prompt + completion);
    usage
        .putObject("prompt_tokens_details")
        .put("cached_tokens", prompts(answers, each, Answer.TokenCounts::cached));
    usage.putObject("completion_tokens_details").put("reasoning_tokens", reasoning);
    return usage;
  }

  /** How it came about: what OpenAI's form has no place for. */
  static ObjectNode lrt(Answer answer) {
    ObjectNode lrt = Json.object();
    lrt.put("mode", mode(answer)).put("latent_tokens", answer.tokens().latent());
    ObjectNode confidence = lrt.putObject("confidence");
    number(confidence, "mean_logprob", answer.confidence().meanLogprob());
    number(confidence, "smallest_margin", answer.confidence().smallestMargin());
    Answer.Timings timings = answer.timings();
    ObjectNode millis = lrt.putObject("timings_ms");
    number(millis, "encode", timings.encode());
    number(millis, "reason", timings.reason());
    number(millis, "prefill", timings.prefill());
    number(millis, "first_token", timings.firstToken());
    number(millis, "decode", timings.decode());
    number(millis, "total", timings.total());
    lrt.put("seed", answer.seed());
    return lrt;
  }

  static String mode(Answer answer) {
    return answer.mode().name().toLowerCase(Locale.ROOT);
  }

  private static void number(ObjectNode object, String name, double value) {
    if (Double.isFinite(value)) {
      object.put(name, Math.round(value * 1e4) / 1e4);
    } else {
      object.putNull(name);
    }
  }
}
