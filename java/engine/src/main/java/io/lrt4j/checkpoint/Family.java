package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.UnsupportedModelException;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** The architectures that run, and the defaults in which their transformers configs differ. */
enum Family {
  QWEN2("Qwen2", "qwen2", 32768),
  QWEN3("Qwen3", "qwen3", 32768),
  LLAMA("Llama", "llama", 2048);

  private final String name;
  private final String modelType;
  private final int maxPositions;

  Family(String name, String modelType, int maxPositions) {
    this.name = name;
    this.modelType = modelType;
    this.maxPositions = maxPositions;
  }

  String architecture() {
    return name + "ForCausalLM";
  }

  /** Whether a config means this: a decoder without its head is the same model to us. */
  private boolean isArchitecture(String architecture) {
    return architecture.equals(architecture()) || architecture.equals(name + "Model");
  }

  String modelType() {
    return modelType;
  }

  int defaultMaxPositions() {
    return maxPositions;
  }

  /**
   * The family that a config names in {@code architectures} and in {@code model_type}; one of the
   * two is enough. Transformers goes by the model type, so the two must agree.
   */
  static Family of(Json json) {
    List<String> architectures =
        json.has("architectures") ? json.strings("architectures") : List.of();
    if (architectures.size() > 1) {
      throw json.wrong("architectures", "a list of one name");
    }
    if (architectures.isEmpty() && !json.has("model_type")) {
      throw new CheckpointException(
          json.file() + ": expected the key \"architectures\" or \"model_type\", found neither");
    }
    String name = architectures.isEmpty() ? json.string("model_type") : architectures.getFirst();
    for (Family family : values()) {
      if (architectures.isEmpty() ? name.equals(family.modelType) : family.isArchitecture(name)) {
        String type = json.stringOrNull("model_type");
        if (type != null && !type.equals(family.modelType)) {
          throw new CheckpointException(
              json.file()
                  + ": \"model_type\" must be "
                  + Json.quote(family.modelType)
                  + " for "
                  + name
                  + ", found "
                  + Json.quote(type));
        }
        return family;
      }
    }
    throw new UnsupportedModelException(
        json.file()
            + ": architecture "
            + Json.quote(name)
            + " is not run; lrt4j runs "
            + Arrays.stream(values()).map(Family::architecture).collect(Collectors.joining(", ")));
  }
}
