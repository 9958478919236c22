package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.valued;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.BackendException;
import io.lrt4j.EngineOptions;
import io.lrt4j.compute.Closing;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/** {@code lrt bench}: how fast a model is on this machine. */
final class BenchCommand implements Command {
  private static final String PROMPTS = "128,256,512";
  private static final int TOKENS = 64;
  private static final int AFTER = 256;
  private static final int REPETITIONS = 5;
  private static final long CACHES = 64L << 20; // hardly any hold so much
  private static final int MEMORY_MEBIBYTES = 512;
  private static final int MOST = 1_000_000; // of anything that is counted here

  @Override
  public String name() {
    return "bench";
  }

  @Override
  public String summary() {
    return "how fast a model is here: load, prefill, decode, latent reasoning, part by part";
  }

  @Override
  public String usage() {
    return "[--model DIR] [--prompt 128,256,512] [--tokens 64] [--quantize none,q8] [--json]";
  }

  @Override
  public Options options() {
    Options loading = new Options();
    CommonOptions.loading().getOptions().stream()
        .filter(o -> !o.getLongOpt().equals("prompt-lookup")) // nothing repeats here
        .map(BenchCommand::several)
        .forEach(loading::addOption);
    return Arguments.together(
        new Options()
            .addOption(
                valued("prompt", "N,…", "lengths of prompts, tokens (default: " + PROMPTS + ")"))
            .addOption(
                valued(
                    "tokens", "N", "tokens to decode, and of an answer (default: " + TOKENS + ")"))
            .addOption(
                valued("after", "N", "tokens that decoding comes after (default: " + AFTER + ")"))
            .addOption(
                valued(
                    "repetitions",
                    "N",
                    "how often everything is measured (default: 5), after once" + " to warm up"))
            .addOption(valued("seed", "S", "of the token ids (default: 1)"))
            .addOption(valued("out", "FILE.json", "write the JSON object to a file too")),
        loading,
        CommonOptions.general());
  }

  /** Options that take several values here. */
  private static Option several(Option option) {
    return switch (option.getLongOpt()) {
      case "backend" ->
          valued("backend", "native,vector,…", "one or several (default: the best available)");
      case "threads" ->
          valued("threads", "N,…", "compute threads, one or several (default: one per processor)");
      case "quantize" ->
          valued("quantize", "none,bf16,q8,q4", "one or several, as in other commands");
      default -> option;
    };
  }

  @Override
  public String notes() {
    return """
    A number is the median of the repetitions, with the smallest and the largest; before them is one
    that does not count, of a second at least. Every backend, quantization and number of threads is
    measured with every other. They take turns within each repetition, so that what slows the machine
    down for a while slows them all, and are in memory together.
    Token ids are random, decoding is greedy and ends at no token. load: weights are read, not mapped.
    Where a decode step reads more than caches hold, memory is read for as long right before and behind
    (in the way that is the fastest here), and what decoding reads a second is a share of that.
    latent: a question of 128 tokens (or what fits) is encoded, the network reasons, its latents and
    the closing text are prefilled (then the first token is there), the answer is decoded.
    """;
  }

  @Override
  public void run(Arguments arguments, Console console) throws IOException {
    List<Integer> prompts = arguments.integers("prompt", PROMPTS, 1, MOST);
    int tokens = arguments.integer("tokens", TOKENS, 1, MOST);
    int after = arguments.integer("after", AFTER, 1, MOST);
    int repetitions = arguments.integer("repetitions", REPETITIONS, 1, 1000);
    long seed = arguments.integer("seed", 1L, Long.MIN_VALUE, Long.MAX_VALUE);
    List<EngineOptions> settings = settings(arguments);
    String outName = arguments.text("out");
    Path out = outName == null ? null : file(outName);
    Path model = CommonOptions.model(arguments, console);
    Path network = settings.getFirst().network();
    if (network == null && Files.isDirectory(model.resolve("network"))) {
      network = model.resolve("network");
    }
    boolean links = arguments.has(CommonOptions.OUTSIDE_LINKS);
    BenchSizes sizes =
        BenchSizes.fitting(prompts, after, tokens, model, network, links, console::note);
    boolean tellThreads = settings.stream().map(EngineOptions::threads).distinct().count() > 1;
    var asked = new Asked(model, network, tokens, repetitions, seed, sizes);
    Machine machine = Machine.here();
    double load = Machine.loadAverage(); // before it is ours
    List<BenchSubject> subjects = new ArrayList<>();
    try (var memory = new BenchMemory(CACHES, MEMORY_MEBIBYTES)) {
      for (EngineOptions setting : settings) {
        EngineOptions options = setting.withNetwork(network);
        subjects.add(new BenchSubject(model, options, sizes, seed, memory, tellThreads));
      }
      measure(subjects, repetitions, console);
      ObjectNode json = json(asked, machine, load, subjects);
      if (out != null) {
        Files.writeString(out, Reports.line(json) + "\n");
      }
      if (arguments.has("json")) {
        console.out().println(Reports.line(json));
      } else {
        print(asked, machine, subjects, console.out());
      }
    } finally {
      Closing.each(subjects, BenchSubject::close);
    }
  }

  /** What all settings share. */
  private record Asked(
      Path model,
      @Nullable Path network,
      int tokens,
      int repetitions,
      long seed,
      BenchSizes sizes) {}

  /** Each quantisation with each backend and each number of threads. */
  private static List<EngineOptions> settings(Arguments arguments) {
    List<String> backends =
        arguments.choices("backend", CommonOptions.BACKENDS).stream()
            .map(backend -> CommonOptions.onDevice(arguments, backend))
            .toList();
    List<Integer> threads =
        arguments.has("threads")
            ? arguments.integers("threads", "", 1, CommonOptions.MOST_THREADS)
            : List.of(0);
    List<EngineOptions> settings = new ArrayList<>();
    for (String quantize : arguments.choices("quantize", CommonOptions.QUANTIZATIONS)) {
      for (String backend : backends) {
        for (int n : threads) {
          settings.add(CommonOptions.engine(arguments, backend, quantize, n));
        }
      }
    }
    return settings;
  }

  /** A file to write, looked at before the time is spent. */
  private static Path file(String name) {
    if (name.isEmpty()) {
      throw new UsageException("--out must not be empty");
    }
    Path file = Path.of(name);
    Path folder = file.toAbsolutePath().getParent();
    @Nullable String problem = null;
    if (folder == null || Files.isDirectory(file)) {
      problem = "is a folder, expected a file";
    } else if (!Files.isDirectory(folder)) {
      problem = "cannot be written: its folder does not exist";
    } else if (!Files.isWritable(Files.exists(file) ? file : folder)) {
      problem = "cannot be written: permission denied";
    }
    if (problem != null) {
      throw new FailureException("--out " + name + " " + problem);
    }
    return file;
  }

  /** Measures all, in turns; those that cannot be are taken out of {@code subjects}. */
  private static void measure(List<BenchSubject> subjects, int repetitions, Console console) {
    int rounds = repetitions + 1;
    try (var progress = new BenchProgress(console, (2 * rounds + 1) * subjects.size())) {
      // First alone, so that one model needs its room once.
      for (int i = 0; i < rounds; i++) {
        each(subjects, "load, " + round(i, repetitions), BenchSubject::load, progress);
      }
      each(subjects, "load", BenchSubject::open, progress);
      each(subjects, round(0, repetitions), BenchSubject::warmUp, progress);
      for (int i = 1; i < rounds; i++) {
        each(subjects, round(i, repetitions), BenchSubject::run, progress);
      }
    }
  }

  private static String round(int i, int repetitions) {
    return i == 0 ? "to warm up" : "repetition " + i + " of " + repetitions;
  }

  private static void each(
      List<BenchSubject> subjects,
      String what,
      Consumer<BenchSubject> part,
      BenchProgress progress) {
    for (BenchSubject subject : List.copyOf(subjects)) {
      progress.next(subject.name() + ": " + what);
      try {
        part.accept(subject);
      } catch (BackendException e) {
        if (subjects.size() == 1) {
          throw e;
        }
        progress.note(subject.name() + " is left out: " + e.getMessage());
        subjects.remove(subject);
        subject.close();
      }
    }
  }

  private static ObjectNode json(
      Asked asked, Machine machine, double load, List<BenchSubject> subjects) {
    ObjectNode json = Reports.object();
    json.put("lrt", Lrt.version());
    json.put("model", asked.model.toString());
    json.put("network", asked.network == null ? null : asked.network.toString());
    json.putObject("machine")
        .put("processor", machine.processor())
        .put("processors", machine.threads())
        .put("memory_bytes", machine.memoryBytes())
        .put("vector_bits", machine.vectorBits())
        .put("java", machine.java())
        .put("load_average", load);
    ObjectNode settings = json.putObject("settings");
    var prompts = settings.putArray("prompt");
    asked.sizes.prompts().forEach(prompts::add);
    settings
        .put("tokens", asked.tokens)
        .put("after", asked.sizes.after())
        .put("repetitions", asked.repetitions)
        .put("seed", asked.seed);
    var results = json.putArray("results");
    subjects.forEach(subject -> results.add(subject.json()));
    return json;
  }

  private static void print(
      Asked asked, Machine machine, List<BenchSubject> subjects, PrintStream out) {
    String network = asked.network == null ? "" : ", network " + asked.network;
    out.println("model      " + asked.model + network);
    out.println("processor  " + machine.processor() + ", " + machine.threads() + " processors");
    out.println("java       " + machine.java());
    subjects.stream()
        .map(BenchSubject::describe)
        .distinct()
        .forEach(line -> out.println("backend    " + line));
    if (asked.repetitions > 1) {
      out.println("medians    of " + asked.repetitions + " (smallest-largest)");
    }
    out.println();
    new BenchTable(asked.sizes, subjects).print(out);
  }
}
