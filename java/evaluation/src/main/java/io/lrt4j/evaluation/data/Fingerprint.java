package io.lrt4j.evaluation.data;

import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.evaluation.EvaluationException;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.stream.Stream;
import java.util.zip.CRC32C;
import java.util.zip.CheckedInputStream;

/** Tells data and models from others of the same name, when a run is resumed. */
public final class Fingerprint {
  private Fingerprint() {}

  /** Of what {@code toString} says: 16 hexadecimal digits. */
  public static String of(Object data) {
    try {
      byte[] all = data.toString().getBytes(StandardCharsets.UTF_8);
      byte[] hash = MessageDigest.getInstance("SHA-256").digest(all);
      return HexFormat.of().formatHex(hash, 0, 8);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }

  /**
   * Of a base model: weights, configs, tokenizer and template.
   *
   * @throws EvaluationException if it cannot be read
   */
  public static String ofModel(Path directory) {
    return ofFiles(directory, List.of(".safetensors", ".json", ".jinja", "merges.txt"));
  }

  /**
   * Of a reasoning network's weights; its config may be calibrated meanwhile.
   *
   * @throws EvaluationException if they cannot be read
   */
  public static String ofNetwork(Path directory) {
    return ofFiles(directory, List.of(".safetensors"));
  }

  private static String ofFiles(Path directory, List<String> suffixes) {
    List<String> sums = new ArrayList<>();
    try (Stream<Path> files = Files.list(directory)) {
      for (Path file : files.filter(Files::isRegularFile).sorted().toList()) {
        String name = file.getFileName().toString();
        if (suffixes.stream().anyMatch(name::endsWith)) {
          var sum = new CRC32C(); // gigabytes in a second
          try (var in = new CheckedInputStream(Files.newInputStream(file), sum)) {
            in.transferTo(OutputStream.nullOutputStream());
          }
          sums.add(name + " " + Files.size(file) + " " + sum.getValue());
        }
      }
    } catch (IOException e) {
      throw new EvaluationException(
          directory + ": cannot be read (" + ModelFiles.cause(e) + ")", e);
    }
    return of(sums);
  }
}
