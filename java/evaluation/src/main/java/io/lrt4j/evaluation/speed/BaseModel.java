package io.lrt4j.evaluation.speed;

import io.lrt4j.BackendException;
import io.lrt4j.EngineOptions;
import io.lrt4j.LoadListener;
import io.lrt4j.Quantization;
import io.lrt4j.checkpoint.Access;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.checkpoint.WeightMemories;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.Closing;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Weights;
import java.nio.file.Path;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.stream.Stream;

/** A base model by ids, without the text around it. */
public final class BaseModel implements AutoCloseable {
  private final Deque<Runnable> closers = new ArrayDeque<>(); // the last opened first
  private final Checkpoint checkpoint;
  private final WeightMemories memories;
  private final Backend backend;
  private final CacheMemory cacheMemory;
  private final Transformer transformer;
  private final long bytesPerToken;

  /**
   * Loads it.
   *
   * @param options backend, threads, quantisation and type of keys and values count
   * @throws BackendException if the backend is not here, or cannot do what is asked of it
   */
  public BaseModel(Path directory, EngineOptions options) {
    try {
      // Read, as an engine does: how a mapping is spread over memory is chance.
      ModelFiles files = ModelFiles.of(directory, options.outsideLinks());
      checkpoint = Checkpoint.open(files, Access.READ, LoadListener.NONE);
      closers.push(checkpoint::close);
      backend = Backends.open(options.backend(), options.threads());
      closers.push(backend::close);
      boolean rounded = checkpoint.rounded(options.quantization());
      cacheMemory = CacheMemory.of(options.cacheType(), rounded, backend);
      if (!backend.caches(cacheMemory.type())) {
        String type = cacheMemory.type().name().toLowerCase(Locale.ROOT);
        throw new BackendException("keys and values in " + type + " are not stored");
      }
      memories = new WeightMemories(options, backend);
      closers.push(memories::close);
      Weights weights =
          checkpoint.handOver(
              memories.base(checkpoint.roundedHead()),
              source -> Weights.of(checkpoint.config(), "model.", source));
      bytesPerToken = bytesPerToken(weights);
      transformer = new Transformer(checkpoint.config(), weights, backend, cacheMemory);
      closers.push(transformer::close);
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /**
   * For the network's weights, rounded as the options say; it is this model's, and closed with it.
   *
   * @param stored what they are rounded to in the files
   */
  Memory networkMemory(Quantization stored) {
    return memories.network(stored);
  }

  public Backend backend() {
    return backend;
  }

  public ModelConfig config() {
    return checkpoint.config();
  }

  /** For keys and values, of the network's as well. */
  CacheMemory cacheMemory() {
    return cacheMemory;
  }

  public Transformer transformer() {
    return transformer;
  }

  /** Bytes of weights that a decode step reads: all but an embedding that is not the head too. */
  public long bytesPerToken() {
    return bytesPerToken;
  }

  private static long bytesPerToken(Weights weights) {
    Linear head = Objects.requireNonNull(weights.head());
    return weights.layers().stream()
            .flatMap(layer -> Stream.of(layer.qkv(), layer.output(), layer.gateUp(), layer.down()))
            .mapToLong(Linear::bytes)
            .sum()
        + head.bytes();
  }

  @Override
  public void close() {
    List<Runnable> all = List.copyOf(closers);
    closers.clear();
    Closing.each(all, Runnable::run);
  }
}
