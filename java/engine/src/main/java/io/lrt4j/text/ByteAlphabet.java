package io.lrt4j.text;

/**
 * GPT-2's alphabet of bytes: printable Latin-1 characters stand for themselves, the other 68 bytes
 * for the characters from U+0100 on, in order.
 */
final class ByteAlphabet {
  private static final int SIZE = 0x100 + 68;
  private static final short[] BYTES = bytes(); // by character, -1 for none

  private ByteAlphabet() {}

  /** Whether every character stands for a byte. */
  static boolean contains(String token) {
    for (int i = 0; i < token.length(); i++) {
      char c = token.charAt(i);
      if (c >= SIZE || BYTES[c] < 0) {
        return false;
      }
    }
    return true;
  }

  /** The byte of a character of the alphabet. */
  static byte toByte(char c) {
    return (byte) BYTES[c];
  }

  private static short[] bytes() {
    short[] bytes = new short[SIZE];
    int next = 0x100;
    for (short b = 0; b < 0x100; b++) {
      boolean printable = (b >= '!' && b <= '~') || (b >= 0xA1 && b <= 0xFF && b != 0xAD);
      if (printable) {
        bytes[b] = b;
      } else {
        bytes[b] = -1;
      }
    }
    for (short b = 0; b < 0x100; b++) {
      if (bytes[b] < 0) {
        bytes[next++] = b;
      }
    }
    return bytes;
  }
}
