package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.LoadListener;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.compute.Memory;
import io.lrt4j.model.Weights;
import java.nio.file.Path;
import java.util.List;

/**
 * A reasoning network's directory, opened and checked: {@code config.json}, and in {@code
 * model.safetensors} (or shards) {@code in_proj.weight} [g, d], {@code in_proj.bias} [g], {@code
 * queries} [t, g], {@code backbone.layers.*} and {@code backbone.norm.weight} as in a Qwen3
 * checkpoint, {@code out_proj.weight} [d, g], {@code out_proj.bias} [d].
 */
public final class NetworkCheckpoint implements AutoCloseable {
  private final Path directory;
  private final NetworkConfig config;
  private final TensorFiles tensors;

  private NetworkCheckpoint(Path directory, NetworkConfig config, TensorFiles tensors) {
    this.directory = directory;
    this.config = config;
    this.tensors = tensors;
  }

  /** Opens a directory, checks all of it, and maps its weights. */
  public static NetworkCheckpoint open(Path directory) {
    return open(ModelFiles.of(directory), Access.MAP, LoadListener.NONE);
  }

  /**
   * Opens a directory and checks all of it; nothing stays open if it fails.
   *
   * @param listener told while weights are read and, later, {@link #handOver handed over}
   * @throws CheckpointException if it is damaged, incomplete, or no reasoning network
   * @throws UnsupportedModelException if it asks for something that is not run
   */
  public static NetworkCheckpoint open(ModelFiles files, Access access, LoadListener listener) {
    NetworkConfig config = NetworkConfig.parse(Json.read(files.require("config.json")));
    TensorFiles tensors = TensorFiles.open(files, listener);
    try {
      TensorLayout layout = TensorLayout.of(config);
      List<String> _ = tensors.check(layout);
      tensors.place(access, layout);
    } catch (Throwable e) {
      tensors.close();
      throw e;
    }
    return new NetworkCheckpoint(files.directory(), config, tensors);
  }

  public Path directory() {
    return directory;
  }

  public NetworkConfig config() {
    return config;
  }

  /**
   * The tensor of that name.
   *
   * @throws CheckpointException if there is none
   */
  public StoredTensor tensor(String name) {
    return tensors.require(name);
  }

  /** Its parameters as {@code memory} takes them in; they live as long as both. */
  public Weights.Source on(Memory memory) {
    return tensors.on(memory, false);
  }

  /** The same, and what {@code memory} has copied is given up, as in {@link Checkpoint}. */
  public Weights.Source handOver(Memory memory) {
    return tensors.on(memory, true);
  }

  public boolean has(String name) {
    return tensors.find(name) != null;
  }

  /** The tensors in memory, in the order of the files; if they are mapped, all. */
  public List<StoredTensor> tensors() {
    return tensors.all();
  }

  /** Number of parameters. */
  public long parameters() {
    return TensorLayout.of(config).parameters();
  }

  /** Frees or unmaps the weights: every tensor's data is invalid from now on. */
  @Override
  public void close() {
    tensors.close();
  }
}
