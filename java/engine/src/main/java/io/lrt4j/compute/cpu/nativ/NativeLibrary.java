package io.lrt4j.compute.cpu.nativ;

import io.lrt4j.BackendException;
import io.lrt4j.compute.NativeFiles;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** The C library inside the jar, one for each platform that it was built for, or an image's. */
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
    if (!NativeFiles.has(NativeLibrary.class, platform + "/", NAME)) {
      return new Loaded(null, "this build of lrt4j has no native library for " + platform);
    }
    try {
      return new Loaded(
          NativeFiles.load(
              NativeLibrary.class,
              platform + "/",
              List.of(NAME),
              file -> SymbolLookup.libraryLookup(file, Arena.global())),
          "");
    } catch (IOException e) {
      return new Loaded(null, "the native library cannot be loaded: " + e.getMessage());
    }
  }
}
