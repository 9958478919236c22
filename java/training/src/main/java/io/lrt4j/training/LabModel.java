package io.lrt4j.training;

import io.lrt4j.checkpoint.CheckpointWriter;
import io.lrt4j.checkpoint.GenerationDefaults;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.DType;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.training.data.Lab;
import io.lrt4j.training.data.Problem;
import io.lrt4j.training.data.TokenizerTrainer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Objects;
import java.util.OptionalInt;
import java.util.SplittableRandom;
import java.util.stream.LongStream;
import java.util.stream.Stream;

/** A base model for the lab before its training: its tokenizer, and random weights. */
public final class LabModel {
  private static final int CORPUS = 20_000; // problems that the tokenizer is learnt from
  private static final int MAX_POSITIONS = 1024;
  private static final double EMBEDDING_STD = 0.05;
  private static final double GAIN = 0.8;

  private LabModel() {}

  /**
   * Its size; the architecture is Qwen3's with a tied embedding.
   *
   * @param vocabulary tokens wanted
   * @param hidden width
   * @param intermediate width of the MLP
   * @param layers decoder layers
   * @param heads query heads; key/value heads are half of them
   * @param headDim width of a head; even
   */
  public record Size(
      int vocabulary, int hidden, int intermediate, int layers, int heads, int headDim) {
    public Size {
      if (hidden < 2 || intermediate < 1 || layers < 1 || heads < 2 || heads % 2 != 0) {
        throw new TrainingException("a model needs layers, widths and an even number of heads");
      }
      if (headDim < 2 || headDim % 2 != 0) {
        throw new TrainingException("the head size must be even, found " + headDim);
      }
    }
  }

  /**
   * Writes the checkpoint to a directory that is not there yet.
   *
   * @param range of the problems that its tokenizer is learnt from
   */
  public static void create(Size size, Lab.Range range, long seed, Path out) {
    try {
      if (Files.exists(out)) {
        throw new TrainingException(out + ": expected a directory that is not there yet");
      }
      Files.createDirectories(out);
    } catch (IOException e) {
      throw new TrainingException(
          out + ": expected a directory to write to (" + ModelFiles.cause(e) + ")", e);
    }
    var lab = new Lab(range, Lab.Mix.even(1, Lab.USUAL_STEPS), seed, Lab.Split.TRAIN);
    var texts = LongStream.range(0, CORPUS).mapToObj(lab::problem).flatMap(LabModel::texts);
    TokenizerTrainer.Tokens tokens = TokenizerTrainer.train(texts, size.vocabulary, out);
    ModelConfig config = config(size, tokens.size());
    var generation =
        new GenerationDefaults(List.of(tokens.end()), OptionalInt.empty(), false, 1, 50, 1, 0, 1);
    TensorLayout layout = TensorLayout.of(config, "model.");
    CheckpointWriter.model(
        out, config, generation, name -> random(name, layout, config, seed), DType.F32);
  }

  private static Stream<String> texts(Problem problem) {
    return List.of("user\n", problem.question(), "assistant\n", problem.reasoning(), "\n\n")
        .stream();
  }

  private static ModelConfig config(Size size, int vocabulary) {
    return new ModelConfig(
        "Qwen3ForCausalLM",
        vocabulary,
        size.hidden,
        size.intermediate,
        size.layers,
        size.heads,
        size.heads / 2,
        size.headDim,
        1e-6f,
        true,
        false,
        false,
        false,
        true,
        new ModelConfig.Rope(1e4, new ModelConfig.Scaling.None()),
        0,
        Collections.nCopies(size.layers, false),
        MAX_POSITIONS);
  }

  /**
   * Normal weights that keep the size of what they are applied to; what writes to the residual
   * stream is smaller, as it adds up (GPT-2).
   */
  private static float[] random(String name, TensorLayout layout, ModelConfig c, long seed) {
    long n =
        Objects.requireNonNull(layout.shapes().get(name)).stream().reduce(1L, Math::multiplyExact);
    float[] values = new float[Math.toIntExact(n)];
    if (name.endsWith("norm.weight")) {
      Arrays.fill(values, 1);
      return values;
    }
    boolean residual = name.endsWith("o_proj.weight") || name.endsWith("down_proj.weight");
    List<Long> shape = Objects.requireNonNull(layout.shapes().get(name));
    double std =
        name.endsWith("embed_tokens.weight") ? EMBEDDING_STD : GAIN / Math.sqrt(shape.getLast());
    std = residual ? std / Math.sqrt(2.0 * c.layers()) : std;
    var random = new SplittableRandom(seed * 31 + name.hashCode());
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextGaussian() * std);
    }
    return values;
  }
}
