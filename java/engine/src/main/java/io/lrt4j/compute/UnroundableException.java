package io.lrt4j.compute;

import io.lrt4j.BackendException;
import java.util.Locale;

/** A weight with a number that no block of a rounded type can hold. */
public final class UnroundableException extends BackendException {
  private static final long serialVersionUID = 1;

  private final transient Weight weight;

  /** With the first such number. */
  UnroundableException(Weight weight, DType type, int row, int col, float number) {
    super(
        "cannot be rounded to "
            + type.name().toLowerCase(Locale.ROOT)
            + ": its number at ["
            + row
            + ", "
            + col
            + "] is "
            + number
            + (Float.isFinite(number) ? ", too large for a scale in f16" : ""));
    this.weight = weight;
  }

  /** Whether it is about this weight, not another one of the same projection. */
  public boolean isAbout(Weight other) {
    return other.equals(weight);
  }
}
