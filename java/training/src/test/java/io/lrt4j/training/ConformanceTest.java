package io.lrt4j.training;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.Safetensors;
import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend.AdamW;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Losses, gradients and steps against what PyTorch computed on the same weights. */
class ConformanceTest {
  private static final double GRADIENT_TOLERANCE = 1e-4; // relative L2 error of each parameter
  private static final double LOSS_TOLERANCE = 1e-5; // relative

  static Stream<Arguments> cases() {
    return Backends.trainers().stream()
        .flatMap(
            backend ->
                Stream.of("lrt-append", "lrt-hadamard")
                    .flatMap(
                        network ->
                            Stream.of(false, true)
                                .map(recompute -> Arguments.of(backend, network, recompute))));
  }

  /** A fixture, loaded: base, network, path, and what is expected. */
  private static final class Fixture implements AutoCloseable {
    final Backend backend;
    final Checkpoint checkpoint;
    final NetworkCheckpoint stored;
    final FrozenBase base;
    final Parameters parameters;
    final TrainableNetwork network;
    final LatentPath path;
    final JsonNode expected;
    final Safetensors tensors;

    Fixture(String backendName, String name, boolean recompute) throws IOException {
      backend = Backends.open(backendName, 2);
      expected = new ObjectMapper().readTree(dir(name).resolve("expected.json").toFile());
      tensors = Safetensors.open(dir(name).resolve("expected.safetensors"));
      stored = NetworkCheckpoint.open(dir(name));
      checkpoint = Checkpoint.open(dir(stored.config().baseModel()));
      base = new FrozenBase(checkpoint, backend);
      parameters = new Parameters(TensorLayout.of(stored.config()), backend, false);
      parameters.load(stored::tensor);
      network = new TrainableNetwork(stored.config(), parameters, backend, true, recompute);
      path = new LatentPath(base, ids(expected.get("close_ids")), backend, recompute);
    }

    List<Example> sftBatch() {
      List<Example> examples = new ArrayList<>();
      for (int i = 0; i < expected.get("prompt_ids").size(); i++) {
        examples.add(
            new Example(
                ids(expected.get("prompt_ids").get(i)),
                List.of(ids(expected.get("answer_ids").get(i)))));
      }
      return examples;
    }

    double sft(List<Example> examples) {
      SftLoss loss = new SftLoss(tokens(examples));
      sft(examples, loss);
      return loss.value();
    }

    void sft(List<Example> examples, SftLoss loss) {
      path.encode(examples);
      path.scoreAndDerive(network, examples, new TokenScores(false), loss, null);
    }

    void zero() {
      backend.training().zero(parameters.gradients(), 1);
    }

    void check(String prefix, Tensor flat, double tolerance) {
      for (String name : parameters.parts().keySet()) {
        float[] found = parameters.get(flat, name);
        var stored = Objects.requireNonNull(tensors.find(prefix + name));
        double difference = 0;
        double size = 0;
        for (int i = 0; i < found.length; i++) {
          double want = stored.element(i);
          difference += (found[i] - want) * (found[i] - want);
          size += want * want;
        }
        double error = Math.sqrt(difference / size);
        assertTrue(error <= tolerance, prefix + name + ": relative error " + error);
      }
    }

    @Override
    public void close() {
      path.close();
      network.close();
      parameters.close();
      base.close();
      checkpoint.close();
      stored.close();
      tensors.close();
      backend.close();
    }
  }

  private static void assertLoss(JsonNode expected, double found) {
    double want = expected.asDouble();
    assertEquals(want, found, LOSS_TOLERANCE * Math.abs(want));
  }

  private static int tokens(List<Example> examples) {
    return examples.stream().flatMap(e -> e.answers().stream()).mapToInt(a -> a.length).sum();
  }

  private static Path dir(String name) {
    try {
      return Path.of(
          Objects.requireNonNull(ConformanceTest.class.getResource("/conformance/" + name))
              .toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  private static int[] ids(JsonNode array) {
    int[] ids = new int[array.size()];
    for (int i = 0; i < ids.length; i++) {
      ids[i] = array.get(i).asInt();
    }
    return ids;
  }

  private static float[] floats(JsonNode array) {
    float[] floats = new float[array.size()];
    for (int i = 0; i < floats.length; i++) {
      floats[i] = (float) array.get(i).asDouble();
    }
    return floats;
  }

  @ParameterizedTest
  @MethodSource("cases")
  void supervisedLossAndGradients(String backend, String name, boolean recompute)
      throws IOException {
    try (var f = new Fixture(backend, name, recompute)) {
      assertLoss(f.expected.get("sft_loss"), f.sft(f.sftBatch()));
      f.check("sft_grad.", f.parameters.gradients(), GRADIENT_TOLERANCE);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void oneBatchOfTwoIsTwoBatchesOfOne(String backend, String name, boolean recompute)
      throws IOException {
    try (var f = new Fixture(backend, name, recompute)) {
      SftLoss loss = new SftLoss(tokens(f.sftBatch()));
      for (Example example : f.sftBatch()) {
        f.sft(List.of(example), loss);
      }
      assertLoss(f.expected.get("sft_loss"), loss.value());
      f.check("sft_grad.", f.parameters.gradients(), GRADIENT_TOLERANCE);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void parametersAfterThreeSteps(String backend, String name, boolean recompute)
      throws IOException {
    try (var f = new Fixture(backend, name, recompute)) {
      JsonNode e = f.expected.get("adamw");
      var settings =
          new AdamW(
              (float) e.get("betas").get(0).asDouble(),
              (float) e.get("betas").get(1).asDouble(),
              (float) e.get("eps").asDouble(),
              (float) e.get("weight_decay").asDouble());
      var ops = f.backend.training();
      for (int step = 1; step <= e.get("steps").asInt(); step++) {
        f.zero();
        double loss = f.sft(f.sftBatch());
        assertLoss(f.expected.get("sft_losses").get(step - 1), loss);
        double norm = Math.sqrt(ops.sumOfSquares(f.parameters.gradients()));
        ops.adamw(
            f.parameters.master(),
            f.parameters.gradients(),
            f.parameters.firstMoments(),
            f.parameters.secondMoments(),
            settings,
            (float) e.get("lr").asDouble(),
            (float) Math.min(1, e.get("grad_clip").asDouble() / (norm + 1e-6)),
            step);
      }
      f.check("adamw.", f.parameters.master(), GRADIENT_TOLERANCE);
    }
  }

  @ParameterizedTest
  @MethodSource("cases")
  void policyLossAndGradients(String backend, String name, boolean recompute) throws IOException {
    try (var f = new Fixture(backend, name, recompute)) {
      JsonNode e = f.expected.get("grpo");
      List<Example> examples = new ArrayList<>();
      List<float[]> old = new ArrayList<>();
      List<float[]> reference = new ArrayList<>();
      List<Double> advantages = new ArrayList<>();
      for (JsonNode group : e.get("groups")) {
        List<int[]> answers = new ArrayList<>();
        double[] rewards = new double[group.get("answers").size()];
        for (JsonNode answer : group.get("answers")) {
          rewards[answers.size()] = answer.get("reward").asDouble();
          answers.add(ids(answer.get("ids")));
          old.add(floats(answer.get("old")));
          reference.add(floats(answer.get("ref")));
        }
        examples.add(new Example(ids(group.get("prompt_ids")), answers));
        Arrays.stream(GrpoLoss.advantages(rewards)).forEach(advantages::add);
      }
      var loss =
          new GrpoLoss(
              f.path.answers(), old.size(), e.get("eps").asDouble(), e.get("beta").asDouble());
      loss.begin(old, reference, advantages.stream().mapToDouble(Double::doubleValue).toArray());
      f.path.encode(examples);
      f.path.scoreAndDerive(f.network, examples, new TokenScores(true), loss, null);
      assertLoss(e.get("loss"), loss.value());
      f.check("grpo_grad.", f.parameters.gradients(), GRADIENT_TOLERANCE);
    }
  }
}
