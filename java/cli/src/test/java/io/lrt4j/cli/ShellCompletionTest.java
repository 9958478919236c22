package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;

/** What bash offers with the script of {@code lrt completion bash}. */
class ShellCompletionTest {
  /** The last word is the one that is being typed. */
  private static String offered(String... words) throws IOException, InterruptedException {
    Run script = Run.of("completion", "bash");
    assertEquals(0, script.status());
    String typed =
        Arrays.stream(words).map(word -> "'" + word + "'").collect(Collectors.joining(" "));
    String test =
        "\nCOMP_WORDS=(%s)\nCOMP_CWORD=%d\n_lrt\necho \"${COMPREPLY[*]}\"\n"
            .formatted(typed, words.length - 1);
    Process bash = new ProcessBuilder("bash", "-s").redirectErrorStream(true).start();
    try (var in = bash.getOutputStream()) {
      in.write((script.out() + test).getBytes(StandardCharsets.UTF_8));
    }
    String output = new String(bash.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, bash.waitFor(), output);
    return output.strip();
  }

  @Test
  void commandsOptionsAndValues() throws IOException, InterruptedException {
    assertEquals(Set.of("init", "inspect", "info"), Set.of(offered("lrt", "in").split(" ")));
    assertEquals(
        Set.of("--model", "--mode", "--max-tokens", "--min-p"),
        Set.of(offered("lrt", "ask", "--m").split(" ")));
    assertEquals("latent", offered("lrt", "ask", "--mode", "l"));
    assertEquals("scalar", offered("lrt", "ask", "x", "--backend", "s"));
    assertEquals("", offered("lrt", "ask", "--model", ""), "a folder is the shell's to complete");
    assertEquals("study", offered("lrt", "help", "st"));
  }

  @Test
  void zshTakesTheSame() {
    String bash = Run.of("completion", "bash").out();
    assertEquals(
        "autoload -Uz bashcompinit && bashcompinit\n" + bash, Run.of("completion", "zsh").out());
  }
}
