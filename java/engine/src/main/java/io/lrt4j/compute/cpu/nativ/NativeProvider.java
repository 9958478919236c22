package io.lrt4j.compute.cpu.nativ;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.BackendProvider;
import java.util.Optional;

/** {@code native} needs a library that was built for this platform. */
public final class NativeProvider implements BackendProvider {
  /** For the service loader. */
  public NativeProvider() {}

  @Override
  public String name() {
    return "native";
  }

  @Override
  public int rank() {
    return 20;
  }

  @Override
  public boolean trains() {
    return false;
  }

  @Override
  public Optional<String> missing() {
    return NativeLibrary.failure();
  }

  @Override
  public String detail() {
    return "C, " + Isa.best();
  }

  @Override
  public Backend open(int threads) {
    return new NativeBackend(threads);
  }
}
