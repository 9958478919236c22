package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.function.IntFunction;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** What {@code --help} says, the options of every command, and what a misspelt name is near to. */
class HelpTest {
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
}
