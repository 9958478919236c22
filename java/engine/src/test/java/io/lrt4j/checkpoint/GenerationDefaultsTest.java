package io.lrt4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What of generation_config.json is run, and what is only told of. */
class GenerationDefaultsTest {
  @TempDir Path directory;

  private List<String> notRun(String json) {
    TinyModel model = TinyModel.base(directory);
    model.text("generation_config.json", json);
    try (var checkpoint = Checkpoint.open(directory)) { // a note, no refusal
      assertEquals(64, checkpoint.config().maxPositions());
    }
    return GenerationDefaults.notRun(Json.read(directory.resolve("generation_config.json")));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "suppress_tokens; [1, 2]",
        "begin_suppress_tokens; [1]",
        "bad_words_ids; [[1, 2]]",
        "force_words_ids; [[1]]",
        "sequence_bias; [[[1], -5.0]]",
        "no_repeat_ngram_size; 3",
        "forced_bos_token_id; 0",
        "forced_eos_token_id; 2",
        "forced_decoder_ids; [[1, 2]]",
        "encoder_repetition_penalty; 1.2",
        "exponential_decay_length_penalty; [5, 1.1]",
        "guidance_scale; 1.5",
        "min_length; 10",
        "min_new_tokens; 10",
        "num_beams; 4",
        "penalty_alpha; 0.6",
        "typical_p; 0.9",
        "epsilon_cutoff; 0.0003",
        "eta_cutoff; 0.0003",
        "stop_strings; [\"x\"]",
        "max_time; 3.0",
        "dola_layers; \"high\"",
      })
  void keysThatAreNotRunAreTold(String key, String value) {
    assertEquals(List.of(key), notRun("{\"%s\": %s}".formatted(key, value)));
  }

  /** As a file looks that transformers wrote with all of its defaults. */
  @Test
  void valuesThatDoNothingAreNot() {
    assertEquals(
        List.of(),
        notRun(
            """
            {"suppress_tokens": null, "begin_suppress_tokens": [], "bad_words_ids": null,
             "no_repeat_ngram_size": 0, "num_beams": 1, "typical_p": 1.0, "epsilon_cutoff": 0.0,
             "eta_cutoff": 0.0, "encoder_repetition_penalty": 1.0, "min_length": 0,
             "forced_eos_token_id": null, "guidance_scale": 1, "length_penalty": 1.0,
             "num_return_sequences": 1, "early_stopping": false, "max_length": 20}
            """));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\"do_sample\": true, \"temperature\": 0.6, \"top_k\": 20, \"top_p\": 0.95, \"min_p\": 0.1",
        "\"repetition_penalty\": 1.1, \"eos_token_id\": [1, 2], \"bos_token_id\": 1",
        "\"max_new_tokens\": 2048, \"pad_token_id\": 1, \"transformers_version\": \"5.18.0\"",
      })
  void keysThatAreRun(String keys) {
    assertEquals(List.of(), notRun("{" + keys + "}"));
  }

  @Test
  void severalAreToldTogether() {
    assertEquals(
        List.of("num_beams", "suppress_tokens"),
        notRun("{\"suppress_tokens\": [3], \"num_beams\": 2, \"top_k\": 5}"));
  }
}
