package io.lrt4j.cli;

import static io.lrt4j.cli.Arguments.valued;

import io.lrt4j.LoadListener;
import io.lrt4j.Quantization;
import io.lrt4j.checkpoint.Access;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.checkpoint.GenerationDefaults;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.checkpoint.NetworkConfig;
import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.compute.Backends;
import io.lrt4j.model.ModelConfig;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.apache.commons.cli.Options;

/** {@code lrt inspect}: what is in a checkpoint, base model or reasoning network. */
final class InspectCommand implements Command {
  @Override
  public String name() {
    return "inspect";
  }

  @Override
  public String summary() {
    return "config, tensors, types and sizes of a checkpoint, and what would run it";
  }

  @Override
  public String usage() {
    return "[DIR | --model DIR]";
  }

  @Override
  public int operands() {
    return 1;
  }

  @Override
  public Options options() {
    return CommonOptions.general()
        .addOption(
            valued(
                "model",
                "DIR",
                "base model or reasoning network, as DIR (default: models/default)"))
        .addOption(CommonOptions.outsideLinks());
  }

  @Override
  public void run(Arguments arguments, Console console) throws IOException {
    String operand = arguments.operand();
    if (operand != null && arguments.has("model")) {
      throw new UsageException("inspect takes either DIR or --model DIR, found both");
    }
    Path directory =
        operand == null
            ? CommonOptions.model(arguments, console)
            : CommonOptions.directory("directory", operand);
    String name = directory.toString();
    Content content;
    ModelFiles files = ModelFiles.of(directory, arguments.has(CommonOptions.OUTSIDE_LINKS));
    if (isNetwork(directory)) {
      try (var network = NetworkCheckpoint.open(files, Access.MAP, LoadListener.NONE)) {
        Map<String, Object> facts = facts(network.config());
        addRounded(facts, "rounded", network.rounded());
        content = Content.of("network", network.parameters(), facts, network.tensors());
      }
    } else {
      try (var model = Checkpoint.open(files, Access.MAP, LoadListener.NONE)) {
        Map<String, Object> facts = facts(model.config());
        addGeneration(facts, model.generation());
        addRounded(facts, "rounded", model.rounded());
        addRounded(facts, "rounded_head", model.roundedHead());
        addRounded(facts, "rounded_embedding", model.roundedEmbedding());
        content = Content.of("model", model.parameters(), facts, model.tensors());
      }
    }
    if (arguments.has("json")) {
      console.out().println(Reports.line(content.json(name)));
    } else {
      console.out().print(content.text(name));
    }
  }

  /** Only a look: whichever opens it says what is wrong with it. */
  private static boolean isNetwork(Path directory) throws IOException {
    Path config = directory.resolve("config.json");
    return Files.isRegularFile(config)
        && Files.isReadable(config)
        && Files.size(config) < 1 << 20
        && new String(Files.readAllBytes(config), StandardCharsets.ISO_8859_1)
            .contains("\"lrt_reasoning_network\"");
  }

  /** Under the names that Hugging Face configs have for them. */
  private static Map<String, Object> facts(ModelConfig c) {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("architecture", c.architecture());
    if (c.vocabSize() > 0) {
      facts.put("vocab_size", c.vocabSize());
    }
    facts.put("hidden_size", c.hiddenSize());
    facts.put("intermediate_size", c.intermediateSize());
    facts.put("num_hidden_layers", c.layers());
    facts.put("num_attention_heads", c.heads());
    facts.put("num_key_value_heads", c.kvHeads());
    facts.put("head_dim", c.headDim());
    facts.put("rms_norm_eps", c.rmsNormEps());
    facts.put("tie_word_embeddings", c.tiedEmbeddings());
    facts.put("qkv_bias", c.qkvBias());
    facts.put("output_bias", c.outputBias());
    facts.put("mlp_bias", c.mlpBias());
    facts.put("qk_norm", c.qkNorm());
    facts.put("rope_theta", c.rope().theta());
    facts.put("rope_scaling", scaling(c.rope().scaling()));
    if (c.slidingWindow() > 0) {
      facts.put("sliding_window", c.slidingWindow());
      facts.put("windowed_layers", c.windowed().stream().filter(w -> w).count());
    }
    facts.put("max_position_embeddings", c.maxPositions());
    return facts;
  }

  private static String scaling(ModelConfig.Scaling scaling) {
    return switch (scaling) {
      case ModelConfig.Scaling.None() -> "none";
      case ModelConfig.Scaling.Linear(double factor) -> "linear, factor " + factor;
      case ModelConfig.Scaling.Llama3 s ->
          "llama3, factor " + s.factor() + " from " + s.originalMaxPositions() + " positions";
      case ModelConfig.Scaling.Yarn s ->
          "yarn, factor " + s.factor() + " from " + s.originalMaxPositions() + " positions";
    };
  }

  private static Map<String, Object> facts(NetworkConfig c) {
    Map<String, Object> facts = new LinkedHashMap<>();
    facts.put("base_model", c.baseModel());
    facts.put("base_hidden_size", c.baseHiddenSize());
    facts.put("num_latent_tokens", c.latents());
    facts.put("fusion", Reports.lower(c.fusion()));
    facts.put("close", c.close());
    if (c.autoThreshold().isPresent()) {
      facts.put("auto_threshold", c.autoThreshold().getAsDouble());
      facts.put("auto_confidence", Reports.lower(c.autoConfidence()));
    }
    facts.putAll(facts(c.backbone()));
    return facts;
  }

  /** What is stored in fewer bits, as {@code lrt quantize} writes it. */
  private static void addRounded(Map<String, Object> facts, String name, Quantization type) {
    if (type != Quantization.NONE) {
      facts.put(name, Reports.lower(type));
    }
  }

  private static void addGeneration(Map<String, Object> facts, GenerationDefaults g) {
    facts.put("eos_token_id", g.eosTokenIds());
    facts.put("do_sample", g.doSample());
    if (g.doSample()) {
      facts.put("temperature", g.temperature());
      facts.put("top_k", g.topK());
      facts.put("top_p", g.topP());
      facts.put("min_p", g.minP());
    }
    facts.put("repetition_penalty", g.repetitionPenalty());
  }

  /** What is said of a tensor. */
  private record TensorFact(String name, String dtype, List<Long> shape, long bytes, String file) {}

  /** What is said of a checkpoint, as text or as JSON. */
  private record Content(
      String kind, long parameters, Map<String, Object> facts, List<TensorFact> tensors) {

    /** Nothing of it refers to the mapped files. */
    static Content of(
        String kind, long parameters, Map<String, Object> facts, Collection<StoredTensor> tensors) {
      return new Content(
          kind,
          parameters,
          facts,
          tensors.stream()
              .map(
                  t ->
                      new TensorFact(
                          t.name(),
                          t.storedType(),
                          t.shape(),
                          t.data().byteSize(),
                          String.valueOf(t.file().getFileName())))
              .toList());
    }

    private long bytes() {
      return tensors.stream().mapToLong(TensorFact::bytes).sum();
    }

    private List<String> files() {
      return tensors.stream().map(TensorFact::file).distinct().toList();
    }

    private static List<String> backends() {
      return Backends.survey().stream()
          .filter(Backends.Status::available)
          .map(Backends.Status::name)
          .toList();
    }

    Map<String, Object> json(String directory) {
      return Reports.fields(
          "model", directory,
          "kind", kind,
          "parameters", parameters,
          "bytes", bytes(),
          "files", files(),
          "config", facts,
          "backends", backends(),
          "tensors", tensors);
    }

    String text(String directory) {
      var text = new StringBuilder();
      text.append(directory)
          .append(
              String.format(
                  Locale.ROOT,
                  ": %s, %,d parameters, %,d tensors, %s in %d file%s%n%n",
                  kind.equals("network") ? "reasoning network" : "base model",
                  parameters,
                  tensors.size(),
                  Reports.size(bytes()),
                  files().size(),
                  files().size() == 1 ? "" : "s"));
      facts.forEach(
          (key, value) ->
              text.append(
                  String.format(
                      Locale.ROOT, "  %-25s%s%n", key, Reports.printable(String.valueOf(value)))));
      text.append(String.format("  %-25s%s%n%n", "runs on", String.join(", ", backends())));
      int width =
          tensors.stream().mapToInt(t -> Reports.printable(t.name).length()).max().orElse(0);
      for (TensorFact t : tensors) {
        text.append(
            String.format(
                Locale.ROOT,
                "  %-" + (width + 2) + "s%-6s%-18s%s%n",
                Reports.printable(t.name),
                t.dtype,
                t.shape,
                Reports.size(t.bytes)));
      }
      return text.toString();
    }
  }
}
