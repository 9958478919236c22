package io.lrt4j.bench;

import io.lrt4j.CacheType;
import io.lrt4j.EngineOptions;
import io.lrt4j.Quantization;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/**
 * How a model is run.
 *
 * @param backend as in {@code --backend}
 * @param quantization as in {@code --quantize}
 * @param cacheType as in {@code --cache-type}
 */
record Setting(String backend, Quantization quantization, CacheType cacheType) {
  /** Each of these backends with each of these quantisations, both separated by commas. */
  static List<Setting> all(String backends, String quantizations, String cacheType) {
    List<Setting> all = new ArrayList<>();
    for (String quantization : quantizations.split(",", -1)) {
      for (String backend : backends.split(",", -1)) {
        all.add(of(backend, quantization, cacheType));
      }
    }
    return all;
  }

  /** One of each. */
  static Setting of(String backend, String quantization, String cacheType) {
    return new Setting(
        backend,
        Quantization.valueOf(quantization.toUpperCase(Locale.ROOT)),
        CacheType.valueOf(cacheType.toUpperCase(Locale.ROOT)));
  }

  /** For an engine that runs it so. */
  EngineOptions engine(int threads) {
    return EngineOptions.builder()
        .backend(backend)
        .quantization(quantization)
        .cacheType(cacheType)
        .threads(threads)
        .build();
  }

  /** As in {@code --quantize}. */
  String quantize() {
    return quantization.name().toLowerCase(Locale.ROOT);
  }

  /** As in {@code --cache-type}. */
  String caches() {
    return cacheType.name().toLowerCase(Locale.ROOT);
  }

  @Override
  public String toString() {
    String text = quantization == Quantization.NONE ? backend : backend + " " + quantize();
    return cacheType == CacheType.AUTO ? text : text + ", keys and values " + caches();
  }
}
