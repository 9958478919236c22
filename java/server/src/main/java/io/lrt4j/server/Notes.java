package io.lrt4j.server;

import io.lrt4j.Answer;
import java.util.List;
import java.util.stream.Collectors;

/** What the access log says of answers: how, how much, never what. */
final class Notes {
  private Notes() {}

  static String of(List<Answer> answers, int each) {
    if (answers.isEmpty()) {
      return "";
    }
    String modes = answers.stream().map(Replies::mode).distinct().collect(Collectors.joining("+"));
    return ", "
        + modes
        + ", "
        + Replies.prompts(answers, each, Answer.TokenCounts::prompt)
        + " prompt, "
        + answers.stream().mapToInt(a -> a.tokens().latent()).sum()
        + " latent, "
        + answers.stream().mapToInt(a -> a.tokens().reasoning()).sum()
        + " reasoning, "
        + answers.stream().mapToInt(a -> a.tokens().answer()).sum()
        + " answer tokens";
  }
}
