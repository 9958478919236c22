package io.lrt4j.checkpoint;

import io.lrt4j.EngineOptions;
import io.lrt4j.Quantization;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Closing;
import io.lrt4j.compute.Memory;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Memory for the weights of a base model and its network, one for every way in which options have
 * some of them rounded. To be closed when nobody reads the weights any more.
 */
public final class WeightMemories implements AutoCloseable {
  private final Map<Quantization, Memory> memories = new EnumMap<>(Quantization.class);
  private final EngineOptions options;
  private final Backend backend;

  /** None yet: each comes when it is asked for. */
  public WeightMemories(EngineOptions options, Backend backend) {
    this.options = options;
    this.backend = backend;
  }

  /**
   * Where the base model's weights belong.
   *
   * @throws io.lrt4j.BackendException if the backend does not round as is asked
   */
  public Placement base() {
    return new Placement(
        memory(options.quantization()),
        memory(options.headQuantization()),
        memory(options.embeddingQuantization()));
  }

  /**
   * Where the network's belong.
   *
   * @throws io.lrt4j.BackendException if the backend does not round as is asked
   */
  public Memory network() {
    return memory(options.networkQuantization());
  }

  /** Memory whose projections are rounded so; null as the options say of all. */
  private Memory memory(@Nullable Quantization asked) {
    return memories.computeIfAbsent(
        asked == null ? options.quantization() : asked,
        quantization ->
            quantization == Quantization.NONE
                ? backend.newMemory()
                : backend.newMemory(quantization));
  }

  @Override
  public void close() {
    List<Memory> all = List.copyOf(memories.values());
    memories.clear();
    Closing.each(all, Memory::close);
  }
}
