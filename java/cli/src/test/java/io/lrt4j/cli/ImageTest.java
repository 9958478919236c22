package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/**
 * A small image, made of the jars as {@code lrt image} does, moved and used. The build runs this
 * once there are jars.
 */
@EnabledIfSystemProperty(named = "lrt.jars", matches = "true")
class ImageTest {
  private static final long LARGEST = 60_000_000;

  @TempDir static Path folder;
  private static Path image;
  private static Ended made;

  private record Ended(int status, String out, String err) {}

  @BeforeAll
  static void make() throws IOException, InterruptedException {
    Path there = folder.resolve("an image");
    made = image(there.toString(), "--small");
    assertEquals(0, made.status, made.err);
    image = Files.move(there, folder.resolve("moved image"));
  }

  @Test
  void isSmall() throws IOException {
    long size = 0;
    try (Stream<Path> files = Files.walk(image)) {
      for (Path file :
          files.filter(f -> Files.isRegularFile(f, LinkOption.NOFOLLOW_LINKS)).toList()) {
        size += Files.size(file);
      }
    }
    assertTrue(
        made.out.endsWith("an image/bin/lrt: " + (size + 999_999) / 1_000_000 + " MB\n"), made.out);
    // Elsewhere, and where nothing strips libraries, Java itself is larger.
    if (System.getProperty("os.name").equals("Linux")
        && System.getProperty("os.arch").equals("amd64")
        && onPath("strip")) {
      assertTrue(size <= LARGEST, size + " bytes, expected at most " + LARGEST);
    }
  }

  private static boolean onPath(String tool) {
    return Stream.of(System.getenv("PATH").split(File.pathSeparator))
        .anyMatch(folder -> Files.isExecutable(Path.of(folder, tool)));
  }

  @Test
  void answersThroughLinkWithoutEnvironment() throws IOException, InterruptedException {
    Path link = Files.createSymbolicLink(folder.resolve("link"), image.resolve("bin/lrt"));
    Path temporary = Files.createDirectory(folder.resolve("temporary"));
    var asked =
        run(
            List.of(
                "env",
                "-i",
                "PATH=/usr/bin:/bin",
                "LRT_JAVA_OPTS=-Djava.io.tmpdir=" + temporary,
                link.toString(),
                "ask",
                "Tom has 3 apples. He doubles them. How many are there?",
                "--json"));
    assertEquals(0, asked.status, asked.err);
    assertEquals("6", new ObjectMapper().readTree(asked.out).get("text").asText());
    try (Stream<Path> left = Files.list(temporary)) {
      assertEquals(List.of(), left.toList(), "libraries are deleted once loaded");
    }
  }

  @Test
  void replacesNothing() throws IOException, InterruptedException {
    var again = image(image.toString());
    assertEquals(
        new Ended(2, "", "lrt: " + image + " exists already: remove it, or name another folder\n"),
        again);
  }

  @Test
  void otherOptionsAreRefused() throws IOException, InterruptedException {
    Path other = folder.resolve("other");
    assertEquals(
        new Ended(2, "", "lrt: no such option of image: --tiny\n"),
        image(other.toString(), "--tiny"));
    assertEquals(
        new Ended(2, "", "lrt: unexpected argument of image: more\n"),
        image(other.toString(), "more"));
    assertFalse(Files.exists(other));
  }

  @Test
  void whatFailsLeavesNothing() throws IOException, InterruptedException {
    Path other = folder.resolve("other");
    List<String> command =
        new ArrayList<>(
            List.of("env", "TMPDIR=" + folder.resolve("nowhere"))); // as if it were full
    command.addAll(command(other.toString(), "--small"));
    Ended failed = run(command);
    assertEquals(1, failed.status, failed.err);
    assertTrue(failed.err.endsWith("lrt: no image was made\n"), failed.err);
    assertFalse(Files.exists(other));
  }

  private static Ended image(String... args) throws IOException, InterruptedException {
    return run(command(args));
  }

  private static List<String> command(String... args) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                "bash",
                "image.sh",
                System.getProperty("java.home"),
                Path.of("../..").toRealPath().toString()));
    command.addAll(List.of(args));
    return command;
  }

  private static Ended run(List<String> command) throws IOException, InterruptedException {
    Path errors = Files.createTempFile(folder, "errors", null);
    Process process =
        new ProcessBuilder(command)
            .redirectInput(ProcessBuilder.Redirect.from(new File("/dev/null")))
            .redirectError(errors.toFile())
            .start();
    String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    return new Ended(process.waitFor(), out, Files.readString(errors));
  }
}
