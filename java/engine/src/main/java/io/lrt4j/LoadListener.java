package io.lrt4j;

import java.nio.file.Path;

/** Hears, on the loading thread, how far a load is. What it throws ends the load. */
@FunctionalInterface
public interface LoadListener {
  /** Nobody. */
  LoadListener NONE = (directory, fraction) -> {};

  /**
   * Some more is there.
   *
   * @param directory of the model or of its network, which are loaded one after the other
   * @param fraction of the work on its weights that is done, above 0 to 1: reading, if they are not
   *     mapped, and bringing into the backend's form
   */
  void onProgress(Path directory, double fraction);
}
