package io.lrt4j.training;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Engine;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.Question.Message;
import io.lrt4j.Role;
import io.lrt4j.training.data.Lab;
import io.lrt4j.training.data.TokenizerTrainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The model that ships with the project, asked as its users ask it. */
class DefaultModelTest {
  /** Held-out problems of three to six steps, ten of each number. */
  private static final LabExam.Paper PAPER = new LabExam.Paper(Lab.Range.EASY, 3, 6, 0, 10);

  private static Path model() {
    Path root = Path.of("").toAbsolutePath();
    while (root != null && !Files.isDirectory(root.resolve("models/default"))) {
      root = root.getParent();
    }
    if (root == null) {
      throw new IllegalStateException("not run within the repository");
    }
    return root.resolve("models/default");
  }

  @Test
  void itThinksInTextAndInLatents() {
    try (Engine engine = Engine.load(model())) {
      assertEquals(Mode.AUTO, engine.defaultMode());
      LabExam.Result explicit = LabExam.run(engine, Mode.EXPLICIT, PAPER).getLast();
      LabExam.Result latent = LabExam.run(engine, Mode.LATENT, PAPER).getLast();
      LabExam.Result direct = LabExam.run(engine, Mode.DIRECT, PAPER).getLast();
      assertTrue(explicit.accuracy() >= 0.95, explicit.toString());
      assertTrue(latent.right() > direct.right(), latent + " " + direct);
      assertTrue(4 * (latent.decodeSteps() + 2) <= explicit.decodeSteps(), latent + " " + explicit);
    }
  }

  /** It was taught no other: with others before it, it would answer it wrongly. */
  @Test
  void aConversationIsItsLastProblem() {
    Message first = new Message(Role.USER, "Tom has 3 apples. He buys 4 more. How many are there?");
    Message said = new Message(Role.ASSISTANT, "7");
    Message next = new Message(Role.USER, "Mia has 4 books. She loses 2. How many are there?");
    try (Engine engine = Engine.load(model())) {
      for (Mode mode : List.of(Mode.LATENT, Mode.EXPLICIT, Mode.DIRECT)) {
        Question talk = Question.of(List.of(first, said, next)).mode(mode);
        Question alone = Question.of(List.of(next)).mode(mode);
        assertArrayEquals(engine.prompt(alone), engine.prompt(talk));
        assertArrayEquals(engine.prompt(alone.system("Add.")), engine.prompt(talk.system("Add.")));
        assertTrue(engine.prompt(alone.system("Add.")).length > engine.prompt(alone).length);
      }
    }
  }

  @Test
  void whatIsTrainedAnewHasTheSameTemplate(@TempDir Path folder) throws IOException {
    var _ = TokenizerTrainer.train(Stream.of("Tom has 12 apples."), 265, folder);
    String name = "chat_template.jinja";
    assertEquals(Files.readString(model().resolve(name)), Files.readString(folder.resolve(name)));
  }

  @Test
  void itIsSmallEnoughToTravel() throws IOException {
    try (var files = Files.walk(model().getParent())) {
      long bytes = 0;
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        bytes += Files.size(file);
      }
      assertTrue(bytes <= 16_000_000, "bytes: " + bytes);
    }
  }
}
