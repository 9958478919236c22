package io.lrt4j.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Engine;
import io.lrt4j.Mode;
import io.lrt4j.training.data.Lab;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;

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
