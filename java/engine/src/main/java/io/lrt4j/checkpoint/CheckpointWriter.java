package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.compute.DType;
import io.lrt4j.model.ModelConfig;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Function;

/** Writes trained models and networks as ordinary checkpoints, which transformers loads too. */
public final class CheckpointWriter {
  private static final ValueLayout.OfShort SHORT =
      ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
  private static final ValueLayout.OfFloat FLOAT =
      ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

  private CheckpointWriter() {}

  /**
   * Writes config, generation config and weights of a base model; its tokenizer is the caller's.
   *
   * @param values every tensor of the layout, by name, row-major
   * @param dtype BF16 (rounded to nearest, ties to even) or F32
   * @throws CheckpointException if it cannot be written
   */
  public static void model(
      Path out,
      ModelConfig config,
      GenerationDefaults generation,
      Function<String, float[]> values,
      DType dtype) {
    NewFile.directory(out);
    weights(out, TensorLayout.of(config, "model."), values, dtype);
    ConfigWriter.write(out.resolve("generation_config.json"), ConfigWriter.generation(generation));
    ConfigWriter.write(out.resolve("config.json"), ConfigWriter.model(config, generation));
  }

  /**
   * Writes config and weights of a reasoning network.
   *
   * @param values every tensor of the layout, by name, row-major
   * @param dtype BF16 (rounded to nearest, ties to even) or F32
   * @throws CheckpointException if it cannot be written
   */
  public static void network(
      Path out, NetworkConfig config, Function<String, float[]> values, DType dtype) {
    NewFile.directory(out);
    weights(out, TensorLayout.of(config), values, dtype);
    ConfigWriter.write(out.resolve("config.json"), ConfigWriter.network(config));
  }

  /**
   * Writes a network's config anew, with a calibrated threshold say, and leaves its weights.
   *
   * @throws CheckpointException if it cannot be written
   */
  public static void networkConfig(Path network, NetworkConfig config) {
    ConfigWriter.write(network.resolve("config.json"), ConfigWriter.network(config));
  }

  private static void weights(
      Path out, TensorLayout layout, Function<String, float[]> values, DType dtype) {
    List<SafetensorsWriter.Entry> entries = new ArrayList<>();
    layout.shapes().forEach((name, shape) -> entries.add(entry(name, shape, values, dtype)));
    SafetensorsWriter.write(out.resolve("model.safetensors"), Map.of("format", "pt"), entries);
  }

  private static SafetensorsWriter.Entry entry(
      String name, List<Long> shape, Function<String, float[]> values, DType dtype) {
    float[] all = values.apply(name);
    int size = dtype.blockBytes();
    return new SafetensorsWriter.Entry(
        name,
        dtype,
        shape,
        (offset, chunk) -> {
          int first = Math.toIntExact(offset / size);
          for (int i = 0; i < chunk.byteSize() / size; i++) {
            switch (dtype) {
              case F32 -> chunk.set(FLOAT, i * 4L, all[first + i]);
              case BF16 -> chunk.set(SHORT, i * 2L, RandomWeights.bf16(all[first + i]));
              case F16 -> chunk.set(SHORT, i * 2L, Float.floatToFloat16(all[first + i]));
              case Q8, Q4 ->
                  throw new IllegalArgumentException(
                      "rounded weights are not stored in checkpoints");
            }
          }
        });
  }
}
