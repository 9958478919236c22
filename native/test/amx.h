/* AMX's instructions in plain C, for processors without them; of what Intel's manual says, what amx.h uses. */
#ifndef TEST_AMX_H
#define TEST_AMX_H

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int rows, bytes;
  char data[16][64];
} tile;

static _Thread_local tile tiles[8];

/* What the processor would refuse. */
static void tile_check(int right, const char *what) {
  if (!right) {
    printf("AMX: %s\n", what);
    exit(1);
  }
}

/* `shapes` is 64 bytes: palette, first row, 14 of zero, 16 times 2 for the bytes of a row, 16 for the rows. */
static void tile_configure(const void *shapes) {
  const uint8_t *s = shapes;
  tile_check(s[0] == 1, "a palette other than 1");
  for (int i = 1; i < 16; i++) {
    tile_check(s[i] == 0, "a first row or reserved bytes");
  }
  memset(tiles, 0, sizeof tiles);
  for (int t = 0; t < 16; t++) {
    uint16_t bytes;
    memcpy(&bytes, s + 16 + 2 * t, 2);
    int rows = s[48 + t];
    tile_check(t < 8 || (!bytes && !rows), "more than 8 tiles");
    tile_check(bytes <= 64 && rows <= 16 && !bytes == !rows, "a tile's shape");
    if (t < 8) {
      tiles[t].rows = rows;
      tiles[t].bytes = bytes;
    }
  }
}

static void tile_release(void) { memset(tiles, 0, sizeof tiles); }

static void tile_zero(int t) {
  tile_check(tiles[t].rows > 0, "no such tile");
  memset(tiles[t].data, 0, sizeof tiles[t].data);
}

static void tile_load(int t, const void *from, int64_t step) {
  tile_zero(t);
  for (int r = 0; r < tiles[t].rows; r++) {
    memcpy(tiles[t].data[r], (const char *)from + r * step, (size_t)tiles[t].bytes);
  }
}

static void tile_store(int t, void *to, int64_t step) {
  tile_check(tiles[t].rows > 0, "no such tile");
  for (int r = 0; r < tiles[t].rows; r++) {
    memcpy((char *)to + r * step, tiles[t].data[r], (size_t)tiles[t].bytes);
  }
}

static void tile_check_product(const tile *sums, const tile *a, const tile *b) {
  tile_check(sums->rows > 0 && sums->rows == a->rows && sums->bytes == b->bytes && a->bytes == 4 * b->rows,
             "shapes that do not fit");
}

static float no_denormal(float x) { return fabsf(x) < 0x1p-126f ? copysignf(0, x) : x; }

static float from_bf16(const char *two) {
  uint16_t upper;
  memcpy(&upper, two, 2);
  uint32_t bits = (uint32_t)upper << 16;
  float x;
  memcpy(&x, &bits, 4);
  return no_denormal(x);
}

/* TDPBF16PS: of a step's pairs, first and second ones are summed up apart, fused. */
static void tile_bf16_pairs(int sums, int a, int b) {
  tile *s = &tiles[sums];
  tile_check_product(s, &tiles[a], &tiles[b]);
  for (int m = 0; m < s->rows; m++) {
    for (int n = 0; n < s->bytes / 4; n++) {
      float apart[2] = {0, 0};
      for (int k = 0; k < tiles[b].rows; k++) {
        for (int i = 0; i < 2; i++) {
          float x = from_bf16(tiles[a].data[m] + 4 * k + 2 * i);
          apart[i] = no_denormal(fmaf(x, from_bf16(tiles[b].data[k] + 4 * n + 2 * i), apart[i]));
        }
      }
      float sum;
      memcpy(&sum, s->data[m] + 4 * n, 4);
      sum = no_denormal(no_denormal(sum) + no_denormal(apart[0] + apart[1]));
      memcpy(s->data[m] + 4 * n, &sum, 4);
    }
  }
}

/* TDPBSSD */
static void tile_fours(int sums, int a, int b) {
  tile *s = &tiles[sums];
  tile_check_product(s, &tiles[a], &tiles[b]);
  for (int m = 0; m < s->rows; m++) {
    for (int n = 0; n < s->bytes / 4; n++) {
      int32_t sum;
      memcpy(&sum, s->data[m] + 4 * n, 4);
      for (int k = 0; k < tiles[b].rows; k++) {
        for (int i = 0; i < 4; i++) {
          sum += (int8_t)tiles[a].data[m][4 * k + i] * (int8_t)tiles[b].data[k][4 * n + i];
        }
      }
      memcpy(s->data[m] + 4 * n, &sum, 4);
    }
  }
}

/* Of kernels for AVX-512 BF16: x = first + second, rounded to the nearest, ties to even. */
static void split_plainly(const float *x, int n, uint16_t *first, uint16_t *second) {
  for (int i = 0; i < n; i++) {
    float rest = x[i];
    for (int part = 0; part < 2; part++) {
      uint32_t bits;
      memcpy(&bits, &rest, 4);
      uint16_t upper = isnan(rest) ? 0x7FC0 : (uint16_t)((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
      *(part ? second + i : first + i) = upper;
      rest -= from_bf16((const char *)&upper);
    }
  }
}

#endif
