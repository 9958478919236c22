package io.lrt4j.text;

/**
 * Bytes to text, one byte at a time. What is not UTF-8 becomes U+FFFD, one for each maximal part of
 * a sequence (the Unicode Standard's recommendation, section 3.9, table 3-8), as in Rust's {@code
 * from_utf8_lossy}.
 */
final class Utf8Decoder {
  private static final char REPLACEMENT = '\uFFFD';

  private int codePoint;
  private int missing; // continuation bytes to come
  private int low = 0x80; // bounds of the next one, narrower after E0, ED, F0, F4
  private int high = 0xBF;
  private boolean wellFormed = true;

  /** Appends the characters that this byte completes: none, one, or two after a broken sequence. */
  void add(byte value, StringBuilder out) {
    int b = value & 0xFF;
    if (missing > 0) {
      if (b < low || b > high) {
        replace(out);
        begin(b, out);
        return;
      }
      codePoint = (codePoint << 6) | (b & 0x3F);
      low = 0x80;
      high = 0xBF;
      if (--missing == 0) {
        out.appendCodePoint(codePoint);
      }
    } else {
      begin(b, out);
    }
  }

  /** An unfinished sequence is a broken one. */
  void finish(StringBuilder out) {
    if (missing > 0) {
      replace(out);
    }
  }

  /** Whether nothing had to be replaced so far. */
  boolean wellFormed() {
    return wellFormed;
  }

  private void begin(int b, StringBuilder out) {
    if (b < 0x80) {
      out.append((char) b);
    } else if (b >= 0xC2 && b <= 0xDF) {
      expect(1, b & 0x1F);
    } else if (b >= 0xE0 && b <= 0xEF) {
      expect(2, b & 0x0F);
      low = b == 0xE0 ? 0xA0 : 0x80; // shorter forms exist
      high = b == 0xED ? 0x9F : 0xBF; // surrogates
    } else if (b >= 0xF0 && b <= 0xF4) {
      expect(3, b & 0x07);
      low = b == 0xF0 ? 0x90 : 0x80;
      high = b == 0xF4 ? 0x8F : 0xBF; // beyond U+10FFFF
    } else {
      replace(out);
    }
  }

  private void expect(int bytes, int bits) {
    missing = bytes;
    codePoint = bits;
    low = 0x80;
    high = 0xBF;
  }

  private void replace(StringBuilder out) {
    missing = 0;
    wellFormed = false;
    out.append(REPLACEMENT);
  }
}
