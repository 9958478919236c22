package io.lrt4j.evaluation.data;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Tells data from other data of the same name, when a run is resumed. */
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
}
