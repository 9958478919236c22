package io.lrt4j.compute;

import io.lrt4j.BackendException;
import io.lrt4j.compute.cpu.ScalarBackend;
import io.lrt4j.compute.cpu.VectorBackend;
import java.util.ArrayList;
import java.util.List;

/** Finds out which backends this process can run, and opens them. */
public final class Backends {
  private static final String VECTOR_MODULE = "jdk.incubator.vector";

  private Backends() {}

  /**
   * One backend, here.
   *
   * @param name as in {@code --backend}
   * @param available whether it can be opened
   * @param detail what it would run on, or what is missing and how to get it
   */
  public record Status(String name, boolean available, String detail) {}

  /** All backends, the fastest first. */
  public static List<Status> survey() {
    List<Status> all = new ArrayList<>();
    boolean vector = ModuleLayer.boot().findModule(VECTOR_MODULE).isPresent();
    all.add(
        new Status(
            "vector",
            vector,
            vector ? VECTOR_MODULE : "start Java with --add-modules " + VECTOR_MODULE));
    all.add(new Status("scalar", true, "plain Java"));
    return all;
  }

  /**
   * Opens a backend.
   *
   * @param name {@code auto} takes the fastest available one
   * @param threads compute threads, the caller's included; 0 takes one per processor
   * @throws BackendException if it is unknown or not available here
   */
  public static Backend open(String name, int threads) {
    int count = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
    for (Status status : survey()) {
      if (name.equals(status.name) || (name.equals("auto") && status.available)) {
        if (!status.available) {
          throw new BackendException("backend " + name + " is not available: " + status.detail);
        }
        return status.name.equals("vector") ? new VectorBackend(count) : new ScalarBackend();
      }
    }
    throw new BackendException(
        "unknown backend "
            + name
            + ", expected auto or one of "
            + survey().stream().map(Status::name).toList());
  }
}
