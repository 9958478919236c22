package io.lrt4j.cuda;

import io.lrt4j.compute.NativeFiles;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.SymbolLookup;
import java.util.List;
import java.util.Optional;
import jcuda.jcublas.JCublas2;
import org.jspecify.annotations.Nullable;

/**
 * NVIDIA's cuBLAS, where the system looks for libraries or in the CUDA toolkit. JCublas is linked
 * with that of CUDA 12; where there is that of CUDA 13, a small library of ours stands in its place
 * and forwards to it.
 */
final class CublasLibrary {
  private static final String WANTED = "libcublas.so.12";
  private static final String NEWER = "libcublas.so.13";
  private static final List<String> FOLDERS = List.of("", "/usr/local/cuda/lib64/");

  /** One per process, as the system loads a library once. */
  private static final class Here {
    private static final CublasLibrary LIBRARY = load(List.of(WANTED, NEWER));
  }

  private final @Nullable String name;
  private final @Nullable String missing;

  private CublasLibrary(@Nullable String name, @Nullable String missing) {
    this.name = name;
    this.missing = missing;
  }

  static CublasLibrary here() {
    return Here.LIBRARY;
  }

  /** Why it is not used; empty if it is. */
  Optional<String> missing() {
    return Optional.ofNullable(missing);
  }

  /** What to say of a device that it does not start on. */
  String missingOnDevice() {
    return missing == null
        ? "no cuBLAS: " + name + " does not start (it may be too new for the driver)"
        : describe();
  }

  /** For people: whose products rows that are read go through. */
  String describe() {
    return missing == null ? "cuBLAS of " + name : "no cuBLAS: " + missing;
  }

  /** Loads the first of these that is there, and JCublas on it. */
  static CublasLibrary load(List<String> names) {
    for (String name : names) {
      if (FOLDERS.stream().anyMatch(folder -> isLoaded(folder + name))) {
        try {
          if (name.equals(NEWER)) {
            NativeFiles.load(CublasLibrary.class, "", List.of(WANTED), CublasLibrary::keep);
          }
          JCublas2.initialize();
          return new CublasLibrary(name, null);
        } catch (IOException | LinkageError e) {
          return new CublasLibrary(null, name + " is here, but not for JCublas: " + e.getMessage());
        }
      }
    }
    return new CublasLibrary(
        null,
        "neither " + String.join(" nor ", names) + " can be loaded (the CUDA toolkit has it)");
  }

  private static boolean isLoaded(String file) {
    try {
      keep(file);
      return true;
    } catch (IllegalArgumentException e) {
      return false;
    }
  }

  /** Loads it for as long as the process lives. */
  @SuppressWarnings("restricted") // this is what --enable-native-access allows
  private static SymbolLookup keep(Object file) {
    return SymbolLookup.libraryLookup(file.toString(), Arena.global());
  }
}
