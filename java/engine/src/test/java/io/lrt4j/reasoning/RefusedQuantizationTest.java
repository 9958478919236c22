package io.lrt4j.reasoning;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lrt4j.BackendException;
import io.lrt4j.EngineOptions;
import io.lrt4j.Fixtures;
import io.lrt4j.Quantization;
import io.lrt4j.TestModels;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.cpu.ScalarBackend;
import java.lang.reflect.InvocationHandler;
import java.lang.reflect.Proxy;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A backend without kernels for rounded weights refuses them whatever they are of. */
class RefusedQuantizationTest {
  @Test
  void ofAnyKind() {
    var none = EngineOptions.builder().network(Fixtures.dir(TestModels.APPEND)).build();
    LoadedModel.load(Fixtures.dir(TestModels.BASE), none, exact()).close();
    for (EngineOptions options :
        List.of(
            none.withQuantization(Quantization.Q8),
            none.withHeadQuantization(Quantization.Q8),
            none.withNetworkQuantization(Quantization.Q4),
            none.withEmbeddingQuantization(Quantization.Q4))) {
      var e =
          assertThrows(
              BackendException.class,
              () -> LoadedModel.load(Fixtures.dir(TestModels.BASE), options, exact()));
      assertEquals(
          "backend scalar does not quantize: use --backend native, vector or scalar",
          e.getMessage());
    }
  }

  /** The scalar backend, but for rounding. */
  private static Backend exact() {
    Backend scalar = new ScalarBackend();
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(),
            new Class<?>[] {Backend.class},
            (proxy, method, arguments) ->
                method.getName().equals("newMemory") && arguments != null
                    ? InvocationHandler.invokeDefault(proxy, method, arguments)
                    : method.invoke(scalar, arguments));
  }
}
