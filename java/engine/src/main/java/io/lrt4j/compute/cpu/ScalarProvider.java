package io.lrt4j.compute.cpu;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.BackendProvider;
import java.util.Optional;

/** {@code scalar} can run wherever Java does. */
public final class ScalarProvider implements BackendProvider {
  /** For the service loader. */
  public ScalarProvider() {}

  @Override
  public String name() {
    return "scalar";
  }

  @Override
  public int rank() {
    return 0;
  }

  @Override
  public boolean trains() {
    return true;
  }

  @Override
  public Optional<String> missing() {
    return Optional.empty();
  }

  @Override
  public String detail() {
    return "plain Java";
  }

  @Override
  public Backend open(int threads) {
    return new ScalarBackend();
  }
}
