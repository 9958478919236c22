package io.lrt4j.checkpoint;

import io.lrt4j.compute.Memory;
import org.jspecify.annotations.Nullable;

/**
 * Which memory takes in which of a base model's weights: so each kind may be rounded in a way of
 * its own.
 *
 * @param layers for the decoder layers, and all that is never rounded
 * @param head for the head
 * @param embedding for the embedding, if it rounds it; where it is tied and the head is rounded
 *     alike, both are one, of the head's. Null for one that stays as it is stored
 */
public record Placement(Memory layers, Memory head, @Nullable Memory embedding) {
  /** All in one, the embedding as it is stored. */
  public static Placement in(Memory memory) {
    return new Placement(memory, memory, null);
  }

  /** The one for a projection. */
  Memory of(Kind kind) {
    return switch (kind) {
      case LAYERS -> layers;
      case HEAD, EMBEDDING -> head; // an embedding that is projected by is the head too
    };
  }
}
