/* What a product's input is made into: norms, gates, split and quantised forms of a row. */
#ifndef INPUTS_H
#define INPUTS_H

#include "vectors.h"

static void norm(const float *x, int n, const float *weight, float eps, float *out) {
  int body = n / W * W;
  int rest = n - body;
  vec squares = all(0);
  for (int i = 0; i < body; i += W) {
    vec v = load(x + i);
    squares = fused(v, v, squares);
  }
  if (rest) {
    vec v = load_some(x + body, rest);
    squares = fused(v, v, squares);
  }
  vec scale = all((float)(1 / sqrt((double)(sum(squares) / (float)n + eps))));
  for (int i = 0; i < body; i += W) {
    store(out + i, load(x + i) * scale * load(weight + i));
  }
  if (rest) {
    store_some(out + body, load_some(x + body, rest) * scale * load_some(weight + body, rest), rest);
  }
}

#if LEVEL >= 4
/* x = first + second to 16 bits of mantissa, both bf16. */
INLINE void split(const float *x, int n, uint16_t *first, uint16_t *second) {
#if EMULATED_AMX
  split_plainly(x, n, first, second);
#else
  for (int i = 0; i < n; i += 16) {
    __m512 v = _mm512_loadu_ps(x + i);
    __m256i high = (__m256i)_mm512_cvtneps_pbh(v);
    __m512 rest = _mm512_sub_ps(v, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16)));
    _mm256_storeu_si256((__m256i *)(first + i), high);
    _mm256_storeu_si256((__m256i *)(second + i), (__m256i)_mm512_cvtneps_pbh(rest));
  }
#endif
}
#endif

/*
 * Each block of a row as signed bytes: scale = largest magnitude / 127, byte = round(x / scale) to the
 * nearest, ties to even.
 */
static void quantize(const float *x, int n, int8_t *bytes, float *scales, int32_t *begin) {
  for (int block = 0; block < n / LRT_BLOCK; block++) {
    const float *from = x + block * LRT_BLOCK;
    int8_t *to = bytes + block * LRT_BLOCK;
    float largest = largest_of_block(from);
    vec inverse = all(largest > 0 ? 127 / largest : 0);
    ivec sums = {0};
    for (int i = 0; i < LRT_BLOCK; i += W) {
      ivec low = to_bytes(load(from + i) * inverse);
      sums += low;
      store_bytes(to + i, low);
    }
    int32_t total = 0;
    for (int lane = 0; lane < W; lane++) {
      total += sums[lane];
    }
    scales[block] = largest / 127;
    begin[block] = -128 * total;
  }
}

/* The end of both ways to make a row of an input: zeros behind it, and its split form. */
INLINE void finish(float *row, int in, lrt_input *to, int number) {
  memset(row + in, 0, (size_t)(to->stride - in) * sizeof(float));
  if (to->bytes) {
    int64_t blocks = to->stride / LRT_BLOCK;
    quantize(row, to->stride, to->bytes + (int64_t)number * to->stride, to->scales + number * blocks,
             to->begin + number * blocks);
  }
#if LEVEL >= 4
  if (to->split) {
    uint16_t *first = to->split + (int64_t)number * 2 * to->stride;
    split(row, to->stride, first, first + to->stride);
  }
#else
  (void)number;
#endif
}

static void prepare(const float *x, int in, const float *weight, float eps, lrt_input *to, int number) {
  float *row = to->plain + (int64_t)number * to->stride;
  if (weight) {
    norm(x, in, weight, eps, row);
  } else {
    memcpy(row, x, (size_t)in * sizeof(float));
  }
  finish(row, in, to, number);
}

static void gate(const float *gate_up, int in, lrt_input *to, int number) {
  float *row = to->plain + (int64_t)number * to->stride;
  const float *up = gate_up + in;
  for (int i = 0; i < in; i += W) {
    int n = in - i < W ? in - i : W;
    vec g = load_some(gate_up + i, n);
    vec u = load_some(up + i, n);
    store_some(row + i, g / (exponential(-g) + all(1.f)) * u, n);
  }
  finish(row, in, to, number);
}

#endif
