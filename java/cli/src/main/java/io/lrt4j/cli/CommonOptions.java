package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.BackendException;
import io.lrt4j.EngineOptions;
import java.nio.file.Files;
import java.nio.file.Path;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/** The options that several commands share, and what they mean. */
final class CommonOptions {
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
        .addOption(valued("quantize", "none|q8|q4", "only none in this version"));
  }

  static EngineOptions engine(Arguments arguments) {
    String device = arguments.choice("device", "auto", "cpu", "cuda");
    String backend = arguments.choice("backend", "auto", "scalar", "vector", "native", "cuda");
    boolean onGpu = backend.equals("cuda");
    if (!backend.equals("auto") && !device.equals("auto") && onGpu != device.equals("cuda")) {
      throw new UsageException("--device " + device + " and --backend " + backend + " disagree");
    }
    if (device.equals("cuda")) {
      backend = "cuda";
    }
    String quantize = arguments.choice("quantize", "none", "q8", "q4");
    if (!quantize.equals("none")) {
      throw new BackendException(
          "--quantize "
              + quantize
              + " is not available in this version, which runs weights in their own type");
    }
    int threads = arguments.integer("threads", 0, 1, 1024);
    String network = arguments.text("network");
    return EngineOptions.defaults()
        .withNetwork(network == null ? null : directory("--network", network))
        .withBackend(backend)
        .withThreads(threads);
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
          "there is no default model yet: name one with --model DIR, or make one to play with:"
              + " ./lrt init --preset tiny --out /tmp/tiny, then"
              + " ./lrt generate --model /tmp/tiny --ids 1,2,3");
    }
    return byDefault;
  }

  /** A directory that the user named. */
  static Path directory(String what, String name) {
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
