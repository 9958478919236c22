package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.Quantization;
import io.lrt4j.compute.Memory;
import io.lrt4j.model.Weights;
import java.nio.file.Path;
import java.util.List;
import java.util.function.Function;

/** A directory of weights, open and checked as a whole: what its two kinds have in common. */
public abstract sealed class OpenCheckpoint implements AutoCloseable
    permits Checkpoint, NetworkCheckpoint {
  private final Path directory;
  final TensorFiles tensors;

  OpenCheckpoint(Path directory, TensorFiles tensors) {
    this.directory = directory;
    this.tensors = tensors;
  }

  /** The tensors that the config implies. */
  abstract TensorLayout layout();

  public Path directory() {
    return directory;
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
    return tensors.on(Placement.in(memory), tied());
  }

  /**
   * Its parameters as {@code memory} takes them in, for the time that {@code taking} lasts. What
   * {@code memory} has copied is given up: such a tensor of a checkpoint that was read is no longer
   * here. The files are closed then, so that nothing else can be read.
   */
  public <T> T handOver(Memory memory, Function<Weights.Source, T> taking) {
    return tensors.handOver(Placement.in(memory), tied(), taking);
  }

  /** Whether the head, if there is one, is the embedding. */
  final boolean tied() {
    return !layout().shapes().containsKey(Kind.HEAD_NAME);
  }

  public boolean has(String name) {
    return tensors.isPlaced(name);
  }

  /**
   * The tensors in memory, in the order of the files; if they are mapped, those that are not used
   * as well.
   */
  public List<StoredTensor> tensors() {
    return tensors.all();
  }

  /** What the projections of layers are rounded to in the files: NONE if they are not. */
  public Quantization rounded() {
    return tensors.rounded(Kind.LAYERS);
  }

  /** Number of parameters; a tied head counts once. */
  public long parameters() {
    return layout().parameters();
  }

  /** Frees or unmaps the weights: every tensor's data is invalid from now on. */
  @Override
  public void close() {
    tensors.close();
  }
}
