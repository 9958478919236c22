package io.lrt4j.bench;

import io.lrt4j.Quantization;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * How a model is run.
 *
 * @param backend as in {@code --backend}
 * @param quantization as in {@code --quantize}
 */
record Setting(String backend, Quantization quantization) {
  /** Each of these backends with each of these quantisations, both separated by commas. */
  static List<Setting> all(String backends, String quantizations) {
    List<Setting> all = new ArrayList<>();
    for (String quantization : quantizations.split(",", -1)) {
      for (String backend : backends.split(",", -1)) {
        all.add(of(backend, quantization));
      }
    }
    return all;
  }

  /** One of each. */
  static Setting of(String backend, String quantization) {
    return new Setting(backend, Quantization.valueOf(quantization.toUpperCase(Locale.ROOT)));
  }

  /** As in {@code --quantize}. */
  String quantize() {
    return quantization.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public String toString() {
    return quantization == Quantization.NONE ? backend : backend + " " + quantize();
  }
}
