package io.lrt4j.compute.cpu.nativ;

import io.lrt4j.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The C library inside the jar, one for each platform that it was built for. */
final class NativeLibrary {
  private static final String NAME = System.mapLibraryName("lrt4j");

  /** The library, or why there is none; a class that failed to initialise would hide the reason. */
  private static final Loaded LOADED = load();

  private record Loaded(@Nullable SymbolLookup symbols, String failure) {}

  private NativeLibrary() {}

  /** Why there is none, if so. */
  static Optional<String> failure() {
    return LOADED.symbols == null ? Optional.of(LOADED.failure) : Optional.empty();
  }

  /** Its functions. */
  static SymbolLookup symbols() {
    if (LOADED.symbols == null) {
      throw new BackendException("backend native is not available: " + LOADED.failure);
    }
    return LOADED.symbols;
  }

  /** As the build names it: linux-x86_64, mac-aarch64. */
  static String platform() {
    String os = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
    String arch = System.getProperty("os.arch", "");
    return (os.startsWith("mac") ? "mac" : os.startsWith("linux") ? "linux" : os)
        + "-"
        + (arch.equals("amd64") ? "x86_64" : arch);
  }

  @SuppressWarnings("restricted") // this is what --enable-native-access allows
  private static Loaded load() {
    String platform = platform();
    try (InputStream in = NativeLibrary.class.getResourceAsStream(platform + "/" + NAME)) {
      if (in == null) {
        return new Loaded(null, "this build of lrt4j has no native library for " + platform);
      }
      Path directory = Files.createTempDirectory("lrt4j");
      Path file = directory.resolve(NAME);
      try {
        Files.copy(in, file);
        return new Loaded(SymbolLookup.libraryLookup(file, Arena.global()), "");
      } finally {
        Files.deleteIfExists(file); // a loaded library needs it no more
        Files.delete(directory);
      }
    } catch (IOException | IllegalArgumentException | IllegalCallerException e) {
      return new Loaded(null, "the native library cannot be loaded: " + e.getMessage());
    }
  }
}
