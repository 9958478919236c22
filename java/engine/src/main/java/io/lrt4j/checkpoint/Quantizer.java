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
 * of a panel] ({@link Panels}). The metadata {@value #KEY} says of which type they are, q8 or q4;
 * of the head {@value #HEAD_KEY} does, if it is another one, and of the embedding, if it is
 * rounded, {@value #EMBEDDING_KEY}. A head that was tied to the embedding is a tensor of its own if
 * the embedding is not rounded alike.
 */
public final class Quantizer {
  /** Says in a file's metadata what its U8 tensors are. */
  static final String KEY = "lrt4j.rounded";

  static final String HEAD_KEY = "lrt4j.rounded.head";
  static final String EMBEDDING_KEY = "lrt4j.rounded.embedding";

  private static final String ROUNDED = "U8";
  private static final String CONFIG = "config.json";
  private static final String WEIGHTS = "model.safetensors";
  private static final JsonMapper MAPPER = new JsonMapper();

  private Quantizer() {}

  /**
   * What each kind of weight is rounded to: NONE, Q8 or Q4.
   *
   * @param network all projections of the reasoning network
   */
  public record Types(
      Quantization layers, Quantization head, Quantization embedding, Quantization network) {
    public Types {
      for (Quantization type : List.of(layers, head, embedding, network)) {
        if (type == Quantization.BF16) {
          throw new IllegalArgumentException("bf16 rounds activations, not what is stored");
        }
      }
    }

    /** All projections to one type, the embedding as it is. */
    public static Types projections(Quantization type) {
      return new Types(type, type, Quantization.NONE, type);
    }

    /** That of a tensor of the base model, or null if it stays as it is. */
    private @Nullable DType of(String name, List<Long> shape) {
      Quantization type =
          switch (Kind.of(name)) {
            case LAYERS -> layers;
            case HEAD -> head;
            case EMBEDDING -> embedding;
          };
      if (type == Quantization.NONE) {
        return null;
      }
      DType to = DType.valueOf(type.name());
      return rounds(name, shape, to) ? to : null;
    }

    private Types ofNetwork() {
      return projections(network);
    }
  }

  /** What a file's metadata says that U8 tensors of a kind are, or null. */
  static @Nullable String spelled(Kind kind, Map<String, String> metadata) {
    return switch (kind) {
      case LAYERS -> metadata.get(KEY);
      case HEAD -> metadata.getOrDefault(HEAD_KEY, metadata.get(KEY));
      case EMBEDDING -> metadata.get(EMBEDDING_KEY);
    };
  }

  /** The type that the metadata names, or null. */
  static @Nullable DType type(String spelled) {
    return switch (spelled) {
      case "q8" -> DType.Q8;
      case "q4" -> DType.Q4;
      default -> null;
    };
  }

  /**
   * Rounds a base model and, if it has one of its own, its network. What fails or is stopped on the
   * way is removed.
   *
   * @param out a directory that does not exist or is empty
   * @return how many weights were rounded
   * @throws CheckpointException if the model cannot be read, has a number to be rounded that is not
   *     finite or too large, or the result cannot be written
   */
  public static int model(Path model, Path out, Types types) {
    Path network = model.resolve("network");
    // Both are opened before anything is written.
    try (Checkpoint checkpoint = Checkpoint.open(model);
        NetworkCheckpoint own =
            Files.isDirectory(network) ? NetworkCheckpoint.open(network) : null;
        Arena arena = Arena.ofShared()) {
      refuseRounded(model, checkpoint.rounded());
      refuseRounded(model, checkpoint.roundedHead());
      refuseRounded(model, checkpoint.roundedEmbedding());
      TensorLayout layout = TensorLayout.of(checkpoint.config(), "model.");
      var tensors = new LinkedHashMap<String, StoredTensor>();
      layout.shapes().keySet().forEach(name -> tensors.put(name, checkpoint.tensor(name)));
      boolean tied = checkpoint.config().tiedEmbeddings();
      if (tied) {
        StoredTensor embedding = checkpoint.tensor("model.embed_tokens.weight");
        DType ofHead = types.of(Kind.HEAD_NAME, embedding.shape());
        tied = ofHead == types.of(embedding.name(), embedding.shape());
        if (!tied) {
          tensors.put(Kind.HEAD_NAME, embedding);
        }
      }
      var ofNetwork = new LinkedHashMap<String, StoredTensor>();
      if (own != null) {
        TensorLayout.of(own.config())
            .shapes()
            .keySet()
            .forEach(name -> ofNetwork.put(name, own.tensor(name)));
      }
      try (var made = NewDirectory.at(out)) { // refused before minutes of rounding
        // Both are rounded before anything is written.
        var entries = rounded(tensors, types, arena);
        var entriesOfNetwork = rounded(ofNetwork, types.ofNetwork(), arena);
        if (own != null) {
          Path to = out.resolve("network");
          NewFile.directory(to);
          write(network, to, entriesOfNetwork, metadata(ofNetwork, types.ofNetwork()), false);
        }
        // After its network: it must not look complete before.
        write(model, out, entries, metadata(tensors, types), tied);
        made.complete();
        return count(entries) + count(entriesOfNetwork);
      }
    }
  }

  private static void refuseRounded(Path directory, Quantization found) {
    if (found != Quantization.NONE) {
      throw new CheckpointException(
          directory + ": expected a model whose weights are not rounded yet, found " + name(found));
    }
  }

  /** What says how to read the entries. */
  private static Map<String, String> metadata(
      SequencedMap<String, StoredTensor> tensors, Types types) {
    var metadata = new LinkedHashMap<String, String>();
    metadata.put("format", "pt");
    if (types.layers != Quantization.NONE) {
      metadata.put(KEY, name(types.layers));
    }
    StoredTensor head = tensors.get(Kind.HEAD_NAME);
    if (head != null
        && types.head != types.layers
        && types.of(Kind.HEAD_NAME, head.shape()) != null) {
      metadata.put(HEAD_KEY, name(types.head));
    }
    tensors.forEach(
        (name, tensor) -> {
          if (Kind.of(name) == Kind.EMBEDDING && types.of(name, tensor.shape()) != null) {
            metadata.put(EMBEDDING_KEY, name(types.embedding));
          }
        });
    return metadata;
  }

  private static String name(Quantization type) {
    return type.name().toLowerCase(Locale.ROOT);
  }

  private static int count(List<SafetensorsWriter.Entry> entries) {
    return (int) entries.stream().filter(entry -> entry.type().equals(ROUNDED)).count();
  }

  /** Whether a tensor is a projection's or an embedding, of whole blocks. */
  static boolean rounds(String name, List<Long> shape, DType type) {
    return (name.endsWith("_proj.weight") || Kind.of(name) != Kind.LAYERS)
        && shape.getLast() % type.blockElements() == 0;
  }

  /** Tensors as they are written, by their names there. */
  private static List<SafetensorsWriter.Entry> rounded(
      SequencedMap<String, StoredTensor> tensors, Types types, Arena arena) {
    List<SafetensorsWriter.Entry> entries = new ArrayList<>();
    tensors.forEach(
        (name, tensor) -> {
          DType type = types.of(name, tensor.shape());
          entries.add(
              type != null
                  ? rounded(name, tensor, type, arena)
                  : SafetensorsWriter.Entry.of(
                      name, tensor.dtype().name(), tensor.shape(), tensor.data()));
        });
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
      Path from,
      Path out,
      List<SafetensorsWriter.Entry> entries,
      Map<String, String> metadata,
      boolean tied) {
    try {
      SafetensorsWriter.write(out.resolve(WEIGHTS), metadata, entries);
      copyOthers(from, out);
      ObjectNode config = (ObjectNode) MAPPER.readTree(from.resolve(CONFIG).toFile());
      if (config.has("tie_word_embeddings") || config.has("vocab_size")) {
        config.put("tie_word_embeddings", tied);
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
        if (!List.of(CONFIG, NewDirectory.LOCK).contains(name) && !name.contains(".safetensors")) {
          Files.copy(file, out.resolve(name));
        }
      }
    }
  }
}
