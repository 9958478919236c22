package io.lrt4j.schedule;

import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Workspace;

/**
 * Lets something longer than a decode step be done in pieces, each of at most {@link
 * Transformer#CHUNK} rows.
 */
public interface Turn {
  /** All at once, without asking anybody. */
  Turn ALONE =
      new Turn() {
        @Override
        public boolean take(Runnable piece) {
          piece.run();
          return true;
        }

        @Override
        public boolean read(Transformer model, Workspace w, KvCache cache, int n, Rows input) {
          Batch batch = new Batch(1);
          for (int at = 0; at < n; at += Transformer.CHUNK) {
            int rows = Math.min(Transformer.CHUNK, n - at);
            int wanted = input.wanted(at, rows);
            input.write(w.x, 0, at, rows);
            model.forward(batch.clear().read(cache, rows, wanted), w);
            input.take(w.hidden, 0, at + rows - wanted, wanted);
          }
          if (input.logits()) {
            model.logitsOfLastRows(batch, w);
          }
          return true;
        }
      };

  /**
   * Waits for its turn and runs a piece, unless the whole has been called off.
   *
   * @return whether it was run; if not, nothing else is to follow
   */
  boolean take(Runnable piece);

  /**
   * Appends {@code n} rows to a cache, in pieces that may share a step with what others want of the
   * same model.
   *
   * @param w the caller's, with room for {@link Transformer#CHUNK} rows
   * @return whether all were appended; if not, it was called off, and nothing else is to follow
   */
  boolean read(Transformer model, Workspace w, KvCache cache, int n, Rows input);
}
