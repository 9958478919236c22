package io.lrt4j.bench;

import io.lrt4j.BackendException;
import io.lrt4j.Quantization;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.CacheMemory;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Rounding;
import io.lrt4j.compute.Weight;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Weights;
import java.nio.file.Path;

/** A base model by ids, without the text around it. */
final class BaseModel implements AutoCloseable {
  private final Checkpoint checkpoint;
  private final Quantization quantization;
  private final Backend backend;
  private final Memory memory; // of the weights
  private final CacheMemory cacheMemory;
  private final Transformer transformer;

  BaseModel(Path directory, Setting setting, int threads) {
    checkpoint = Checkpoint.open(directory);
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
    Weights weights = Weights.of(checkpoint.config(), "model.", checkpoint.on(memory));
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
    String unread =
        checkpoint.config().tiedEmbeddings() ? "lm_head.weight" : "model.embed_tokens.weight";
    return checkpoint.tensors().stream()
        .filter(tensor -> !tensor.name().equals(unread))
        .mapToLong(this::bytes)
        .sum();
  }

  private long bytes(StoredTensor tensor) {
    if (tensor.storedType().equals("U8")) { // rounded already
      return tensor.data().byteSize();
    }
    Weight w = tensor.weight();
    DType kept = w.rows() > 1 ? Rounding.type(quantization, w) : w.dtype();
    return kept.bytes((long) w.rows() * w.cols());
  }

  @Override
  public void close() {
    transformer.close();
    memory.close();
    backend.close();
    checkpoint.close();
  }
}
