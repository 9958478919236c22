package io.lrt4j.training;

import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.model.ModelConfig;
import java.util.ArrayList;
import java.util.List;

/** A base model's weights, converted to f32 and never changed: gradients pass through them. */
final class FrozenBase implements AutoCloseable {
  private final Memory memory;
  private final ModelConfig config;
  private final Tensor embedding; // [vocab, hidden]
  private final Tensor head; // [vocab, hidden]
  private final DecoderWeights weights;

  FrozenBase(Checkpoint checkpoint, Backend backend) {
    config = checkpoint.config();
    memory = backend.newMemory();
    try {
      DecoderWeights.Source source = names -> copy(checkpoint, backend, names);
      embedding = source.get("model.embed_tokens.weight");
      head = config.tiedEmbeddings() ? embedding : source.get("lm_head.weight");
      weights = DecoderWeights.of(config, "model.", source);
    } catch (Throwable e) {
      memory.close();
      throw e;
    }
  }

  private Tensor copy(Checkpoint checkpoint, Backend backend, String... names) {
    try (Memory taken = backend.newMemory()) {
      List<Tensor> parts = new ArrayList<>();
      int rows = 0;
      boolean vectors = false;
      for (String name : names) {
        StoredTensor stored = checkpoint.tensor(name);
        vectors = stored.shape().size() == 1;
        Tensor part = taken.weight(stored.weight());
        parts.add(part);
        rows += vectors ? part.cols() : part.rows();
      }
      int cols = parts.getFirst().cols();
      Tensor whole = vectors ? memory.allocate(1, rows) : memory.allocate(rows, cols);
      long at = 0;
      for (Tensor part : parts) {
        Tensor to = backend.training().view(whole, at, part.rows(), part.cols());
        backend.copyRows(part, 0, to, 0, part.rows());
        at += (long) part.rows() * part.cols();
      }
      return whole;
    }
  }

  ModelConfig config() {
    return config;
  }

  Tensor embedding() {
    return embedding;
  }

  Tensor head() {
    return head;
  }

  DecoderWeights weights() {
    return weights;
  }

  @Override
  public void close() {
    memory.close();
  }
}
