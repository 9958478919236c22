package io.lrt4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Fuzz;
import io.lrt4j.LrtException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Seeded mutations of a valid checkpoint, one file at a time. Whatever comes of it is either a
 * sound checkpoint or one sentence, within a second.
 */
class CheckpointFuzzTest {
  /** The same ones each time; {@code -Dfuzz=8} tries eight times as many. */
  private static final int MUTATIONS = 3_000 * Fuzz.FACTOR;

  private static final long SECOND = 1_000_000_000;

  private static final Pattern JSON_TOKEN =
      Pattern.compile("\"(?:[^\"\\\\]|\\\\.)*\"|-?[0-9][0-9.eE+-]*|true|false|null|[\\[\\]{},:]");

  private static final String[] INTERESTING = {
    "0",
    "-1",
    "1",
    "2",
    "3",
    "4",
    "1.0",
    "1e3",
    "-0",
    "1e999",
    "2147483647",
    "2147483648",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "NaN",
    "Infinity",
    "null",
    "true",
    "false",
    "\"\"",
    "\"F16\"",
    "\"BF16\"",
    "\"F4\"",
    "\"I64\"",
    "\"\\ud800\"",
    "\"../x\"",
    "\"a.safetensors\"",
    "\"yarn\"",
    "\"linear\"",
    "\"LlamaForCausalLM\"",
    "[]",
    "{}",
    "[[[[]]]]",
    "[1]",
    "{\"a\":1}",
    ",",
    "}",
    "]",
    "{",
    "[",
    "",
    "\u0000",
    "\ufeff",
    "//",
  };

  @TempDir Path temporary;

  private int opened;
  private int refused;

  @Test
  void everyMutationOpensOrIsRefusedInOneSentence() {
    TinyModel single = TinyModel.base(directory("single"));
    TinyModel sharded = TinyModel.sharded(directory("sharded"));
    TinyModel network = TinyModel.network(directory("network"));
    fuzz(single, "model.safetensors", 1_000 * Fuzz.FACTOR);
    fuzz(single, "config.json", 750 * Fuzz.FACTOR);
    fuzz(single, "generation_config.json", 125 * Fuzz.FACTOR);
    fuzz(sharded, "model.safetensors.index.json", 500 * Fuzz.FACTOR);
    fuzz(sharded, "b.safetensors", 250 * Fuzz.FACTOR);
    fuzz(network, "config.json", 375 * Fuzz.FACTOR);
    assertEquals(MUTATIONS, opened + refused);
    // A fuzz that only ever hits one side tests nothing.
    assertTrue(opened > MUTATIONS / 100, opened + " opened");
    assertTrue(refused > MUTATIONS / 2, refused + " refused");
  }

  private Path directory(String name) {
    Path directory = temporary.resolve(name);
    assertTrue(directory.toFile().mkdir());
    return directory;
  }

  private void fuzz(TinyModel model, String file, int mutations) {
    byte[] sound = model.bytes(file);
    for (int i = 0; i < mutations; i++) {
      var random = new SplittableRandom(i);
      byte[] mutant = sound;
      for (int n = 1 + random.nextInt(3); n > 0; n--) {
        mutant = mutate(mutant, file.endsWith(".safetensors"), random);
      }
      model.bytes(file, mutant);
      long start = System.nanoTime();
      boolean opens = opens(model.directory(), file + ", mutation " + i);
      if (System.nanoTime() - start > SECOND) {
        // Once may be the machine's fault, twice is ours.
        start = System.nanoTime();
        assertEquals(opens, opens(model.directory(), file + ", mutation " + i));
        assertTrue(System.nanoTime() - start < SECOND, file + ", mutation " + i + " takes long");
      }
      if (opens) {
        opened++;
      } else {
        refused++;
      }
    }
    model.bytes(file, sound);
    assertTrue(opens(model.directory(), file + " restored"));
  }

  private static boolean opens(Path directory, String what) {
    try {
      if (directory.endsWith("network")) {
        try (var network = NetworkCheckpoint.open(directory)) {
          network.tensors().forEach(CheckpointFuzzTest::touch);
        }
      } else {
        try (var checkpoint = Checkpoint.open(directory)) {
          checkpoint.tensors().forEach(CheckpointFuzzTest::touch);
        }
      }
      return true;
    } catch (LrtException e) {
      String message = String.valueOf(e.getMessage());
      assertTrue(message.startsWith(directory.toString()), what + ": " + message);
      assertTrue(message.chars().noneMatch(Character::isISOControl), what + ": " + message);
      assertTrue(message.length() < 1000, what + ": " + message);
      return false;
    } catch (RuntimeException | Error e) {
      throw new AssertionError(what, e);
    }
  }

  private static void touch(StoredTensor tensor) {
    if (tensor.data().byteSize() > 0) {
      tensor.data().get(ValueLayout.JAVA_BYTE, 0);
      tensor.data().get(ValueLayout.JAVA_BYTE, tensor.data().byteSize() - 1);
    }
  }

  private static byte[] mutate(byte[] bytes, boolean safetensors, SplittableRandom random) {
    if (bytes.length < 16) {
      return bytes;
    }
    return switch (random.nextInt(8)) {
      case 0 -> flip(bytes, safetensors ? Math.min(bytes.length, 1600) : bytes.length, random);
      case 1 -> Arrays.copyOf(bytes, random.nextInt(bytes.length));
      case 2 -> Arrays.copyOf(bytes, bytes.length + 1 + random.nextInt(64));
      case 3 -> safetensors ? flip(bytes, 8, random) : flip(bytes, bytes.length, random);
      default -> json(bytes, safetensors, random);
    };
  }

  private static byte[] flip(byte[] bytes, int within, SplittableRandom random) {
    byte[] mutant = bytes.clone();
    mutant[random.nextInt(within)] = (byte) random.nextInt(256);
    return mutant;
  }

  /** Replaces, removes, repeats or swaps tokens; a header's length follows, most of the time. */
  private static byte[] json(byte[] bytes, boolean safetensors, SplittableRandom random) {
    int start = safetensors ? 8 : 0;
    int end = safetensors ? dataStart(bytes) : bytes.length;
    String text = new String(bytes, start, end - start, StandardCharsets.ISO_8859_1);
    MatchResult[] tokens = JSON_TOKEN.matcher(text).results().toArray(MatchResult[]::new);
    if (tokens.length == 0) {
      return bytes;
    }
    MatchResult token = tokens[random.nextInt(tokens.length)];
    MatchResult other = tokens[random.nextInt(tokens.length)];
    String replacement =
        switch (random.nextInt(6)) {
          case 0 -> "";
          case 1 -> other.group();
          case 2 -> token.group() + token.group();
          case 3 -> text.substring(Math.min(token.start(), other.start()), token.end());
          default -> INTERESTING[random.nextInt(INTERESTING.length)];
        };
    String mutant = text.substring(0, token.start()) + replacement + text.substring(token.end());
    byte[] json = mutant.getBytes(StandardCharsets.UTF_8);
    if (!safetensors) {
      return json;
    }
    byte[] file =
        TinyModel.safetensors(
            random.nextInt(10) == 0 ? end - start : json.length, json, bytes.length - end);
    System.arraycopy(bytes, end, file, file.length - (bytes.length - end), bytes.length - end);
    return file;
  }

  /** Where a header that may be broken by now would end. */
  private static int dataStart(byte[] bytes) {
    long length = 0;
    for (int i = 7; i >= 0; i--) {
      length = (length << 8) | (bytes[i] & 0xFF);
    }
    return length >= 0 && length <= bytes.length - 8 ? (int) length + 8 : bytes.length;
  }
}
