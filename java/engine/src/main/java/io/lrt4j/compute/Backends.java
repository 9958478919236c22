package io.lrt4j.compute;

import io.lrt4j.BackendException;
import io.lrt4j.compute.cpu.ScalarBackend;
import io.lrt4j.compute.cpu.VectorBackend;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Finds out which backends this process can run, and opens them. */
public final class Backends {
  /** The name that stands for the fastest available backend. */
  public static final String AUTO = "auto";

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

  /** What would have to be done to run faster than on {@code name}, if there is something. */
  public static Optional<String> missing(String name) {
    for (Status status : survey()) {
      if (status.name.equals(name)) {
        return Optional.empty();
      }
      if (!status.available) {
        return Optional.of(
            "backend " + status.name + " would be faster than " + name + ": " + status.detail);
      }
    }
    return Optional.empty();
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
      if (name.equals(status.name) || (name.equals(AUTO) && status.available)) {
        if (!status.available) {
          throw new BackendException("backend " + name + " is not available: " + status.detail);
        }
        return status.name.equals("vector") ? new VectorBackend(count) : new ScalarBackend();
      }
    }
    throw new BackendException(
        "backend "
            + name
            + " is not available: this version of lrt4j has "
            + String.join(" and ", survey().stream().map(Status::name).toList()));
  }
}
