package io.lrt4j.schedule;

/**
 * Lets a long computation be done in pieces, each of at most {@link
 * io.lrt4j.model.Transformer#CHUNK} rows.
 */
@FunctionalInterface
public interface Turn {
  /** Every piece at once. */
  Turn ALONE =
      piece -> {
        piece.run();
        return true;
      };

  /**
   * Waits for its turn and runs a piece, unless the whole has been called off.
   *
   * @return whether it was run; if not, no other piece is to follow
   */
  boolean take(Runnable piece);
}
