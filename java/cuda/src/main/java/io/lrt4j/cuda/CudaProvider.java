package io.lrt4j.cuda;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.BackendProvider;
import java.util.Optional;

/** {@code cuda} needs an NVIDIA GPU with its driver, and a build with kernels. */
public final class CudaProvider implements BackendProvider {
  /** For the service loader. */
  public CudaProvider() {}

  @Override
  public String name() {
    return "cuda";
  }

  /** Below all others, so that it is run where it is asked for: it has not met a GPU yet. */
  @Override
  public int rank() {
    return -10;
  }

  @Override
  public boolean trains() {
    return false;
  }

  @Override
  public Optional<String> missing() {
    return Driver.missing();
  }

  @Override
  public String detail() {
    return Driver.describe(Driver.device()) + "; " + CublasLibrary.here().describe();
  }

  @Override
  public Backend open(int threads) {
    return new CudaBackend(Device.open());
  }
}
