package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.flag;
import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.Fusion;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.checkpoint.NetworkShape;
import io.lrt4j.checkpoint.Presets;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.function.Consumer;
import org.apache.commons.cli.Options;
import org.jspecify.annotations.Nullable;

/** {@code lrt init}: randomly initialised checkpoints. */
final class InitCommand implements Command {
  @Override
  public String name() {
    return "init";
  }

  @Override
  public String summary() {
    return "make a randomly initialised checkpoint of a known shape, or a reasoning network";
  }

  @Override
  public String usage() {
    return "--out DIR (--preset NAME [--network] | --network --model DIR) [--seed S]";
  }

  @Override
  public Options options() {
    return Arguments.together(
        new Options()
            .addOption(
                valued("preset", "NAME", "the shape, one of " + String.join(", ", Presets.names())))
            .addOption(valued("out", "DIR", "where to write; must not exist, or be empty"))
            .addOption(valued("seed", "S", "same seed, same weights (default: 0)"))
            .addOption(
                flag(
                    "network",
                    "a reasoning network that fits: in DIR/network with --preset, in DIR with"
                        + " --model"))
            .addOption(valued("model", "DIR", "the base model that the network is for"))
            .addOption(
                valued("backbone", "DIR", "of the network: a Qwen3 checkpoint to take layers from"))
            .addOption(
                valued(
                    "latents",
                    "T",
                    "of the network: latent vectors (default: 256, or 64 for a base that is"
                        + " narrower than 1024)"))
            .addOption(
                valued(
                    "layers",
                    "L",
                    "of the network: decoder layers (default: 28, or half of the base's, 2 to 4,"
                        + " for such a base; with --backbone all of it)"))
            .addOption(valued("fusion", "append|hadamard", "of the network (default: append)")),
        CommonOptions.general());
  }

  @Override
  public void run(Arguments arguments, Console console) throws IOException {
    String preset = arguments.text("preset");
    boolean network = arguments.has("network");
    String base = arguments.text("model");
    String outName = arguments.text("out");
    if (outName == null) {
      throw new UsageException("init needs --out DIR, the directory to write");
    }
    if (preset != null && !Presets.names().contains(preset)) {
      throw new UsageException(
          "--preset must be one of " + String.join(", ", Presets.names()) + ", found " + preset);
    }
    if ((preset == null) == (base == null)) {
      throw new UsageException(
          "init needs either --preset NAME or --network --model DIR"
              + (preset == null ? ", found neither" : ", found both"));
    }
    if (base != null && !network) {
      throw new UsageException("init --model DIR makes a network for that model: add --network");
    }
    if (!network) {
      for (String option : List.of("backbone", "latents", "layers", "fusion")) {
        if (arguments.has(option)) {
          throw new UsageException("--" + option + " is about a network: add --network");
        }
      }
    }
    long seed = arguments.integer("seed", 0L, Long.MIN_VALUE, Long.MAX_VALUE);
    int latents = arguments.integer("latents", 0, 1, 1 << 16);
    int layers = arguments.integer("layers", 0, 1, 1024);
    Fusion fusion =
        Fusion.valueOf(arguments.choice("fusion", "append", "hadamard").toUpperCase(Locale.ROOT));

    Path out = Path.of(outName);
    String backbone = arguments.text("backbone");
    Path from = backbone == null ? null : CommonOptions.directory("--backbone", backbone);
    Path to = preset == null ? out : out.resolve("network");
    Consumer<Checkpoint> makeNetwork =
        checkpoint -> {
          NetworkShape shape = NetworkShape.suiting(checkpoint.config()).withFusion(fusion);
          shape = latents > 0 ? shape.withLatents(latents) : shape;
          shape = layers > 0 ? shape.withLayers(layers) : shape;
          if (from == null) {
            Initializer.network(checkpoint, to, shape, seed);
          } else {
            Initializer.network(checkpoint, from, layers, shape.latents(), fusion, to, seed);
          }
        };
    if (preset != null) {
      Initializer.model(preset, out, seed, network ? makeNetwork : _ -> {});
    }
    if (base != null) {
      try (var checkpoint = Checkpoint.open(CommonOptions.directory("--model", base))) {
        makeNetwork.accept(checkpoint);
      }
    }
    List<Path> made = preset == null ? List.of(to) : network ? List.of(out, to) : List.of(out);
    report(made, seed, preset, arguments.has("json"), console);
  }

  private static void report(
      List<Path> made, long seed, @Nullable String preset, boolean json, Console console)
      throws IOException {
    long bytes = 0;
    for (Path directory : made) {
      try (var files = Files.list(directory)) {
        for (Path file : files.filter(Files::isRegularFile).toList()) {
          bytes += Files.size(file);
        }
      }
    }
    List<String> names = made.stream().map(Path::toString).toList();
    if (json) {
      var object = Reports.object();
      var written = object.putArray("written");
      names.forEach(written::add);
      object.put("preset", preset).put("seed", seed).put("bytes", bytes);
      console.out().println(Reports.line(object));
    } else {
      console.out().println(String.join("\n", names));
      console.note("Wrote " + Reports.size(bytes) + ", seed " + seed + ".");
    }
  }
}
