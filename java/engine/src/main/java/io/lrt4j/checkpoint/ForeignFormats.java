package io.lrt4j.checkpoint;

import io.lrt4j.UnsupportedModelException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/** Formats of weights that are not read, told by name, so that a refusal says what is there. */
final class ForeignFormats {
  private ForeignFormats() {}

  /** What to say where a file of a checkpoint is missing: empty, or what is there in its place. */
  static String hint(ModelFiles files) {
    List<String> names = new ArrayList<>();
    try (var entries = Files.newDirectoryStream(files.directory())) {
      for (Path entry : entries) {
        names.add(String.valueOf(entry.getFileName()));
      }
    } catch (IOException e) {
      return ""; // whoever opens the file says why
    }
    names.sort(null);
    String adapter = first(names, n -> n.startsWith("adapter_"));
    if (adapter != null) {
      return "; "
          + Json.quote(adapter)
          + " belongs to an adapter, which has to be merged into its base model first"
          + " (merge_and_unload)";
    }
    String gguf = first(names, n -> n.endsWith(".gguf"));
    if (gguf != null) {
      return "; " + Json.quote(gguf) + " is GGUF, which is not read: take the model's safetensors";
    }
    String other =
        first(
            names,
            n ->
                n.matches("(pytorch_model|model|consolidated).*\\.(bin|pt|pth)")
                    || n.matches("(tf_model|flax_model|model).*\\.(h5|msgpack|onnx)"));
    if (other != null) {
      return "; "
          + Json.quote(other)
          + " is not read: save the model as safetensors (save_pretrained)";
    }
    String elsewhere = first(names, n -> n.endsWith(".safetensors"));
    return elsewhere == null ? "" : "; there is " + Json.quote(elsewhere);
  }

  private static @Nullable String first(List<String> names, Predicate<String> wanted) {
    return names.stream().filter(wanted).findFirst().orElse(null);
  }

  /**
   * Refuses weights that are quantised, going by the names that each tool gives what it adds.
   *
   * @throws UnsupportedModelException if a tensor bears such a name
   */
  static void refuseQuantised(Path file, String tensor, Predicate<String> present) {
    String by = null;
    if (tensor.endsWith(".qweight") || tensor.endsWith(".qzeros")) {
      by = "GPTQ or AWQ";
    } else if (tensor.endsWith(".weight_scale") || tensor.endsWith(".weight_scale_inv")) {
      by = "FP8 or compressed-tensors";
    } else if (tensor.endsWith(".absmax") || tensor.endsWith(".SCB")) {
      by = "bitsandbytes";
    } else if (tensor.endsWith(".scales")
        && present.test(tensor.substring(0, tensor.length() - "scales".length()) + "biases")) {
      by = "MLX";
    }
    if (by != null) {
      throw new UnsupportedModelException(
          file
              + ": the weights are quantised ("
              + by
              + ", by its tensor "
              + Json.quote(tensor)
              + "), which is not run; lrt4j runs F32, F16 and BF16");
    }
  }
}
