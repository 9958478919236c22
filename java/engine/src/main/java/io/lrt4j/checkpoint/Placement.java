package io.lrt4j.checkpoint;

import io.lrt4j.compute.Memory;

/**
 * Which memory takes in which of a base model's weights: so each kind may be rounded in a way of
 * its own.
 *
 * @param layers for the decoder layers, and all that is no projection
 * @param head for the head
 */
public record Placement(Memory layers, Memory head) {
  /** All in one. */
  public static Placement in(Memory memory) {
    return new Placement(memory, memory);
  }

  /** The one for a projection. */
  Memory of(Kind kind) {
    return switch (kind) {
      case LAYERS -> layers;
      case HEAD, EMBEDDING -> head; // an embedding that is projected by is the head too
    };
  }
}
