package io.lrt4j.compute.cpu;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.BackendProvider;
import java.util.Optional;

/** {@code vector} needs a module that Java does not resolve by itself. */
public final class VectorProvider implements BackendProvider {
  private static final String MODULE = "jdk.incubator.vector";

  /** For the service loader. */
  public VectorProvider() {}

  @Override
  public String name() {
    return "vector";
  }

  @Override
  public int rank() {
    return 10;
  }

  @Override
  public boolean trains() {
    return true;
  }

  @Override
  public Optional<String> missing() {
    return ModuleLayer.boot().findModule(MODULE).isPresent()
        ? VectorSupport.missing()
        : Optional.of("start Java with --add-modules " + MODULE);
  }

  @Override
  public Optional<String> slow() {
    return VectorSupport.slow();
  }

  @Override
  public String detail() {
    return MODULE;
  }

  @Override
  public Backend open(int threads) {
    return new VectorBackend(threads);
  }
}
