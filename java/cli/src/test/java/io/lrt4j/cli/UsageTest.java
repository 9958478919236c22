package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Arguments that are wrong: the status 2, and one line that says what was expected. */
class UsageTest {
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
    run.assertOneLine(message);
    assertEquals(2, run.status());
  }
}
