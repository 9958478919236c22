package io.lrt4j.checkpoint;

import java.nio.file.Path;
import java.util.List;
import java.util.OptionalInt;

/**
 * How a checkpoint wants to be sampled from, out of {@code generation_config.json}; where that says
 * nothing, the defaults of transformers.
 *
 * @param eosTokenIds the tokens that end an answer, from {@code generation_config.json}, else from
 *     {@code config.json}; may be empty
 * @param bosTokenId the token that begins a text, if there is one
 * @param doSample whether to sample; greedy if not
 * @param temperature of the softmax; 0 or more
 * @param topK only the k most probable tokens; 0 keeps all
 * @param topP only the most probable tokens of this mass together; 1 keeps all
 * @param minP only tokens of at least this fraction of the largest probability; 0 keeps all
 * @param repetitionPenalty on tokens that are already there; 1 is none
 */
public record GenerationDefaults(
    List<Integer> eosTokenIds,
    OptionalInt bosTokenId,
    boolean doSample,
    float temperature,
    int topK,
    float topP,
    float minP,
    float repetitionPenalty) {

  public GenerationDefaults {
    eosTokenIds = List.copyOf(eosTokenIds);
  }

  static GenerationDefaults read(ModelFiles files, Json config, int vocabSize) {
    Path file = files.find("generation_config.json");
    Json own = file == null ? Json.empty(files.directory()) : Json.read(file);
    return new GenerationDefaults(
        tokens("eos_token_id", own, config, vocabSize),
        tokens("bos_token_id", own, config, vocabSize).stream()
            .mapToInt(Integer::intValue)
            .findFirst(),
        own.bool("do_sample", false),
        (float) own.number("temperature", 0, Float.MAX_VALUE, 1),
        own.integer("top_k", 0, Integer.MAX_VALUE, 50),
        (float) own.number("top_p", Float.MIN_VALUE, 1, 1),
        (float) own.number("min_p", 0, 1, 0),
        (float) own.number("repetition_penalty", Float.MIN_VALUE, Float.MAX_VALUE, 1));
  }

  private static List<Integer> tokens(String key, Json own, Json config, int vocabSize) {
    if (own.has(key)) {
      return own.integers(key, 0, vocabSize - 1).stream().distinct().toList();
    }
    // Not mentioned, in a Llama config, is not null: LlamaConfig has the ids of its first
    // tokenizer.
    if (!config.mentions(key) && Family.of(config) == Family.LLAMA && vocabSize > 2) {
      return List.of(key.equals("bos_token_id") ? 1 : 2);
    }
    return config.integers(key, 0, vocabSize - 1).stream().distinct().toList();
  }
}
