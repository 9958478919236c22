package io.lrt4j.bench;

import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.Memory;
import io.lrt4j.model.ModelConfig;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Weights;
import java.nio.file.Path;

/** A base model by ids, without the text around it. */
final class BaseModel implements AutoCloseable {
  private final Checkpoint checkpoint;
  private final Backend backend;
  private final Memory memory; // of the weights
  private final Transformer transformer;

  BaseModel(Path directory, String backendName, int threads) {
    checkpoint = Checkpoint.open(directory);
    backend = Backends.open(backendName, threads);
    memory = backend.newMemory();
    Weights weights = Weights.of(checkpoint.config(), "model.", checkpoint.on(memory));
    transformer = new Transformer(checkpoint.config(), weights, backend);
  }

  Backend backend() {
    return backend;
  }

  ModelConfig config() {
    return checkpoint.config();
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
        .map(StoredTensor::data)
        .mapToLong(data -> data.byteSize())
        .sum();
  }

  @Override
  public void close() {
    transformer.close();
    memory.close();
    backend.close();
    checkpoint.close();
  }
}
