package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.model.Weights;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * All tensors of a directory, be they in one file or in the shards that an index names. No tensor
 * is in two shards, and the index agrees with what the shards hold.
 */
final class TensorFiles implements AutoCloseable {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final int MAX_SHARDS = 4096;

  private final Path directory;
  private final List<Safetensors> shards = new ArrayList<>();
  private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();

  private TensorFiles(Path directory) {
    this.directory = directory;
  }

  /** Maps {@code model.safetensors}, or the shards of its index if there is no such file. */
  static TensorFiles open(ModelFiles files) {
    var all = new TensorFiles(files.directory());
    try {
      Path single = files.find(SINGLE);
      if (single != null) {
        all.add(single);
        return all;
      }
      Path index = files.find(INDEX);
      if (index == null) {
        throw new CheckpointException(
            files.directory() + ": expected " + SINGLE + " or " + INDEX + ", found neither");
      }
      all.addShards(files, index);
      return all;
    } catch (Throwable e) {
      all.close();
      throw e;
    }
  }

  private void addShards(ModelFiles files, Path index) {
    Json map = Json.read(index).object("weight_map");
    var shardOf = new LinkedHashMap<String, Path>();
    var paths = new HashMap<String, Path>();
    for (String tensor : map.keys()) {
      String name = map.string(tensor);
      shardOf.put(tensor, paths.computeIfAbsent(name, n -> files.require(n, index)));
      if (paths.size() > MAX_SHARDS) {
        throw new CheckpointException(
            index + ": expected at most " + MAX_SHARDS + " shards, found more");
      }
    }
    if (shardOf.isEmpty()) {
      throw map.wrong("weight_map", "an object that names tensors");
    }
    paths.values().stream().sorted().forEach(this::add);
    shardOf.forEach(
        (tensor, shard) -> {
          StoredTensor found = tensors.get(tensor);
          if (found == null || !found.file().equals(shard)) {
            throw new CheckpointException(
                index
                    + ": expected tensor "
                    + Json.quote(tensor)
                    + " in "
                    + shard.getFileName()
                    + ", found it "
                    + (found == null ? "nowhere" : "in " + found.file().getFileName()));
          }
        });
  }

  private void add(Path file) {
    Safetensors shard = Safetensors.open(file);
    shards.add(shard);
    for (StoredTensor tensor : shard.tensors()) {
      StoredTensor other = tensors.putIfAbsent(tensor.name(), tensor);
      if (other != null) {
        throw new CheckpointException(
            file
                + ": tensor "
                + Json.quote(tensor.name())
                + " is also in "
                + other.file().getFileName());
      }
    }
  }

  @Nullable StoredTensor find(String name) {
    return tensors.get(name);
  }

  StoredTensor require(String name) {
    StoredTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new CheckpointException(directory + ": tensor " + Json.quote(name) + " is missing");
    }
    return tensor;
  }

  /** What {@code memory} makes of the tensors. */
  Weights.Source on(Memory memory) {
    return new Weights.Source() {
      @Override
      public Tensor tensor(String name) {
        return memory.weight(require(name).weight());
      }

      @Override
      public Linear linear(boolean bias, String... names) {
        List<Memory.Part> parts = new ArrayList<>();
        for (String name : names) {
          parts.add(
              new Memory.Part(
                  require(name + ".weight").weight(),
                  bias ? require(name + ".bias").weight() : null));
        }
        return memory.linear(parts);
      }
    };
  }

  /** Lets a tensor be found by a second name as well. */
  void alias(String name, StoredTensor tensor) {
    tensors.put(
        name,
        new StoredTensor(name, tensor.storedType(), tensor.shape(), tensor.data(), tensor.file()));
  }

  List<StoredTensor> all() {
    return List.copyOf(tensors.values());
  }

  /** Every tensor that the layout expects is here with its shape, and none contradicts it. */
  void check(TensorLayout layout) {
    layout.shapes().forEach(this::check);
    for (StoredTensor tensor : tensors.values()) {
      if (layout.contradictedBy(tensor.name())) {
        throw new CheckpointException(
            tensor.file()
                + ": tensor "
                + Json.quote(tensor.name())
                + " is not part of the model that config.json describes");
      }
    }
  }

  private void check(String name, List<Long> shape) {
    StoredTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new CheckpointException(
          directory + ": tensor " + Json.quote(name) + " is missing; expected shape " + shape);
    }
    if (!tensor.shape().equals(shape)) {
      throw new CheckpointException(
          tensor.file()
              + ": tensor "
              + Json.quote(name)
              + " must have shape "
              + shape
              + ", found "
              + Json.brief(tensor.shape().toString()));
    }
    var _ = tensor.dtype(); // refuses a type that is not run
  }

  /** Unmaps every file. */
  @Override
  public void close() {
    shards.forEach(Safetensors::close);
  }
}
