import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.function.Predicate;
import java.util.spi.ToolProvider;
import java.util.stream.Stream;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Makes what {@code bench/gpu/run.sh} needs on a GPU machine, as one folder and one archive: a Java
 * runtime, all jars with the kernels, and the tests of the CUDA backend. Called by {@code mvn
 * -Pgpu-image -DskipTests package}, in the folder {@code bench}.
 */
final class Image {
  private static final Path TARGET = Path.of("target");
  private static final Path CUDA = Path.of("../java/cuda/target");
  private static final Path IMAGE = TARGET.resolve("lrt4j-gpu");
  private static final Path ARCHIVE = TARGET.resolve("lrt4j-gpu.tar.gz");
  private static final Path KERNELS = Path.of("io/lrt4j/cuda/kernels.fatbin");
  private static final long LARGEST = 60_000_000;

  /** What only the server needs, which does not run here. */
  private static final String SERVERS =
      ".*/(helidon|micrometer|prometheus|HdrHistogram|LatencyUtils)-.*";

  private static final String MODULES =
      "java.base,java.logging,java.management,java.xml,jdk.incubator.vector,jdk.jfr,jdk.management,jdk.unsupported";

  public static void main(String[] args) throws IOException, InterruptedException {
    if (!Files.exists(CUDA.resolve("classes").resolve(KERNELS))) {
      throw new IOException("there are no CUDA kernels to measure: build where nvcc is");
    }
    delete(IMAGE);
    Files.createDirectories(IMAGE);
    runtime();
    copy(TARGET.resolve("lib"), IMAGE.resolve("lib"), p -> !p.toString().matches(SERVERS));
    Files.copy(TARGET.resolve("lrt4j-bench.jar"), IMAGE.resolve("lib/lrt4j-bench.jar"));
    // The tests, without the device that they have here.
    copy(
        CUDA.resolve("test-classes"),
        IMAGE.resolve("tests/classes"),
        p -> !p.toString().matches(".*/(libcuda|libcublas)[.]so[.]\\d+") && !p.endsWith(KERNELS));
    Files.copy(TARGET.resolve("tools/junit.jar"), IMAGE.resolve("tests/junit.jar"));
    for (String script : List.of("run.sh", "pytorch_decode.py")) {
      Files.copy(Path.of("gpu", script), IMAGE.resolve(script), StandardCopyOption.COPY_ATTRIBUTES);
    }
    // Native libraries for other systems, and those of JCuda that are not called.
    shrink("tokenizers-", name -> !isNative(name) || name.contains("linux-x86_64/cpu"));
    shrink("jcuda-natives-", name -> !isNative(name) || name.contains("JCudaDriver"));
    shrink("jcublas-natives-", name -> !isNative(name) || name.contains("JCublas2"));

    run("tar", "-C", TARGET.toString(), "-czf", ARCHIVE.toString(), IMAGE.getFileName().toString());
    long size = Files.size(ARCHIVE);
    System.out.printf(
        "bench/%s has %.1f MB; on a GPU machine: tar xzf lrt4j-gpu.tar.gz && lrt4j-gpu/run.sh%n",
        ARCHIVE, size / 1e6);
    if (size > LARGEST) {
      throw new IOException("the image is to have at most " + LARGEST / 1_000_000 + " MB");
    }
  }

  private static void runtime() throws IOException {
    int failed =
        ToolProvider.findFirst("jlink")
            .orElseThrow(() -> new IOException("this Java has no jlink: take a JDK"))
            .run(
                System.out,
                System.err,
                "--output",
                IMAGE.resolve("java").toString(),
                "--strip-debug",
                "--no-header-files",
                "--no-man-pages",
                "--compress",
                "zip-9",
                "--add-modules",
                MODULES);
    if (failed != 0) {
      throw new IOException("jlink failed");
    }
  }

  private static boolean isNative(String name) {
    return name.matches(".*\\.(so|dll|dylib|jnilib)");
  }

  private static void copy(Path from, Path to, Predicate<Path> wanted) throws IOException {
    try (Stream<Path> all = Files.walk(from)) {
      for (Path path : all.filter(wanted).toList()) {
        Path target = to.resolve(from.relativize(path).toString());
        Files.createDirectories(Files.isDirectory(path) ? target : target.getParent());
        if (!Files.isDirectory(path)) {
          Files.copy(path, target);
        }
      }
    }
  }

  /** Leaves in the jars of this name only what is wanted. */
  private static void shrink(String prefix, Predicate<String> wanted) throws IOException {
    List<Path> jars;
    try (Stream<Path> all = Files.list(IMAGE.resolve("lib"))) {
      jars = all.filter(p -> p.getFileName().toString().startsWith(prefix)).toList();
    }
    for (Path jar : jars) {
      Path smaller = jar.resolveSibling("smaller");
      try (ZipFile in = new ZipFile(jar.toFile());
          var out = new ZipOutputStream(Files.newOutputStream(smaller))) {
        out.setLevel(9);
        for (ZipEntry entry : in.stream().toList()) {
          if (wanted.test(entry.getName())) {
            out.putNextEntry(new ZipEntry(entry.getName()));
            in.getInputStream(entry).transferTo(out);
          }
        }
      }
      Files.move(smaller, jar, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  private static void delete(Path folder) throws IOException {
    if (Files.exists(folder)) {
      List<Path> all;
      try (Stream<Path> paths = Files.walk(folder)) {
        all = paths.toList().reversed();
      }
      for (Path path : all) {
        path.toFile().setWritable(true);
        Files.delete(path);
      }
    }
  }

  private static void run(String... command) throws IOException, InterruptedException {
    int failed = new ProcessBuilder(command).inheritIO().start().waitFor();
    if (failed != 0) {
      throw new IOException(String.join(" ", command) + " failed");
    }
  }
}
