package io.lrt4j.text.grammar;

/** Which tokens may follow one place, as far as they were found. */
final class TokenMask {
  final long[] bits; // by id
  int groups; // of the table's, whose tokens were found

  TokenMask(int size) {
    bits = new long[(size + Long.SIZE - 1) / Long.SIZE];
  }
}
