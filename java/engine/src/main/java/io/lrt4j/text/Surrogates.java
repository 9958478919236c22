package io.lrt4j.text;

/** Halves of surrogate pairs, which a Java string may hold and UTF-8 cannot. */
final class Surrogates {
  private Surrogates() {}

  /** The index of the first surrogate without its other half, or -1. */
  static int lone(CharSequence text) {
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        boolean pair =
            i + 1 < text.length() && Character.isSurrogatePair(text.charAt(i), text.charAt(i + 1));
        if (!pair) {
          return i;
        }
        i++;
      }
    }
    return -1;
  }
}
