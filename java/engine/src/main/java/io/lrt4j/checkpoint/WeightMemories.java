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
   * @param storedHead what the head is rounded to in the files
   * @throws io.lrt4j.BackendException if the backend does not round as is asked
   */
  public Placement base(Quantization storedHead) {
    return new Placement(
        memory(options.quantization()),
        memory(of(options, options.headQuantization(), storedHead)),
        memory(options.embeddingQuantization()));
  }

  /**
   * Where the network's belong.
   *
   * @param stored what they are rounded to in the files
   * @throws io.lrt4j.BackendException if the backend does not round as is asked
   */
  public Memory network(Quantization stored) {
    return memory(of(options, options.networkQuantization(), stored));
  }

  /**
   * How the options have a part of the weights rounded: as they say of it, or else of all, but for
   * a part that is rounded in the files already, which stays as it is.
   *
   * @param asked what they say of it, or null
   * @param stored what it is rounded to in the files
   */
  public static Quantization of(
      EngineOptions options, @Nullable Quantization asked, Quantization stored) {
    if (asked != null) {
      return asked;
    }
    Quantization all = options.quantization();
    boolean rounds = all == Quantization.Q8 || all == Quantization.Q4;
    return rounds && stored != Quantization.NONE ? stored : all;
  }

  private Memory memory(Quantization asked) {
    return memories.computeIfAbsent(
        asked,
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
