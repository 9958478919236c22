package io.lrt4j.reasoning;

import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.model.Transformer;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What a session holds of the question under way: its keys and values, and its final hidden states,
 * whose memory stays for the next question.
 */
final class Encoding implements AutoCloseable {
  private final Transformer transformer;
  private @Nullable KvCache cache;
  private @Nullable Memory memory; // of hidden
  private @Nullable Tensor hidden; // [at least n, d]

  Encoding(Transformer transformer) {
    this.transformer = transformer;
  }

  /** An empty cache, in place of what there was. */
  KvCache begin() {
    end();
    KvCache fresh = transformer.newCache();
    cache = fresh;
    return fresh;
  }

  /** The cache since {@link #begin}. */
  KvCache cache() {
    return Objects.requireNonNull(cache);
  }

  /** Room for the hidden states of {@code n} tokens, [at least n, d]. */
  Tensor hidden(int n) {
    Tensor kept = hidden;
    if (kept != null && kept.rows() >= n) {
      return kept;
    }
    if (memory != null) {
      hidden = null;
      memory.close();
    }
    Memory own = transformer.backend().newMemory();
    memory = own;
    Tensor fresh =
        transformer
            .store()
            .memory()
            .allocate(
                "a question's hidden states",
                () -> own.allocate(n, transformer.config().hiddenSize()));
    hidden = fresh;
    return fresh;
  }

  /** The latest {@link #hidden(int)}. */
  Tensor hidden() {
    return Objects.requireNonNull(hidden);
  }

  /** Frees the cache. */
  void end() {
    if (cache != null) {
      cache.close();
      cache = null;
    }
  }

  /** Frees the hidden states. */
  @Override
  public void close() {
    if (memory != null) {
      memory.close();
    }
  }
}
