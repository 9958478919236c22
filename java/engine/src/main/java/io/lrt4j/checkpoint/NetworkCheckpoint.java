package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.LoadListener;
import io.lrt4j.UnsupportedModelException;
import java.nio.file.Path;
import java.util.List;

/**
 * A reasoning network's directory, opened and checked: {@code config.json}, and in {@code
 * model.safetensors} (or shards) {@code in_proj.weight} [g, d], {@code in_proj.bias} [g], {@code
 * queries} [t, g], {@code backbone.layers.*} and {@code backbone.norm.weight} as in a Qwen3
 * checkpoint, {@code out_proj.weight} [d, g], {@code out_proj.bias} [d].
 */
public final class NetworkCheckpoint extends OpenCheckpoint {
  private final NetworkConfig config;

  private NetworkCheckpoint(Path directory, NetworkConfig config, TensorFiles tensors) {
    super(directory, tensors);
    this.config = config;
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

  public NetworkConfig config() {
    return config;
  }

  @Override
  TensorLayout layout() {
    return TensorLayout.of(config);
  }
}
