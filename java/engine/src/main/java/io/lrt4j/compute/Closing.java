package io.lrt4j.compute;

import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/** Closes several things, all of them. */
public final class Closing {
  private Closing() {}

  /**
   * Closes each. What one of them throws keeps no other from being closed: it is thrown in the end,
   * with what later ones threw added to it.
   */
  @SuppressWarnings("ReferenceEquality") // an exception cannot suppress itself
  public static <T> void each(Iterable<T> things, Consumer<? super T> close) {
    @Nullable Throwable thrown = null;
    for (T thing : things) {
      try {
        close.accept(thing);
      } catch (RuntimeException | Error e) {
        if (thrown == null) {
          thrown = e;
        } else if (thrown != e) {
          thrown.addSuppressed(e);
        }
      }
    }
    switch (thrown) {
      case RuntimeException e -> throw e;
      case Error e -> throw e;
      case null, default -> {}
    }
  }
}
