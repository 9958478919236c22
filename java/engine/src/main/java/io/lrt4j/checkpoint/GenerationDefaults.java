package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.GenerationOptions;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.OptionalInt;
import java.util.TreeMap;
import java.util.function.Supplier;

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

  private static final System.Logger LOG = System.getLogger(GenerationDefaults.class.getName());

  /**
   * Keys with which transformers' {@code generate} writes something else, none of which is run, and
   * the number with which they do nothing. Lengths are not among them: those are the caller's.
   */
  private static final Map<String, Integer> NOT_RUN =
      new TreeMap<>(
          Map.ofEntries(
              Map.entry("bad_words_ids", 0),
              Map.entry("begin_suppress_tokens", 0),
              Map.entry("constraints", 0),
              Map.entry("dola_layers", 0),
              Map.entry("encoder_repetition_penalty", 1),
              Map.entry("epsilon_cutoff", 0),
              Map.entry("eta_cutoff", 0),
              Map.entry("exponential_decay_length_penalty", 0),
              Map.entry("force_words_ids", 0),
              Map.entry("forced_bos_token_id", -1),
              Map.entry("forced_decoder_ids", 0),
              Map.entry("forced_eos_token_id", -1),
              Map.entry("guidance_scale", 1),
              Map.entry("max_time", 0),
              Map.entry("min_length", 0),
              Map.entry("min_new_tokens", 0),
              Map.entry("no_repeat_ngram_size", 0),
              Map.entry("num_beams", 1),
              Map.entry("penalty_alpha", 0),
              Map.entry("sequence_bias", 0),
              Map.entry("stop_strings", 0),
              Map.entry("suppress_tokens", 0),
              Map.entry("top_h", 0),
              Map.entry("typical_p", 1),
              Map.entry("watermarking_config", 0)));

  public GenerationDefaults {
    eosTokenIds = List.copyOf(eosTokenIds);
  }

  /**
   * Reads both files. An id that is none of the vocabulary never comes, so that one that ends an
   * answer is left out with a note. Settings of sampling are checked where the file samples; where
   * it does not, one that cannot be is left out with a note.
   */
  static GenerationDefaults read(ModelFiles files, Json config, int vocabSize) {
    Path file = files.find("generation_config.json");
    Json own = file == null ? Json.empty(files.directory()) : Json.read(file);
    List<String> notRun = notRun(own);
    if (!notRun.isEmpty()) {
      LOG.log(
          System.Logger.Level.WARNING,
          "{0}: answers are not what these keys ask for, they are not run: {1}",
          own.file(),
          String.join(", ", notRun));
    }
    boolean sample = own.bool("do_sample", false);
    return new GenerationDefaults(
        tokens("eos_token_id", own, config, vocabSize),
        tokens("bos_token_id", own, config, vocabSize).stream()
            .mapToInt(Integer::intValue)
            .findFirst(),
        sample,
        setting(sample, () -> (float) own.number("temperature", 0, Float.MAX_VALUE, 1), 1f),
        setting(sample, () -> own.integer("top_k", 0, Integer.MAX_VALUE, 50), 50),
        setting(sample, () -> (float) own.fraction("top_p", 1), 1f),
        setting(sample, () -> (float) own.number("min_p", 0, 1, 0), 0f),
        penalty(own));
  }

  /** The keys of a generation_config.json that ask for something that is not run. */
  static List<String> notRun(Json own) {
    return NOT_RUN.entrySet().stream()
        .filter(e -> !own.isNeutral(e.getKey(), e.getValue()))
        .map(Map.Entry::getKey)
        .toList();
  }

  private static float penalty(Json own) {
    float least = GenerationOptions.MIN_REPETITION_PENALTY;
    return (float)
        own.number("repetition_penalty", least, GenerationOptions.MAX_REPETITION_PENALTY, 1);
  }

  private static <T> T setting(boolean sample, Supplier<T> read, T absent) {
    try {
      return read.get();
    } catch (CheckpointException e) {
      if (sample) {
        throw e;
      }
      LOG.log(System.Logger.Level.WARNING, "{0}; left out", e.getMessage());
      return absent;
    }
  }

  private static List<Integer> tokens(String key, Json own, Json config, int vocabSize) {
    if (own.has(key)) {
      return tokens(key, own, vocabSize);
    }
    // Not mentioned, in a Llama config, is not null: LlamaConfig has the ids of its first
    // tokenizer.
    if (!config.mentions(key) && Family.of(config) == Family.LLAMA && vocabSize > 2) {
      return List.of(key.equals("bos_token_id") ? 1 : 2);
    }
    return tokens(key, config, vocabSize);
  }

  private static List<Integer> tokens(String key, Json json, int vocabSize) {
    boolean ends = key.equals("eos_token_id");
    if (!ends && !json.isIntegers(key)) {
      return List.of(); // it is for writing the file again, no more
    }
    List<Long> all = json.integers(key);
    List<Integer> ids = new ArrayList<>();
    for (long id : all) {
      if (id >= 0 && id < vocabSize) {
        ids.add((int) id);
      } else if (ends) {
        LOG.log(
            System.Logger.Level.WARNING,
            "{0}: {1} {2} is outside the vocabulary of {3} and never comes; left out",
            json.file(),
            json.name(key),
            Long.toString(id),
            Integer.toString(vocabSize));
      }
    }
    return ids.stream().distinct().toList();
  }
}
