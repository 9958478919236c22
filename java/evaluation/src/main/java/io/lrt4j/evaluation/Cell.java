package io.lrt4j.evaluation;

import io.lrt4j.Mode;
import java.io.Serializable;
import java.util.Locale;

/**
 * One way of answering a whole data set.
 *
 * @param label what it is called: the mode, unless several models are compared
 * @param mode how to answer; {@link Mode#AUTO} included
 * @param budget most tokens, thinking and answer together
 */
public record Cell(String label, Mode mode, int budget) implements Serializable {
  /** A mode under its own name. */
  public static Cell of(Mode mode, int budget) {
    return new Cell(mode.name().toLowerCase(Locale.ROOT), mode, budget);
  }

  /** Its name in files: {@code latent/512}. */
  public String key() {
    return label + "/" + budget;
  }
}
