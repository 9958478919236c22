package io.lrt4j.compute;

import io.lrt4j.BackendException;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.function.Predicate;

/** Finds out which backends this process can run, and opens them. */
public final class Backends {
  /** The name that stands for the fastest available backend. */
  public static final String AUTO = "auto";

  private Backends() {}

  /**
   * One backend, here.
   *
   * @param name as in {@code --backend}
   * @param available whether it can be opened
   * @param detail what it would run on, or what is missing and how to get it
   */
  public record Status(String name, boolean available, String detail) {}

  /** All there are, the fastest first. */
  private static List<BackendProvider> providers() {
    return ServiceLoader.load(BackendProvider.class, Backends.class.getClassLoader()).stream()
        .map(ServiceLoader.Provider::get)
        .sorted(Comparator.comparingInt(BackendProvider::rank).reversed())
        .toList();
  }

  /** All backends, the fastest first. */
  public static List<Status> survey() {
    return providers().stream()
        .map(
            p ->
                new Status(
                    p.name(), p.missing().isEmpty(), p.missing().orElseGet(() -> p.detail())))
        .toList();
  }

  /** Those that can be opened here and train, the fastest first. */
  public static List<String> trainers() {
    return providers().stream()
        .filter(p -> p.trains() && p.missing().isEmpty())
        .map(BackendProvider::name)
        .toList();
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
    return open(name, threads, p -> true);
  }

  /**
   * Opens a backend that trains: {@code auto} takes the fastest available one of those.
   *
   * @throws BackendException if it is unknown, not available here, or does not train
   */
  public static Backend openForTraining(String name, int threads) {
    return open(name, threads, BackendProvider::trains);
  }

  private static Backend open(String name, int threads, Predicate<BackendProvider> fits) {
    int count = threads == 0 ? Runtime.getRuntime().availableProcessors() : threads;
    List<BackendProvider> all = providers();
    for (BackendProvider p : all) {
      if (name.equals(AUTO) && fits.test(p) && p.missing().isEmpty()) {
        return p.open(count);
      }
      if (name.equals(p.name())) {
        p.missing()
            .ifPresent(
                missing -> {
                  throw new BackendException("backend " + name + " is not available: " + missing);
                });
        if (!fits.test(p)) {
          throw new BackendException(
              "backend " + name + " does not train: use " + String.join(" or ", trainers()));
        }
        return p.open(count);
      }
    }
    throw new BackendException(
        "backend "
            + name
            + " is not available: this version of lrt4j has "
            + String.join(", ", all.stream().map(BackendProvider::name).toList()));
  }
}
