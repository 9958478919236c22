/* Reading memory as fast as it goes, and doing next to nothing with it: what decoding is held against. */
#ifndef READING_H
#define READING_H

#include "vectors.h"

#define READ_STEP (4 * (int)sizeof(words) > LINE ? 4 * (int)sizeof(words) : LINE)

typedef int64_t words __attribute__((vector_size(4 * W)));

INLINE int64_t read_streams(const int streams, const char *data, int64_t bytes, int ahead) {
  int64_t each = bytes / streams / READ_STEP * READ_STEP;
  words sums[4] = {{0}};
  for (int64_t i = 0; i < each; i += READ_STEP) {
    UNROLL for (int s = 0; s < streams; s++) {
      const char *at = data + s * each + i;
      if (ahead) {
        UNROLL for (int line = 0; line < READ_STEP; line += LINE) { __builtin_prefetch(at + ahead + line); }
      }
      UNROLL for (int v = 0; v < READ_STEP / (int)sizeof(words); v++) {
        words some;
        memcpy(&some, at + v * (int)sizeof(words), sizeof some);
        sums[v % 4] += some;
      }
    }
  }
  words all_sums = (sums[0] + sums[1]) + (sums[2] + sums[3]);
  int64_t total = 0;
  for (int i = 0; i < W / 2; i++) {
    total += all_sums[i];
  }
  return total;
}

static int64_t read_memory(const char *data, int64_t bytes, int streams, int ahead) {
  switch (streams) {
    case 2:
      return read_streams(2, data, bytes, ahead);
    case 4:
      return read_streams(4, data, bytes, ahead);
    case 8:
      return read_streams(8, data, bytes, ahead);
    default:
      return read_streams(1, data, bytes, ahead);
  }
}

#endif
