package io.lrt4j.compute;

import io.lrt4j.BackendException;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.ServiceLoader;
import java.util.function.Predicate;
import java.util.stream.Collectors;

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
   * @param detail what it would run on, and why {@code auto} leaves it aside, if so; or what is
   *     missing and how to get it
   */
  public record Status(String name, boolean available, String detail) {
    private static Status of(BackendProvider p) {
      return p.missing()
          .map(missing -> new Status(p.name(), false, missing))
          .orElseGet(
              () ->
                  new Status(
                      p.name(),
                      true,
                      p.detail() + p.slow().map(why -> "; left aside by auto: " + why).orElse("")));
    }
  }

  /** All there are, the fastest first; last the one that would crawl here. */
  private static List<BackendProvider> providers() {
    return byRank().stream().sorted(Comparator.comparing(Backends::crawls)).toList();
  }

  private static List<BackendProvider> byRank() {
    return ServiceLoader.load(BackendProvider.class, Backends.class.getClassLoader()).stream()
        .map(ServiceLoader.Provider::get)
        .sorted(Comparator.comparingInt(BackendProvider::rank).reversed())
        .toList();
  }

  private static boolean crawls(BackendProvider p) {
    return p.missing().isEmpty() && p.slow().isPresent();
  }

  /** Whether a backend is there and does not crawl. */
  static boolean fast(String name) {
    return byRank().stream() // looks at no other
        .anyMatch(p -> p.name().equals(name) && p.missing().isEmpty() && p.slow().isEmpty());
  }

  /** All backends, the fastest first. */
  public static List<Status> survey() {
    return providers().stream().map(Status::of).toList();
  }

  /** Those that can be opened here and train, the fastest first. */
  public static List<String> trainers() {
    return providers().stream()
        .filter(p -> p.trains() && p.missing().isEmpty())
        .map(BackendProvider::name)
        .toList();
  }

  /**
   * What would have to be done to run faster than on {@code name}, or why what is faster elsewhere
   * is left aside here, if there is something.
   */
  public static Optional<String> missing(String name) {
    String hints =
        byRank().stream()
            .takeWhile(p -> !p.name().equals(name))
            .map(p -> crawls(p) ? leftAside(p) : faster(p, name))
            .flatMap(Optional::stream)
            .collect(Collectors.joining("; "));
    return hints.isEmpty() ? Optional.empty() : Optional.of(hints);
  }

  private static Optional<String> leftAside(BackendProvider p) {
    return p.slow().map(why -> "backend " + p.name() + " is left aside: " + why);
  }

  private static Optional<String> faster(BackendProvider p, String name) {
    return p.missing()
        .map(how -> "backend " + p.name() + " would be faster than " + name + ": " + how);
  }

  /**
   * Opens a backend.
   *
   * @param name {@code auto} takes the fastest available one that does not crawl here
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
    return provider(name, fits).open(count);
  }

  private static BackendProvider provider(String name, Predicate<BackendProvider> fits) {
    BackendProvider crawling = null;
    List<BackendProvider> all = byRank();
    for (BackendProvider p : all) {
      if (name.equals(AUTO) && fits.test(p) && p.missing().isEmpty()) {
        if (p.slow().isEmpty()) {
          return p; // what ranks lower is not asked: that takes time
        }
        crawling = crawling == null ? p : crawling;
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
        return p;
      }
    }
    if (crawling != null) {
      return crawling;
    }
    throw new BackendException(
        "backend "
            + name
            + " is not available: this version of lrt4j has "
            + String.join(", ", providers().stream().map(BackendProvider::name).toList()));
  }
}
