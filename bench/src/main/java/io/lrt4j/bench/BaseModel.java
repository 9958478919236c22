package io.lrt4j.bench;

import io.lrt4j.BackendException;
import io.lrt4j.LoadListener;
import io.lrt4j.Quantization;
import io.lrt4j.checkpoint.Access;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Weights;
import java.nio.file.Path;
import java.util.Objects;
import java.util.stream.Stream;

/** A base model by ids, without the text around it. */
final class BaseModel implements AutoCloseable {
  private final Checkpoint checkpoint;
  private final Quantization quantization;
  private final Backend backend;
  private final Memory memory; // of the weights
  private final CacheMemory cacheMemory;
  private final Transformer transformer;
  private final long bytesPerToken;

  BaseModel(Path directory, Setting setting, int threads) {
    // Read, as an engine does: how a mapping is spread over memory is chance.
    checkpoint = Checkpoint.open(ModelFiles.of(directory), Access.READ, LoadListener.NONE);
    quantization = setting.quantization();
    backend = Backends.open(setting.backend(), threads);
    boolean rounded = checkpoint.rounded(quantization);
    cacheMemory = CacheMemory.of(Long.MAX_VALUE, setting.cacheType(), rounded, backend);
    try {
      if (!backend.caches(cacheMemory.type())) {
        throw new BackendException("keys and values in " + setting.caches() + " are not stored");
      }
      memory = newMemory(backend, quantization);
    } catch (BackendException e) {
      backend.close();
      checkpoint.close();
      throw e;
    }
    Weights weights =
        checkpoint.handOver(memory, source -> Weights.of(checkpoint.config(), "model.", source));
    bytesPerToken = bytesPerToken(weights);
    transformer = new Transformer(checkpoint.config(), weights, backend, cacheMemory);
  }

  /** For weights, rounded as those of this model. */
  Memory newMemory() {
    return newMemory(backend, quantization);
  }

  private static Memory newMemory(Backend backend, Quantization quantization) {
    return quantization == Quantization.NONE
        ? backend.newMemory()
        : backend.newMemory(quantization);
  }

  Backend backend() {
    return backend;
  }

  ModelConfig config() {
    return checkpoint.config();
  }

  /** For keys and values, of the network's as well. */
  CacheMemory cacheMemory() {
    return cacheMemory;
  }

  Transformer transformer() {
    return transformer;
  }

  /** Bytes of weights that a decode step reads: all but an embedding that is not the head too. */
  long bytesPerToken() {
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
    transformer.close();
    memory.close();
    backend.close();
    checkpoint.close();
  }
}
