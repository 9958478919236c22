package io.lrt4j.compute;

import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Native libraries that lie in jars, which Java cannot load from there. They are written to a
 * temporary directory and deleted once loaded, even if the process is told to end meanwhile; or,
 * where the system property {@value #PLACE} names a directory, they stay in it, and what lies there
 * already is used: for machines whose temporary directory cannot be written, or must not run
 * programs. What a jar does not have is loaded from among Java's own libraries: an image ({@code
 * lrt image}) has them there, unless it is a small one, so that it starts without writing any.
 */
public final class NativeFiles {
  /** The system property that names a directory for the libraries. */
  public static final String PLACE = "lrt4j.natives";

  /** How long a process that is told to end waits for files to be written, loaded and deleted. */
  private static final long PATIENCE_SECONDS = 10;

  private NativeFiles() {}

  /**
   * Loads libraries, each after the one before it.
   *
   * @param owner whose jar they are in
   * @param folder where in it, with a slash at its end
   * @param load given the library's file; what it throws if it cannot load it ends in the exception
   * @return what {@code load} made of the last one
   * @throws IOException whose message says what is wrong and what to do about it
   */
  public static <T> T load(
      Class<?> owner, String folder, List<String> names, Function<Path, T> load)
      throws IOException {
    return load(owner, folder, names, ofJava(), load);
  }

  /** The same beside another Java, whose libraries are in {@code ofJava}. */
  static <T> T load(
      Class<?> owner, String folder, List<String> names, Path ofJava, Function<Path, T> load)
      throws IOException {
    if (outside(owner, folder, names, ofJava)) {
      return linked(owner, ofJava, names, load);
    }
    String place = System.getProperty(PLACE);
    var gone = new CountDownLatch(1); // nothing is left that is to be deleted
    try (var _ = new AtExit(() -> await(gone))) {
      Path directory = place == null ? temporary() : named("-D" + PLACE + "=", place);
      try {
        for (String name : names) {
          write(owner, folder + name, directory, directory.resolve(name));
        }
        return linked(owner, directory, names, load);
      } finally {
        if (place == null) {
          names.forEach(name -> delete(directory.resolve(name)));
          delete(directory);
        }
      }
    } finally {
      gone.countDown();
    }
  }

  private static void await(CountDownLatch latch) {
    try {
      boolean _ = latch.await(PATIENCE_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  /** Whether there is such a library, in the owner's jar or outside of it. */
  public static boolean has(Class<?> owner, String folder, String name) {
    return owner.getResource(folder + name) != null || Files.exists(ofJava().resolve(name));
  }

  private static Path ofJava() {
    return Path.of(System.getProperty("java.home"), "lib");
  }

  private static boolean outside(
      Class<?> owner, String folder, List<String> names, Path directory) {
    return names.stream()
        .allMatch(
            name ->
                owner.getResource(folder + name) == null && Files.exists(directory.resolve(name)));
  }

  private static Path temporary() throws IOException {
    // Java's own class for such directories would fail to initialise.
    var _ = named("the temporary directory ", System.getProperty("java.io.tmpdir", ""));
    try {
      return Files.createTempDirectory("lrt4j").toAbsolutePath(); // as libraries have to be named
    } catch (IOException e) {
      String name = System.getProperty("java.io.tmpdir", "");
      throw new IOException(
          "the temporary directory %s cannot be written (%s); %s".formatted(name, e, advice()), e);
    }
  }

  /**
   * A directory that a property names: not all can be in all locales.
   *
   * @param what it is, for a message
   */
  private static Path named(String what, String directory) throws IOException {
    try {
      return Path.of(directory).toAbsolutePath();
    } catch (InvalidPathException e) {
      String locale = System.getProperty("sun.jnu.encoding", "");
      throw new IOException(
          "%s%s is no name for a file where Java writes those in %s, as the locale says; start it in"
                  .formatted(what, directory, locale)
              + " one of UTF-8 (LC_ALL=C.UTF-8), or "
              + advice(),
          e);
    }
  }

  private static String advice() {
    return "name another one by -D" + PLACE + "=DIRECTORY";
  }

  private static void write(Class<?> owner, String resource, Path directory, Path file)
      throws IOException {
    try {
      if (Files.exists(file) && same(owner, resource, file)) {
        return;
      }
      Files.createDirectories(directory);
      Path whole = directory.resolve("lrt4j" + UUID.randomUUID() + ".new");
      try {
        try (InputStream library = open(owner, resource);
            OutputStream out = Files.newOutputStream(whole, StandardOpenOption.CREATE_NEW)) {
          library.transferTo(out); // the heap need not hold all of it
        }
        Files.move(whole, file, StandardCopyOption.ATOMIC_MOVE); // another process may do the same
      } finally {
        Files.deleteIfExists(whole);
      }
    } catch (FileNotFoundException e) {
      throw e;
    } catch (IOException e) {
      throw new IOException("%s cannot be written (%s); %s".formatted(file, e, advice()), e);
    }
  }

  private static boolean same(Class<?> owner, String resource, Path file) throws IOException {
    try (InputStream library = open(owner, resource)) {
      return Arrays.equals(library.readAllBytes(), Files.readAllBytes(file));
    }
  }

  private static InputStream open(Class<?> owner, String resource) throws FileNotFoundException {
    InputStream library = owner.getResourceAsStream(resource);
    if (library == null) {
      throw new FileNotFoundException("there is no " + resource + " in this version");
    }
    return library;
  }

  private static <T> T linked(
      Class<?> owner, Path directory, List<String> names, Function<Path, T> load)
      throws IOException {
    try {
      return names.stream().map(directory::resolve).map(load).toList().getLast();
    } catch (IllegalCallerException e) {
      throw new IOException(denied(owner), e);
    } catch (UnsatisfiedLinkError | IllegalArgumentException e) {
      throw new IOException(
          noexec(mounts(), directory)
              ? "%s is mounted noexec; %s".formatted(directory, advice())
              : String.valueOf(e.getMessage()),
          e);
    }
  }

  /**
   * What to say where Java does not let these call native code.
   *
   * @param owner of native methods, besides lrt4j itself
   */
  public static String denied(Class<?> owner) {
    return "Java does not allow native code here: start it with --enable-native-access="
        + Stream.of(NativeFiles.class, owner)
            .map(c -> c.getModule().isNamed() ? c.getModule().getName() : "ALL-UNNAMED")
            .distinct()
            .collect(Collectors.joining(","));
  }

  private static List<String> mounts() {
    try {
      return Files.readAllLines(Path.of("/proc/self/mounts"));
    } catch (IOException e) {
      return List.of(); // not Linux
    }
  }

  /** Whether a directory is within a file system that runs no programs: device, place, type, … */
  static boolean noexec(List<String> mounts, Path directory) {
    int longest = -1;
    boolean noexec = false;
    for (String mount : mounts) {
      String[] fields = mount.split(" ", -1);
      Path place = Path.of(fields[1]);
      if (directory.startsWith(place) && place.getNameCount() >= longest) {
        longest = place.getNameCount();
        noexec = List.of(fields[3].split(",", -1)).contains("noexec");
      }
    }
    return noexec;
  }

  /** A loaded library needs its file no more, except on Windows, where it goes with the JVM. */
  private static void delete(Path path) {
    try {
      Files.deleteIfExists(path);
    } catch (IOException e) {
      path.toFile().deleteOnExit();
    }
  }
}
