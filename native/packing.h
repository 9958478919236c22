/* Weights as they are stored into panels. */
#ifndef PACKING_H
#define PACKING_H

#include "vectors.h"


/* q8 and q4: `bytes` of a block in a row, its scale first; flip makes signed bytes unsigned. */
static void pack_blocks(int bytes, int flip, int lanes, int in, const uint8_t *from, uint8_t *to) {
  int blocks = in / LRT_BLOCK;
  int numbers = bytes - 2;
  uint8_t *scales = to + (int64_t)blocks * numbers * LRT_PANEL;
  for (int lane = 0; lane < lanes; lane++) {
    const uint8_t *row = from + (int64_t)lane * blocks * bytes;
    for (int block = 0; block < blocks; block++, row += bytes) {
      memcpy(scales + (block * LRT_PANEL + lane) * 2, row, 2);
      uint8_t *at = to + (int64_t)block * numbers * LRT_PANEL + lane * 4;
      for (int k = 0; k < numbers; k++) {
        at[k / 4 * LRT_PANEL * 4 + k % 4] = (uint8_t)(row[2 + k] ^ flip);
      }
    }
  }
}

static void pack(int dtype, int out, int in, const void *from, void *to, int panel) {
  int first = panel * LRT_PANEL;
  int lanes = out - first < LRT_PANEL ? out - first : LRT_PANEL;
  if (dtype == LRT_DTYPE_Q8 || dtype == LRT_DTYPE_Q4) {
    int bytes = dtype == LRT_DTYPE_Q8 ? LRT_Q8_BYTES : LRT_Q4_BYTES;
    int64_t at = (int64_t)first * (in / LRT_BLOCK) * bytes;
    pack_blocks(bytes, dtype == LRT_DTYPE_Q8 ? 0x80 : 0, lanes, in, (const uint8_t *)from + at,
                (uint8_t *)to + at);
    return;
  }
  if (dtype == LRT_DTYPE_F32) {
    float *p = (float *)to + (int64_t)first * in;
    for (int lane = 0; lane < lanes; lane++) {
      const char *row = (const char *)from + (int64_t)(first + lane) * in * 4;
      for (int k = 0; k < in; k++) {
        memcpy(p + (int64_t)k * LRT_PANEL + lane, row + (int64_t)k * 4, 4);
      }
    }
    return;
  }
  int pair = dtype == LRT_DTYPE_F16 ? 1 : 2; /* elements that stay together */
  uint16_t *p = (uint16_t *)to + (int64_t)first * ((in + pair - 1) / pair * pair);
  for (int lane = 0; lane < lanes; lane++) {
    const char *row = (const char *)from + (int64_t)(first + lane) * in * 2;
    uint16_t *column = p + lane * pair;
    int k = 0;
    for (; k + pair <= in; k += pair) {
      memcpy(column + (int64_t)k * LRT_PANEL, row + (int64_t)k * 2, (size_t)pair * 2);
    }
    if (k < in) {
      memcpy(column + (int64_t)k * LRT_PANEL, row + (int64_t)k * 2, 2);
    }
  }
}

#endif
