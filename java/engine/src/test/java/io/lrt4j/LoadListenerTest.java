package io.lrt4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A listener hears how a load goes on, to its end, and can end it. */
class LoadListenerTest {
  private static final Path NETWORK = Fixtures.dir(TestModels.APPEND);

  private static EngineOptions.Builder options() {
    return EngineOptions.builder().network(NETWORK).backend("scalar").threads(1);
  }

  @ParameterizedTest
  @CsvSource({
    "conformance/qwen3-tied-bf16, false, NONE", "conformance/qwen3-tied-bf16, true, NONE",
    "conformance/qwen3-tied-bf16, false, Q8", "conformance/qwen2-bias-bf16, false, NONE",
    "conformance/qwen3-untied-f32-sharded, true, NONE"
  })
  void fractionsGrowToOne(String model, boolean mapped, Quantization quantization) {
    Path directory = Fixtures.dir(model);
    Path network =
        model.equals(TestModels.HADAMARD_BASE) ? Fixtures.dir(TestModels.HADAMARD) : NETWORK;
    Map<Path, List<Double>> heard = new LinkedHashMap<>();
    EngineOptions options =
        options().network(network).mappedWeights(mapped).quantization(quantization).build();
    try (Engine engine =
        Engine.load(
            directory,
            options,
            (of, fraction) -> heard.computeIfAbsent(of, _ -> new ArrayList<>()).add(fraction))) {
      assertEquals(directory, engine.model());
    }
    assertEquals(List.of(directory, network), List.copyOf(heard.keySet()));
    heard.forEach(
        (of, fractions) -> {
          assertEquals(fractions.stream().sorted().toList(), fractions, of.toString());
          assertTrue(fractions.size() > 10 && fractions.getFirst() > 0, fractions.toString());
          assertTrue(fractions.get(fractions.size() / 2) < 1, fractions.toString());
          assertEquals(1, fractions.getLast(), of.toString());
        });
  }

  @Test
  void whatItThrowsEndsTheLoad() {
    var enough = new IllegalStateException("enough");
    for (double at : new double[] {0, 0.5}) {
      LoadListener listener =
          (_, fraction) -> {
            if (fraction > at) {
              throw enough;
            }
          };
      assertSame(
          enough,
          assertThrows(
              IllegalStateException.class,
              () -> Engine.load(Fixtures.dir(TestModels.BASE), options().build(), listener)));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void anInterruptEndsTheLoadAndIsNoDamage(boolean mapped) {
    EngineOptions options = options().mappedWeights(mapped).build();
    LoadListener interrupts = (_, _) -> Thread.currentThread().interrupt();
    for (LoadListener listener : List.of(LoadListener.NONE, interrupts)) {
      if (listener == LoadListener.NONE) {
        Thread.currentThread().interrupt();
      }
      try {
        CancellationException thrown =
            assertThrows(
                CancellationException.class,
                () -> Engine.load(Fixtures.dir(TestModels.BASE), options, listener));
        assertTrue(
            String.valueOf(thrown.getMessage()).endsWith("was interrupted"), thrown.getMessage());
      } finally {
        assertTrue(Thread.interrupted());
      }
    }
  }
}
