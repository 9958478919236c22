package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.CacheType;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.PromptLookup;
import io.lrt4j.Quantization;
import io.lrt4j.compute.Backends;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.apache.commons.cli.Option;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/** The options that several commands share, and what they mean. */
final class CommonOptions {
  private static final String CUDA = "cuda";
  private static final String QUANTIZE = "none|bf16|q8|q4";
  static final String OUTSIDE_LINKS = "outside-links";

  /** What {@code --backend} takes, the default first. */
  static final String[] BACKENDS = {Backends.AUTO, "scalar", "vector", "native", CUDA};

  /** What {@code --quantize} takes, the default first. */
  static final String[] QUANTIZATIONS = {"none", "bf16", "q8", "q4"};

  static final int MOST_THREADS = 1024;

  private CommonOptions() {}

  /** Of every command. */
  static Options general() {
    return new Options()
        .addOption(flag("json", "print one JSON object instead of text"))
        .addOption(flag("verbose", "show the stack trace of an error, and log messages"))
        .addOption(flag("help", "this text"));
  }

  /** Of commands that load a model. */
  static Options loading() {
    return new Options()
        .addOption(valued("model", "DIR", "Hugging Face checkpoint (default: models/default)"))
        .addOption(
            valued("network", "DIR", "reasoning network (default: network/ in the model, if any)"))
        .addOption(valued("device", "auto|cpu|cuda", "where to compute (default: auto)"))
        .addOption(
            valued(
                "backend",
                "scalar|vector|native|cuda",
                "one that is not available here is an error (default: the best available)"))
        .addOption(valued("threads", "N", "compute threads (default: one per processor)"))
        .addOption(outsideLinks())
        .addOption(
            valued(
                "cache-type",
                "auto|f32|f16|q8",
                "how keys and values are stored; f16 takes half the memory, q8 a quarter (default:"
                    + " auto, f16 with weights in q8 or q4, else f32)"))
        .addOption(
            valued(
                "prompt-lookup",
                "auto|on|off",
                "whether what an answer repeats is guessed and read several tokens at a time, which"
                    + " changes nothing but the time (default: auto, for models of 100 million"
                    + " parameters and more)"))
        .addOption(
            valued(
                "quantize",
                QUANTIZE,
                "weights rounded at load; bf16: activations only, where that is faster (default:"
                    + " none)"))
        .addOption(
            valued(
                "quantize-head",
                QUANTIZE,
                "the base model's head instead (default: as --quantize)"))
        .addOption(
            valued(
                "quantize-network",
                QUANTIZE,
                "the reasoning network instead (default: as --quantize)"))
        .addOption(
            valued(
                "quantize-embedding",
                "none|q8|q4",
                "the base model's embedding; one piece of memory with a head that it is tied to and"
                    + " that is rounded alike (default: none)"));
  }

  /** Of commands that read a checkpoint. */
  static Option outsideLinks() {
    return flag(OUTSIDE_LINKS, "follow symbolic links out of the checkpoint's folder");
  }

  /** How to load an engine. */
  static EngineOptions engine(Arguments arguments) {
    String backend = onDevice(arguments, arguments.choice("backend", BACKENDS));
    String quantize = arguments.choice("quantize", QUANTIZATIONS);
    int threads = arguments.integer("threads", 0, 1, MOST_THREADS);
    return engine(arguments, backend, quantize, threads);
  }

  /** What {@code --backend} and {@code --device} say together. */
  static String onDevice(Arguments arguments, String backend) {
    String device = arguments.choice("device", "auto", "cpu", CUDA);
    boolean onGpu = backend.equals(CUDA);
    if (!backend.equals(Backends.AUTO) && !device.equals("auto") && onGpu != device.equals(CUDA)) {
      throw new UsageException("--device " + device + " and --backend " + backend + " disagree");
    }
    return backend.equals(Backends.AUTO) && !device.equals("auto")
        ? backend(device, Backends.survey())
        : backend;
  }

  /** How to load an engine; {@code threads} is 0 for one per processor. */
  static EngineOptions engine(Arguments arguments, String backend, String quantize, int threads) {
    String cacheType = arguments.choice("cache-type", "auto", "f32", "f16", "q8");
    String promptLookup = arguments.choice("prompt-lookup", "auto", "on", "off");
    String network = arguments.text("network");
    return EngineOptions.defaults()
        .withNetwork(network == null ? null : directory("--network", network))
        .withBackend(backend)
        .withThreads(threads)
        .withCacheType(CacheType.valueOf(cacheType.toUpperCase(Locale.ROOT)))
        .withOutsideLinks(arguments.has(OUTSIDE_LINKS))
        .withPromptLookup(PromptLookup.valueOf(promptLookup.toUpperCase(Locale.ROOT)))
        .withQuantization(of(quantize))
        .withHeadQuantization(quantization(arguments, "quantize-head"))
        .withNetworkQuantization(quantization(arguments, "quantize-network"))
        .withEmbeddingQuantization(of(arguments.choice("quantize-embedding", "none", "q8", "q4")));
  }

  /** What an option says, or null where it is not given. */
  private static @Nullable Quantization quantization(Arguments arguments, String option) {
    return arguments.text(option) == null ? null : of(arguments.choice(option, QUANTIZATIONS));
  }

  /** Of its name, in small letters. */
  static Quantization of(String name) {
    return Quantization.valueOf(name.toUpperCase(Locale.ROOT));
  }

  /** The backend that stands for a device: of the CPU's, the fastest that is available. */
  static String backend(String device, List<Backends.Status> survey) {
    return switch (device) {
      case "cpu" ->
          survey.stream()
              .filter(b -> b.available() && !b.name().equals(CUDA))
              .map(Backends.Status::name)
              .findFirst()
              .orElseThrow();
      case CUDA -> CUDA;
      default -> Backends.AUTO;
    };
  }

  /** The directory that {@code --model} names, or the default model's. */
  static Path model(Arguments arguments, Console console) {
    String model = arguments.text("model");
    if (model != null) {
      return directory("--model", model);
    }
    Path home = console.home();
    Path byDefault = home == null ? null : home.resolve("models").resolve("default");
    if (byDefault == null || !Files.isDirectory(byDefault)) {
      throw new FailureException(
          "the default model is not here: name one with --model DIR, or make one to play with:"
              + " ./lrt init --preset tiny --out /tmp/tiny, then"
              + " ./lrt generate --model /tmp/tiny --ids 1,2,3");
    }
    return byDefault;
  }

  /** Loads a model, and shows how far that is where it takes long and somebody watches. */
  static Engine load(Path model, EngineOptions options, Console console) {
    try (var bar = new LoadingBar(console, System::nanoTime)) {
      return Engine.load(model, options, bar);
    }
  }

  /** A directory that the user named. */
  static Path directory(String what, String name) {
    if (name.isEmpty()) {
      throw new UsageException(what + " must not be empty");
    }
    Path path = Path.of(name);
    @Nullable String problem = null;
    if (!Files.exists(path)) {
      problem = "does not exist";
    } else if (!Files.isDirectory(path)) {
      problem = "is a file, expected a checkpoint directory";
    } else if (!Files.isReadable(path) || !Files.isExecutable(path)) {
      problem = "cannot be read: permission denied";
    }
    if (problem != null) {
      throw new FailureException(what + " " + name + " " + problem);
    }
    return path;
  }
}
