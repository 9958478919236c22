package io.lrt4j.text;

import ai.djl.huggingface.tokenizers.jni.TokenizersLibrary;
import io.lrt4j.TokenizerException;
import io.lrt4j.compute.NativeFiles;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The Hugging Face tokenizers library inside DJL's jar, reached without DJL's own loader.
 *
 * <p>That loader, and the constructor of {@code HuggingFaceTokenizer}, send telemetry, download a
 * CUDA build of the library where there is a GPU, fill a cache in the home directory and log. None
 * of it is needed to call the JNI methods: the library only has to be loaded, by the class loader
 * that loaded them.
 */
final class NativeLibrary {
  private static final @Nullable String FAILURE = load();

  private NativeLibrary() {}

  /**
   * The JNI methods.
   *
   * @throws TokenizerException if the library cannot run on this machine
   */
  static TokenizersLibrary get() {
    if (FAILURE != null) {
      throw new TokenizerException(FAILURE);
    }
    return TokenizersLibrary.LIB;
  }

  /** Null, or why it did not work; a class that failed to initialise would hide the reason. */
  private static @Nullable String load() {
    ClassLoader ours = NativeLibrary.class.getClassLoader();
    if (!Objects.equals(ours, TokenizersLibrary.class.getClassLoader())) {
      return "the tokenizers jar and lrt4j are loaded by two class loaders, put them into one";
    }
    String os = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
    String arch = System.getProperty("os.arch", "");
    String platform =
        (os.startsWith("windows") ? "win" : os.startsWith("mac") ? "osx" : "linux")
            + (arch.equals("amd64") ? "-x86_64" : "-" + arch);
    var names = new ArrayList<String>();
    if (platform.startsWith("win")) { // what the library needs, in this order
      names.addAll(List.of("libwinpthread-1.dll", "libgcc_s_seh-1.dll", "libstdc++-6.dll"));
    }
    names.add(System.mapLibraryName("tokenizers"));
    try {
      NativeFiles.load(
          TokenizersLibrary.class, "/native/lib/" + platform + "/cpu/", names, NativeLibrary::load);
      return null;
    } catch (IOException e) {
      return "the native tokenizer for " + platform + " cannot be loaded: " + e.getMessage();
    }
  }

  @SuppressWarnings("restricted") // this is what --enable-native-access allows
  private static Path load(Path file) {
    System.load(file.toString());
    return file;
  }
}
