package io.lrt4j.evaluation.study;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.evaluation.Trial;
import io.lrt4j.evaluation.data.Task;
import io.lrt4j.evaluation.grade.Grader;
import io.lrt4j.evaluation.study.Redundancy.Drop;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Thinking of the default model, whole and in part. */
class RedundancyTest {
  private static final int BUDGET = 120;
  private static final Task TASK =
      new Task(
          "q",
          "Tom has 3 apples. He doubles them. He buys 4 more. He gives away half. How many are"
              + " there?",
          "5",
          Grader.AUTO,
          "");

  @Test
  void thinkingIsKeptInItsOrderAndAsMuchAsItSays() {
    try (Engine engine =
        Engine.load(Path.of("../../models/default"), EngineOptions.defaults().withThreads(1))) {
      var redundancy = new Redundancy(engine, GenerationOptions.defaults().withSeed(3), BUDGET);
      Answer whole = engine.ask(Question.of(TASK.prompt()).mode(Mode.EXPLICIT).maxTokens(BUDGET));
      for (Drop drop : List.of(new Drop(false, 0), new Drop(true, 0))) {
        Trial trial = trial(redundancy, drop);
        assertEquals(whole.reasoning().strip(), trial.reasoning().strip());
        assertEquals(whole.text(), trial.text().strip());
        assertTrue(trial.right());
      }
      Trial all = trial(redundancy, new Drop(false, 0));
      int tokens = all.reasoningTokens();
      for (int percent : new int[] {10, 50, 90}) {
        Trial trial = trial(redundancy, new Drop(false, percent));
        assertEquals(Math.round(tokens * (100 - percent) / 100.0), trial.reasoningTokens());
        assertTrue(isPart(trial.reasoning(), all.reasoning()), trial.reasoning());
      }
      List<String> steps = steps(all);
      assertTrue(steps.size() > 2, all.reasoning());
      List<String> half = steps(trial(redundancy, new Drop(true, 50)));
      assertEquals(Math.round(steps.size() * 0.5), half.size());
      int from = 0;
      for (String step : half) {
        int at = steps.subList(from, steps.size()).indexOf(step);
        assertTrue(at >= 0, step + " of " + steps);
        from += at + 1;
      }
    }
  }

  private static List<String> steps(Trial trial) {
    return List.of(trial.reasoning().split("(?<=[\n;])", 0));
  }

  private static Trial trial(Redundancy redundancy, Drop drop) {
    return redundancy.answer(TASK, drop).trials().getFirst();
  }

  /** Whether all characters of a text come in another, in this order. */
  private static boolean isPart(String part, String whole) {
    int at = 0;
    for (int i = 0; i < whole.length() && at < part.length(); i++) {
      at += whole.charAt(i) == part.charAt(at) ? 1 : 0;
    }
    return at == part.length();
  }
}
