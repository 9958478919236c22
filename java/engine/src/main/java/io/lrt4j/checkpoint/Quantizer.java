package io.lrt4j.checkpoint;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.CheckpointException;
import io.lrt4j.Quantization;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Panels;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.UnroundableException;
import io.lrt4j.compute.Weight;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * Writes checkpoints whose projections are rounded already, in the very form in which the kernels
 * of {@code native} and {@code vector} read them: they are mapped and run, and nothing is done at
 * load. Such a file is safetensors, its rounded weights being of type U8 and shape [panels, bytes
 * of a panel] ({@link Panels}), with the metadata {@value #KEY}: q8 or q4. A head that was tied to
 * the embedding is a tensor of its own.
 */
public final class Quantizer {
  /** Says in a file's metadata what its U8 tensors are. */
  static final String KEY = "lrt4j.rounded";

  private static final String ROUNDED = "U8";
  private static final String CONFIG = "config.json";
  private static final String WEIGHTS = "model.safetensors";
  private static final JsonMapper MAPPER = new JsonMapper();

  private Quantizer() {}

  /** The type that the metadata names, or null. */
  static @Nullable DType type(String spelled) {
    return switch (spelled) {
      case "q8" -> DType.Q8;
      case "q4" -> DType.Q4;
      default -> null;
    };
  }

  /**
   * Rounds a base model and, if it has one of its own, its network.
   *
   * @param out a directory that does not exist or is empty
   * @param quantization Q8 or Q4
   * @return how many weights were rounded
   * @throws CheckpointException if the model cannot be read, has a number to be rounded that is not
   *     finite or too large, or the result cannot be written
   */
  public static int model(Path model, Path out, Quantization quantization) {
    Path network = model.resolve("network");
    // Both are opened before anything is written.
    try (Checkpoint checkpoint = Checkpoint.open(model);
        NetworkCheckpoint own =
            Files.isDirectory(network) ? NetworkCheckpoint.open(network) : null;
        Arena arena = Arena.ofShared()) {
      refuseRounded(model, checkpoint.rounded());
      refuseRounded(model, checkpoint.roundedHead());
      TensorLayout layout = TensorLayout.of(checkpoint.config(), "model.");
      var tensors = new LinkedHashMap<String, StoredTensor>();
      layout.shapes().keySet().forEach(name -> tensors.put(name, checkpoint.tensor(name)));
      if (checkpoint.config().tiedEmbeddings()) {
        tensors.put("lm_head.weight", checkpoint.tensor("model.embed_tokens.weight"));
      }
      var ofNetwork = new LinkedHashMap<String, StoredTensor>();
      if (own != null) {
        TensorLayout.of(own.config())
            .shapes()
            .keySet()
            .forEach(name -> ofNetwork.put(name, own.tensor(name)));
      }
      DType type = quantization == Quantization.Q8 ? DType.Q8 : DType.Q4;
      if (Files.exists(out)) {
        Initializer.emptyDirectory(out); // what is there is refused before minutes of rounding
      }
      // Both are rounded before anything is written.
      var entries = rounded(tensors, type, arena);
      var entriesOfNetwork = rounded(ofNetwork, type, arena);
      write(model, out, entries, type);
      if (own != null) {
        write(network, out.resolve("network"), entriesOfNetwork, type);
      }
      return count(entries) + count(entriesOfNetwork);
    }
  }

  private static void refuseRounded(Path directory, Quantization found) {
    if (found != Quantization.NONE) {
      throw new CheckpointException(
          directory
              + ": expected a model whose weights are not rounded yet, found "
              + found.name().toLowerCase(Locale.ROOT));
    }
  }

  private static int count(List<SafetensorsWriter.Entry> entries) {
    return (int) entries.stream().filter(entry -> entry.type().equals(ROUNDED)).count();
  }

  /** Whether a tensor is a projection's, of whole blocks. */
  static boolean rounds(String name, List<Long> shape, DType type) {
    return (name.endsWith("_proj.weight") || name.equals("lm_head.weight"))
        && shape.getLast() % type.blockElements() == 0;
  }

  /** Tensors as they are written, by their names there. */
  private static List<SafetensorsWriter.Entry> rounded(
      SequencedMap<String, StoredTensor> tensors, DType type, Arena arena) {
    List<SafetensorsWriter.Entry> entries = new ArrayList<>();
    tensors.forEach(
        (name, tensor) ->
            entries.add(
                rounds(name, tensor.shape(), type)
                    ? rounded(name, tensor, type, arena)
                    : SafetensorsWriter.Entry.of(
                        name, tensor.dtype().name(), tensor.shape(), tensor.data())));
    return entries;
  }

  private static SafetensorsWriter.Entry rounded(
      String name, StoredTensor tensor, DType type, Arena arena) {
    Weight stored = tensor.weight();
    long panelBytes = Weight.bytes(type, Weight.PANEL, stored.cols(), true);
    MemorySegment packed = arena.allocate(Weight.bytes(type, stored.rows(), stored.cols(), true));
    try (Arena scratch = Arena.ofShared()) {
      MemorySegment rows =
          scratch.allocate(Weight.bytes(type, stored.rows(), stored.cols(), false));
      var _ = Panels.pack(Rounding.round(stored, type, rows), packed);
    } catch (UnroundableException e) {
      throw TensorFiles.refusal(tensor.file(), tensor.name(), e);
    }
    return SafetensorsWriter.Entry.of(
        name, ROUNDED, List.of(packed.byteSize() / panelBytes, panelBytes), packed);
  }

  /** The config is written last: a directory without it is not complete. */
  private static void write(
      Path from, Path out, List<SafetensorsWriter.Entry> entries, DType type) {
    Initializer.emptyDirectory(out);
    String name = type.name().toLowerCase(Locale.ROOT);
    try {
      SafetensorsWriter.write(out.resolve(WEIGHTS), Map.of("format", "pt", KEY, name), entries);
      copyOthers(from, out);
      ObjectNode config = (ObjectNode) MAPPER.readTree(from.resolve(CONFIG).toFile());
      if (config.has("tie_word_embeddings") || config.has("vocab_size")) {
        config.put("tie_word_embeddings", false);
      }
      ConfigWriter.write(out.resolve(CONFIG), config);
    } catch (IOException e) {
      throw new CheckpointException(out + ": cannot be written (" + ModelFiles.cause(e) + ")", e);
    }
  }

  /** Tokenizer, template, generation config: all files but weights, their index and config. */
  private static void copyOthers(Path from, Path out) throws IOException {
    try (var files = Files.list(from)) {
      for (Path file : files.filter(Files::isRegularFile).toList()) {
        String name = file.getFileName().toString();
        if (!name.equals(CONFIG) && !name.contains(".safetensors")) {
          Files.copy(file, out.resolve(name));
        }
      }
    }
  }
}
