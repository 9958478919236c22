package io.lrt4j.spark;

import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import java.nio.file.Path;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;

/**
 * The engines of this process. An executor runs many tasks, one after another and side by side:
 * what they need is loaded by the first of them, and shared until the executor ends.
 */
final class Engines {
  private static final ConcurrentMap<Key, Engine> LOADED = new ConcurrentHashMap<>();

  private Engines() {}

  private record Key(String model, EngineOptions options) {}

  static Engine of(Plan plan) {
    return LOADED.computeIfAbsent(
        new Key(plan.model(), plan.loading()), key -> Engine.load(Path.of(key.model), key.options));
  }

  /** How many this process has loaded. */
  static int count() {
    return LOADED.size();
  }
}
