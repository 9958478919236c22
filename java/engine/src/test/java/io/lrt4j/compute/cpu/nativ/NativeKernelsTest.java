package io.lrt4j.compute.cpu.nativ;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * The library's own test (native/test), which needs no Java: on this machine, on an emulation of
 * AMX, and on an emulated aarch64 where there are a compiler and an emulator for it.
 */
class NativeKernelsTest {
  private static final Path NATIVE = Path.of("..", "..", "native");
  private static final Path LIBRARIES = Path.of("target", "native");
  private static final String COMPILER = "aarch64-linux-gnu-gcc";
  private static final String EMULATOR = "qemu-aarch64";

  @Test
  void onThisMachine() throws Exception {
    assumeTrue(NativeBackend.missing().isEmpty());
    String name = NativeLibrary.platform() + "/" + System.mapLibraryName("lrt4j");
    var library = Objects.requireNonNull(NativeLibrary.class.getResource(name));
    test(Isa.available(), Map.of(), Path.of(library.toURI()).getParent().toString());
  }

  /** Its instructions are functions in C there, all else is as on AVX2. */
  @Test
  void withAmxEmulated() throws Exception {
    assumeTrue(NativeBackend.missing().isEmpty());
    assumeTrue(Isa.available().contains(Isa.AVX2), "no AVX2 here to emulate AMX on");
    test(List.of(Isa.AMX), Map.of(), "amx");
  }

  /** Of these processors, the second has no dot products. */
  @ParameterizedTest
  @CsvSource({"max, 9", "cortex-a72, 1"})
  void onAnEmulatedProcessor(String processor, int levels) throws Exception {
    for (String needed : List.of(COMPILER, EMULATOR)) {
      assumeTrue(onPath(needed), "no " + needed + " here to test the kernels for aarch64 with");
    }
    Map<String, String> environment = Map.of("CC", COMPILER, "ARCH", "aarch64");
    String build = NATIVE.resolve("build.sh").toString();
    String warnings = run(environment, "sh", build, LIBRARIES.toAbsolutePath().toString());
    assertEquals("", warnings);
    test(
        Isa.of("linux-aarch64", levels),
        environment,
        LIBRARIES.resolve("linux-aarch64").toString(),
        EMULATOR,
        "-cpu",
        processor,
        "-L",
        "/usr/aarch64-linux-gnu");
  }

  @Test
  void eachArchitectureHasItsLevels() {
    assertEquals(List.of(Isa.BASELINE, Isa.AVX2), Isa.of("linux-x86_64", 0b11));
    assertEquals(Isa.AVX_VNNI, Isa.of("linux-x86_64", 0b1000011).getLast());
    assertEquals(
        List.of(Isa.BASELINE, Isa.AVX2, Isa.AVX512, Isa.AVX512_VNNI),
        Isa.of("linux-x86_64", 0b1111));
    assertEquals(Isa.AMX, Isa.of("linux-x86_64", 0b1111111).getLast());
    assertEquals(List.of(Isa.NEON), Isa.of("linux-aarch64", 0b1));
    assertEquals(List.of(Isa.NEON, Isa.NEON_DOT), Isa.of("mac-aarch64", 0b1001));
  }

  /** Every level was tested, and nothing failed. */
  private static void test(
      List<Isa> levels, Map<String, String> environment, String library, String... emulator)
      throws IOException, InterruptedException {
    String[] command = {"sh", NATIVE.resolve("test").resolve("run.sh").toString(), library};
    String[] all = Arrays.copyOf(command, command.length + emulator.length);
    System.arraycopy(emulator, 0, all, command.length, emulator.length);
    List<String> lines = run(environment, all).lines().toList();
    assertEquals(
        levels.stream()
            .map(Isa::level)
            .sorted()
            .map(level -> "level " + level + ": 0 failed")
            .toList(),
        lines.stream().map(line -> line.replaceFirst(" [1-9][0-9]* checks,", "")).toList());
  }

  private static boolean onPath(String program) {
    return Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
        .anyMatch(directory -> Files.isExecutable(Path.of(directory, program)));
  }

  /** Runs it to its end, which must be a success, and returns what it printed. */
  private static String run(Map<String, String> environment, String... command)
      throws IOException, InterruptedException {
    var builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Process process = builder.start();
    process.getOutputStream().close();
    String printed;
    try (var output = process.getInputStream()) {
      printed = new String(output.readAllBytes(), StandardCharsets.UTF_8);
    }
    assertEquals(0, process.waitFor(), String.join(" ", command) + ": " + printed);
    return printed;
  }
}
