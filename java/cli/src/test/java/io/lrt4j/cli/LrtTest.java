package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Exit statuses, the one line that everything wrong ends in, and what becomes of the output. */
class LrtTest {
  @TempDir Path folder;

  @Test
  void failures() throws IOException {
    Path file = Files.writeString(folder.resolve("file"), "");
    String missing = folder.resolve("none").toString();
    assertFails("--model " + missing + " does not exist", "ask", "x", "--model", missing);
    assertFails(
        "is a file, expected a checkpoint directory", "ask", "x", "--model", file.toString());
    for (String text : List.of("-5+3=", "-x", "- ")) { // an option's value may begin so
      assertFails("--model " + missing, "generate", "--model", missing, "--prompt", text);
    }
    assertFails("--network " + missing + " does not exist", "ask", "x", "--network", missing);
    assertFails("directory " + missing + " does not exist", "inspect", missing);
    assertFails("config.json", "inspect", folder.toString());
    assertFails("the default model is not here: name one with --model DIR", "ask", "x");
    String dump = folder.resolve("none/x.safetensors").toString();
    assertFails(
        "its folder does not exist",
        "score",
        "--ids",
        "1",
        "--model",
        folder.toString(),
        "--dump",
        dump);
    assertFails(
        "--out " + missing + "/x.json cannot be written: its folder does not exist",
        "bench",
        "--out",
        missing + "/x.json");
    assertFails("is a folder, expected a file", "bench", "--out", folder.toString());
    assertFails("found files in it", "init", "--preset", "tiny", "--out", folder.toString());
    assertFails(
        "--json-schema " + missing + " cannot be read as text: there is no such file",
        "ask",
        "x",
        "--json-schema",
        missing);
    assertFails("is no path: Nul character", "inspect", "a\0b");
    Path out = folder.resolve("out");
    assertFails(
        "--backbone " + missing + " does not exist",
        "init",
        "--preset",
        "tiny",
        "--network",
        "--backbone",
        missing,
        "--out",
        out.toString());
    assertFalse(Files.exists(out));
    assertFails(
        "config.json",
        "train",
        "base",
        "--model",
        "/",
        "--lab",
        "1",
        "--steps",
        "1",
        "--backend",
        "scalar",
        "--out",
        out.toString());
  }

  private static void assertFails(String message, String... args) {
    Run run = Run.of(args);
    run.assertOneLine(message);
    assertEquals(1, run.status());
  }

  @Test
  void emptyQuestion() {
    String empty = "the question is empty";
    Run.of("ask", "  ", "--model", folder.toString()).assertOneLine(empty);
    Run.withInput("\n", "ask", "--model", folder.toString()).assertOneLine(empty);
    Run.withInput(" \n", "ask", "-", "--model", folder.toString()).assertOneLine(empty);
  }

  @Test
  void questionThatIsNotUtf8() {
    assertEquals(
        new Run(1, "", "lrt: the question on standard input is not UTF-8 text\n"),
        Run.withBytes(new byte[] {'a', (byte) 0xff}, "ask", "--model", folder.toString()));
  }

  @Test
  void verboseShowsWhere() {
    Run run = Run.of("inspect", folder.resolve("none").toString(), "--verbose");
    assertEquals(1, run.status());
    assertTrue(run.err().lines().count() > 3, run.err());
    assertTrue(run.err().contains("at io.lrt4j.cli."), run.err());
  }

  @Test
  void whatFollowsTwoDashesIsNoOption() {
    Run.of("ask", "--", "--help").assertOneLine("the default model is not here");
  }

  @Test
  void version() {
    Run run = Run.of("--version");
    assertEquals(0, run.status());
    assertTrue(run.out().startsWith("lrt "), run.out());
  }

  @Test
  void readerThatGoesAwayIsNoError() {
    var err = new ByteArrayOutputStream();
    assertEquals(141, runWriting("Broken pipe", err));
    assertEquals("", err.toString(StandardCharsets.UTF_8));
  }

  @Test
  void fullDiskIsAnError() {
    var err = new ByteArrayOutputStream();
    assertEquals(1, runWriting("No space left on device", err));
    assertEquals(
        "lrt: cannot write the output: No space left on device\n",
        err.toString(StandardCharsets.UTF_8));
  }

  private static int runWriting(String failure, OutputStream err) {
    var broken =
        new OutputStream() {
          @Override
          public void write(int b) throws IOException {
            throw new IOException(failure);
          }
        };
    return Lrt.run(
        new String[] {"info"},
        new PrintStream(new Streams.Loud(broken), false, StandardCharsets.UTF_8),
        new PrintStream(err, false, StandardCharsets.UTF_8),
        InputStream.nullInputStream());
  }

  @Test
  void whatIsPrintedIsUtf8() throws IOException {
    Path missing = folder.resolve("中文-ö");
    assertTrue(Run.of("inspect", missing.toString()).err().contains("中文-ö"));
    assertFalse(Files.exists(missing));
  }
}
