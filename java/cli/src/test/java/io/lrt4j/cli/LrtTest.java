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
import java.util.function.IntFunction;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Parsing, exit statuses, and the one line that everything wrong ends in. */
class LrtTest {
  @TempDir Path folder;

  static Stream<Arguments> wrongUsage() {
    return Stream.of(
        wrong(
            "no command given; the commands are ask, chat, generate, score, inspect, init,"
                + " quantize, train, lab, eval, study, bench, serve, info, completion"),
        wrong("unknown command \"tell\"; the commands are ask,", "tell"),
        wrong("unknown command \"server\"", "server", "x"),
        wrong(
            "without API keys the server listens on the loopback only",
            "serve",
            "--host",
            "0.0.0.0"),
        wrong(
            "an allowed host must be a name or an address without scheme and port, or *, found"
                + " http://lrt.example",
            "serve",
            "--allowed-host",
            "lrt.example",
            "--allowed-host",
            "http://lrt.example"),
        wrong("unknown command \"\"", ""),
        wrong("unknown command \"aks\" (did you mean ask?); the commands are ask,", "aks"),
        wrong("unknown command \"gen\" (did you mean generate?)", "gen"),
        wrong("unknown command \"evl\" (did you mean eval?)", "help", "evl"),
        wrong("help takes one command, found 2", "help", "ask", "info"),
        wrong("completion is for bash or zsh, found nothing", "completion"),
        wrong("completion is for bash or zsh, found fish", "completion", "fish"),
        wrong(
            "unknown option --temprature (did you mean --temperature?); see lrt ask --help",
            "ask",
            "x",
            "--temprature",
            "1"),
        wrong("unknown option --sed=1 (did you mean --seed?)", "ask", "x", "--sed=1"),
        wrong("unknown option -x", "ask", "x", "-x"),
        wrong("unknown option --temp (did you mean --temperature?)", "ask", "x", "--temp", "1"),
        wrong("--model needs a value", "ask", "x", "--model"),
        wrong("--seed is given twice", "ask", "x", "--seed", "1", "--seed", "2"),
        wrong("unexpected argument \"b\" (is a quotation mark missing?)", "ask", "a", "b"),
        wrong("unexpected argument \"a\"", "info", "a"),
        wrong("--top-p must be above 0 and at most 1, found 7", "ask", "x", "--top-p", "7"),
        wrong("--top-p must be above 0 and at most 1, found 0", "ask", "x", "--top-p", "0"),
        wrong("--top-p must be above 0 and at most 1, found NaN", "ask", "x", "--top-p", "NaN"),
        wrong(
            "--temperature must be 0 (greedy) or more, found -1",
            "ask",
            "x",
            "--temperature",
            "-1"),
        wrong(
            "--temperature must be 0 (greedy) or more, found hot",
            "ask",
            "x",
            "--temperature",
            "hot"),
        wrong(
            "--temperature must be 0 (greedy) or more, found Infinity",
            "ask",
            "x",
            "--temperature",
            "Infinity"),
        wrong("--min-p must be from 0 to 1, found 2", "ask", "x", "--min-p", "2"),
        wrong(
            "--repetition-penalty must be from 0.01 to 100, found 0",
            "ask",
            "x",
            "--repetition-penalty",
            "0"),
        wrong(
            "--presence-penalty must be from -100 to 100, found 3.4e38",
            "ask",
            "x",
            "--presence-penalty",
            "3.4e38"),
        wrong(
            "--top-k must be a whole number of at least 0, found -1", "ask", "x", "--top-k", "-1"),
        wrong(
            "--max-tokens must be a whole number of at least 1, found 0",
            "ask",
            "x",
            "--max-tokens",
            "0"),
        wrong(
            "--max-tokens must be a whole number of at least 1, found 1.5",
            "ask",
            "x",
            "--max-tokens",
            "1.5"),
        wrong(
            "--max-tokens must be a whole number from 1 to 2147483647, found 99999999999",
            "ask",
            "x",
            "--max-tokens",
            "99999999999"),
        wrong(
            "--budget must be a whole number of at least 2, found 1", "ask", "x", "--budget", "1"),
        wrong(
            "--threads must be a whole number from 1 to 1024, found 0",
            "ask",
            "x",
            "--threads",
            "0"),
        wrong(
            "--seed must be a whole number from -9223372036854775808 to 9223372036854775807, found"
                + " 99999999999999999999",
            "ask",
            "x",
            "--seed",
            "99999999999999999999"),
        wrong(
            "--ids must be token ids from 0 to 2147483647, found 1,99999999999",
            "generate",
            "--ids",
            "1,99999999999"),
        wrong(
            "unknown option -5+3?; a text that begins with - goes after --; see lrt ask --help",
            "ask",
            "-5+3?"),
        wrong(
            "unknown option --x + 3?; a text that begins with - goes after --", "ask", "--x + 3?"),
        wrong("unknown option -x = 3, 2x?; a text that begins", "ask", "-x = 3, 2x?"),
        wrong("--seed must be a whole number, found x", "ask", "x", "--seed", "x"),
        wrong("--seed must be a whole number, found nothing", "ask", "x", "--seed", ""),
        wrong("--stop must not be empty", "ask", "x", "--stop", ""),
        wrong(
            "--samples must be a whole number from 1 to 4096, found 0",
            "ask",
            "x",
            "--samples",
            "0"),
        wrong(
            "--mode must be one of auto, latent, explicit, direct, found Latent",
            "ask",
            "x",
            "--mode",
            "Latent"),
        wrong(
            "--compare goes with neither --mode nor --samples",
            "ask",
            "x",
            "--compare",
            "--mode",
            "latent"),
        wrong(
            "--compare goes with neither --mode nor --samples",
            "ask",
            "x",
            "--compare",
            "--samples",
            "2"),
        wrong("--device must be one of auto, cpu, cuda, found gpu", "ask", "x", "--device", "gpu"),
        wrong(
            "--device cpu and --backend cuda disagree",
            "ask",
            "x",
            "--device",
            "cpu",
            "--backend",
            "cuda"),
        wrong(
            "--device cuda and --backend vector disagree",
            "ask",
            "x",
            "--device",
            "cuda",
            "--backend",
            "vector"),
        wrong(
            "--quantize must be one of none, bf16, q8, q4, found q2",
            "ask",
            "x",
            "--quantize",
            "q2"),
        wrong(
            "--quantize-head must be one of none, bf16, q8, q4, found q2",
            "ask",
            "x",
            "--quantize-head",
            "q2"),
        wrong("exactly one of --prompt TEXT and --ids 1,2,3 is needed", "generate"),
        wrong(
            "exactly one of --prompt TEXT and --ids 1,2,3 is needed",
            "score",
            "--prompt",
            "a",
            "--ids",
            "1"),
        wrong("--prompt must not be empty", "generate", "--prompt", ""),
        wrong(
            "--ids must be token ids separated by commas, as in 1,2,3, found 1,,2",
            "generate",
            "--ids",
            "1,,2"),
        wrong(
            "--ids must be token ids separated by commas, as in 1,2,3, found 1,-2",
            "generate",
            "--ids",
            "1,-2"),
        wrong(
            "--ids must be token ids separated by commas, as in 1,2,3, found nothing",
            "score",
            "--ids",
            ""),
        wrong(
            "inspect takes either DIR or --model DIR, found both", "inspect", "a", "--model", "b"),
        wrong(
            "--prompt must be whole numbers from 1 to 1000000, separated by commas, found 0",
            "bench",
            "--prompt",
            "0"),
        wrong("--prompt must be whole numbers from 1 to", "bench", "--prompt", "8,"),
        wrong(
            "--prompt must be whole numbers from 1 to 1000000, separated by commas, found nothing",
            "bench",
            "--prompt",
            ""),
        wrong("--prompt must be whole numbers", "bench", "--prompt", "9999999999"),
        wrong(
            "--tokens must be a whole number from 1 to 1000000, found -1",
            "bench",
            "--tokens",
            "-1"),
        wrong("--after must be a whole number", "bench", "--after", "0"),
        wrong(
            "--repetitions must be a whole number from 1 to 1000, found x",
            "bench",
            "--repetitions",
            "x"),
        wrong(
            "--threads must be whole numbers from 1 to 1024, separated by commas, found 1,0",
            "bench",
            "--threads",
            "1,0"),
        wrong(
            "--quantize must be one of none, bf16, q8, q4, found q2",
            "bench",
            "--quantize",
            "q8,q2"),
        wrong(
            "--backend must be one of auto, scalar, vector, native, cuda, found nothing",
            "bench",
            "--backend",
            "vector,"),
        wrong(
            "--device cpu and --backend cuda disagree",
            "bench",
            "--device",
            "cpu",
            "--backend",
            "vector,cuda"),
        wrong("--out must not be empty", "bench", "--out", ""),
        wrong("unknown option --prompt-lookup", "bench", "--prompt-lookup", "on"),
        wrong("unexpected argument \"x\"", "bench", "x"),
        wrong("--model must not be empty", "ask", "x", "--model", ""),
        wrong(
            "--modes must be of auto, latent, explicit, direct, separated by commas, found"
                + " latent,fast",
            "lab",
            "exam",
            "--modes",
            "latent,fast"),
        wrong("init needs --out DIR", "init", "--preset", "tiny"),
        wrong("--preset must be one of tiny, ", "init", "--out", "x", "--preset", "gigantic"),
        wrong(
            "init needs either --preset NAME or --network --model DIR, found neither",
            "init",
            "--out",
            "x"),
        wrong("found both", "init", "--out", "x", "--preset", "tiny", "--model", "y"),
        wrong("add --network", "init", "--out", "x", "--model", "y"),
        wrong(
            "--latents is about a network: add --network",
            "init",
            "--out",
            "x",
            "--preset",
            "tiny",
            "--latents",
            "4"));
  }

  private static Arguments wrong(String message, String... args) {
    return Arguments.of(List.of(args), message);
  }

  @ParameterizedTest(name = "lrt {0}")
  @MethodSource
  void wrongUsage(List<String> args, String message) {
    Run run = Run.of(args.toArray(String[]::new));
    assertOneLine(run, message);
    assertEquals(2, run.status());
  }

  private static void assertOneLine(Run run, String message) {
    assertEquals("", run.out());
    assertTrue(run.err().startsWith("lrt: "), run.err());
    assertTrue(run.err().contains(message), run.err());
    assertEquals(1, run.err().lines().count(), run.err());
  }

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
    assertOneLine(run, message);
    assertEquals(1, run.status());
  }

  @Test
  void emptyQuestion() {
    assertOneLine(Run.of("ask", "  ", "--model", folder.toString()), "the question is empty");
    assertOneLine(
        Run.withInput("\n", "ask", "--model", folder.toString()), "the question is empty");
    assertOneLine(
        Run.withInput(" \n", "ask", "-", "--model", folder.toString()), "the question is empty");
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
    assertOneLine(Run.of("ask", "--", "--help"), "the default model is not here");
  }

  @Test
  void generalHelpListsEveryCommandAndNoOther() {
    for (String option : List.of("--help", "-h")) {
      Run run = Run.of(option);
      assertEquals(0, run.status());
      assertEquals("", run.err());
      assertEquals(
          List.of(
              "ask",
              "chat",
              "generate",
              "score",
              "inspect",
              "init",
              "quantize",
              "train",
              "lab",
              "eval",
              "study",
              "bench",
              "serve",
              "info",
              "completion"),
          run.out()
              .lines()
              .filter(line -> line.startsWith("  "))
              .map(line -> line.strip().split(" ", 2)[0])
              .toList());
    }
  }

  @Test
  void helpOfEveryCommandShowsEveryOption() {
    for (Command command : Lrt.COMMANDS) {
      Run run = Run.of(command.name(), "--seed", "wrong", "--help");
      assertEquals(0, run.status(), command.name());
      assertEquals("", run.err());
      assertTrue(run.out().startsWith("Usage: lrt " + command.name()), run.out());
      command
          .options()
          .getOptions()
          .forEach(
              option -> assertTrue(run.out().contains("\n  --" + option.getLongOpt()), run.out()));
      assertTrue(run.out().lines().allMatch(line -> line.length() <= 100), run.out());
    }
  }

  @Test
  void helpOfEveryCommandNamesNoOptionOfOthers() {
    for (Command command : Lrt.COMMANDS) {
      Pattern.compile("--([a-z][a-z0-9-]*)")
          .matcher(Run.of("help", command.name()).out())
          .results()
          .map(found -> found.group(1))
          .forEach(
              option ->
                  assertTrue(
                      command.options().hasLongOption(option), command.name() + " --" + option));
    }
  }

  @Test
  void helpOfACommand() {
    assertEquals(Run.of("ask", "--help"), Run.of("help", "ask"));
    assertEquals(Run.of("--help"), Run.of("help"));
    List<IntFunction<String>> helps =
        List.of(
            columns -> Help.of(new TrainCommand(), columns),
            columns -> Help.general(Lrt.COMMANDS, columns));
    for (IntFunction<String> help : helps) {
      for (int columns : new int[] {1, 60, 73, 100, 400}) {
        String narrow = help.apply(columns);
        int most = Math.clamp(columns, 60, 100);
        assertTrue(narrow.lines().allMatch(line -> line.length() <= most), narrow);
        assertEquals(help.apply(0).replaceAll("\\s+", " "), narrow.replaceAll("\\s+", " "));
      }
    }
  }

  @Test
  void distances() {
    assertEquals(0, Nearest.distance("ask", "ask"));
    assertEquals(1, Nearest.distance("aks", "ask"));
    assertEquals(3, Nearest.distance("", "ask"));
    assertEquals(3, Nearest.distance("kitten", "sitting"));
    assertEquals("", Nearest.hint("", Stream.of("ask", "info")));
    assertEquals("", Nearest.hint("tell", Stream.of("ask", "eval")));
  }

  static Stream<Arguments> options() {
    var common = "json verbose help";
    var loading =
        "model network device backend threads cache-type quantize quantize-head quantize-network"
            + " quantize-embedding"
            + " outside-links prompt-lookup "
            + common;
    var decoding =
        "max-tokens budget thinking-budget ignore-eos temperature top-p top-k min-p"
            + " repetition-penalty presence-penalty frequency-penalty json-schema seed stop ";
    return Stream.of(
        Arguments.of(
            "ask", "mode system samples compare allow-special-tokens " + decoding + loading),
        Arguments.of("chat", "mode system allow-special-tokens " + decoding + loading),
        Arguments.of("generate", "prompt ids " + decoding + loading),
        Arguments.of("score", "prompt ids dump " + loading),
        Arguments.of("inspect", "model outside-links " + common),
        Arguments.of(
            "init", "preset out seed network model backbone latents layers fusion " + common),
        Arguments.of("quantize", "model out to head network embedding " + common),
        Arguments.of(
            "train",
            "model network reference lab range step-weights step-loss curriculum data eval-data"
                + " eval out resume steps batch accumulate lr warmup lr-floor lr-hold muon-lr"
                + " weight-decay clip beta1 beta2 seed log-every eval-every save-every recompute"
                + " dtype loss direct-weight group temperature top-p kl clip-ratio inner-epochs"
                + " max-tokens reward backend threads "
                + common),
        Arguments.of(
            "lab",
            "count steps range split seed out vocabulary hidden intermediate layers heads head-dim"
                + " modes calibrate tolerance "
                + loading),
        Arguments.of(
            "eval",
            "data format question-field answer-field grader limit out resume modes budgets samples"
                + " batch grade compare temperature top-p top-k min-p repetition-penalty"
                + " presence-penalty frequency-penalty json-schema seed stop "
                + loading),
        Arguments.of(
            "study",
            "data format question-field answer-field grader limit out resume networks depths stages"
                + " budget budgets samples batch temperature seed tolerance write-threshold "
                + loading),
        Arguments.of(
            "serve",
            "host port name key-file allowed-host tls-certificates tls-key answers queue time-limit"
                + " grace no-warm-up quiet "
                + loading),
        Arguments.of("info", common),
        Arguments.of("completion", common));
  }

  @ParameterizedTest
  @MethodSource
  void options(String name, String expected) {
    Command command =
        Lrt.COMMANDS.stream().filter(c -> c.name().equals(name)).findFirst().orElseThrow();
    assertEquals(
        Stream.of(expected.split(" ")).sorted().toList(),
        command.options().getOptions().stream().map(o -> o.getLongOpt()).sorted().toList());
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
