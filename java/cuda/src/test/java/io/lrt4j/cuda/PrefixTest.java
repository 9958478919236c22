package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Fixtures;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.TestModels;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Beginnings of questions that lie in the device's memory: a whole block, or a part of one. */
class PrefixTest {
  private static final List<String> QUESTIONS =
      List.of("What is 1+2?", "What is 1+2?", "What is 12+30? And 7 times that?", "What?");

  private static List<Answer> answers(boolean reuse) {
    EngineOptions options =
        EngineOptions.builder()
            .backend("cuda")
            .network(Fixtures.dir(TestModels.APPEND))
            .prefixReuse(reuse)
            .build();
    List<Answer> answers = new ArrayList<>();
    try (Engine engine = Engine.load(Fixtures.dir(TestModels.BASE), options)) {
      for (Mode mode : List.of(Mode.LATENT, Mode.DIRECT)) {
        for (String text : QUESTIONS) {
          answers.add(
              engine.ask(
                  Question.of(text)
                      .mode(mode)
                      .options(GenerationOptions.defaults().withMaxTokens(3).withIgnoreEos(true))));
        }
      }
    }
    return answers;
  }

  @Test
  void theSameBitsAsWithout() {
    List<Answer> expected = answers(false);
    List<Answer> answers = answers(true);
    int partly = 0;
    for (int i = 0; i < answers.size(); i++) {
      assertEquals(expected.get(i).ids(), answers.get(i).ids());
      assertEquals(expected.get(i).logprobs(), answers.get(i).logprobs());
      assertEquals(0, expected.get(i).tokens().cached());
      partly += answers.get(i).tokens().cached() % 64 > 0 ? 1 : 0;
    }
    assertTrue(partly > answers.size() / 2, partly + " begin with a part of a block");
    Emulator.check("after all");
  }
}
