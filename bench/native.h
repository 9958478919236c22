/* What the programs that measure the C library share. */
#ifndef BENCH_NATIVE_H
#define BENCH_NATIVE_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lrt4j.h"

_Noreturn static void fail(const char *why) {
  fprintf(stderr, "%s\n", why);
  exit(1);
}

static void *memory(int64_t bytes) {
  void *p = lrt_allocate(bytes);
  if (!p) {
    fail("not enough memory");
  }
  return p;
}

static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* The bf16 number at an index, cut off. */
static void set_bf16(char *to, int64_t i, float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  memcpy(to + 2 * i, (char *)&bits + 2, 2);
}

/* A weight of [out, in] bf16 numbers, folded (lrt4j.h); its bytes come back. */
static int64_t fold(lrt_context *c, int out, int in, const char *raw, void **folded) {
  int64_t *lists = malloc((size_t)(out / LRT_FOLDED + 1) * sizeof *lists);
  int64_t whole = lrt_folded_bytes(out, in);
  int64_t bytes = whole + 8 * lrt_fold(c, out, in, raw, NULL, NULL, lists, 0);
  char *to = memory(bytes);
  lrt_fold(c, out, in, raw, to, to + whole, lists, 0);
  free(lists);
  *folded = to;
  return bytes;
}

/* Shape of Qwen3-0.6B's attention (unless HEADS is set), and how many positions lie together. */
#ifndef HEADS
#define HEADS 16
#endif
#define KV_HEADS 8
#define DIM 128
#define LAYERS 28
#define BLOCK 64

/* Bytes of the keys, or of the values, of a block in one layer. */
static int64_t block_bytes(int dtype) {
  int64_t numbers = KV_HEADS * BLOCK * DIM;
  return dtype == LRT_DTYPE_Q8 ? numbers / LRT_BLOCK * LRT_Q8_BYTES : numbers * (dtype == LRT_DTYPE_F16 ? 2 : 4);
}

/* Keys and values of so many positions, small numbers in every type, as spans [LAYERS, blocks]. */
static lrt_span *keys_and_values(int dtype, int positions, int blocks) {
  lrt_span *spans = calloc((size_t)blocks * LAYERS, sizeof *spans);
  int64_t size = block_bytes(dtype);
  for (int i = 0; i < blocks; i++) {
    char *data = memory(size * 2 * LAYERS);
    memset(data, 0x23, (size_t)(size * 2 * LAYERS));
    for (int l = 0; l < LAYERS; l++) {
      char *keys = data + size * 2 * l;
      int end = (i + 1) * BLOCK < positions ? (i + 1) * BLOCK : positions;
      spans[l * blocks + i] = (lrt_span){keys, keys + size, BLOCK * DIM, dtype, i * BLOCK, end};
    }
  }
  return spans;
}

#endif
