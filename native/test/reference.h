/* What the kernels are held against: the same sums in straight C, one number at a time. */
#ifndef REFERENCE_H
#define REFERENCE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "lrt4j.h"

static uint32_t bits_of(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return bits;
}

static float float_of(uint32_t bits) {
  float x;
  memcpy(&x, &bits, sizeof x);
  return x;
}

/* Levels that have the instruction round a product and its sum once. */
static float multiply_add(int fused, float a, float b, float c) { return fused ? fmaf(a, b, c) : a * b + c; }

/* --- types ----------------------------------------------------------------------------------- */

static float widened(uint16_t half) {
  int exponent = half >> 10 & 31;
  int mantissa = half & 1023;
  float x = exponent == 31  ? (mantissa ? NAN : INFINITY)
            : exponent == 0 ? ldexpf((float)mantissa, -24)
                            : ldexpf((float)(mantissa + 1024), exponent - 25);
  return half >> 15 ? -x : x;
}

static float from_half(uint16_t half) {
  static float all[1 << 16];
  static int known;
  for (; known < 1 << 16; known++) {
    all[known] = widened((uint16_t)known);
  }
  return all[half];
}

/* To the nearest, ties to even. */
static uint16_t to_half(float x) {
  uint16_t sign = (uint16_t)(signbit(x) ? 0x8000 : 0);
  if (isnan(x)) {
    return sign | 0x7E00;
  }
  double size = fabs((double)x);
  if (size >= 65520) {
    return sign | 0x7C00;
  }
  int exponent = size < 0x1p-14 ? -14 : ilogb(size);
  int mantissa = (int)nearbyint(ldexp(size, 10 - exponent)); /* 1024 … 2048, or a subnormal one */
  return (uint16_t)(sign | (((exponent + 14) << 10) + mantissa));
}

static int is_half(int dtype) { return dtype == LRT_DTYPE_F16; }

static int64_t bytes_of(int dtype, int64_t n) {
  switch (dtype) {
    case LRT_DTYPE_F32:
      return 4 * n;
    case LRT_DTYPE_Q8:
      return n / LRT_BLOCK * LRT_Q8_BYTES;
    case LRT_DTYPE_Q4:
      return n / LRT_BLOCK * LRT_Q4_BYTES;
    default:
      return 2 * n;
  }
}

/* Number i of a run of whole blocks, or of a plain type; the whole one alone where `scale` is not null. */
static float number(int dtype, const void *data, int64_t i, float *scale) {
  if (dtype == LRT_DTYPE_F32) {
    float x;
    memcpy(&x, (const char *)data + 4 * i, sizeof x);
    return x;
  }
  if (dtype == LRT_DTYPE_Q8 || dtype == LRT_DTYPE_Q4) {
    const char *block = (const char *)data + bytes_of(dtype, i / LRT_BLOCK * LRT_BLOCK);
    uint16_t half;
    memcpy(&half, block, sizeof half);
    int k = (int)(i % LRT_BLOCK);
    int byte = dtype == LRT_DTYPE_Q8 ? (int8_t)block[2 + k] : ((uint8_t)block[2 + k % 16] >> k / 16 * 4 & 15) - 8;
    if (scale) {
      *scale = from_half(half);
      return (float)byte;
    }
    return (float)byte * from_half(half);
  }
  uint16_t two;
  memcpy(&two, (const char *)data + 2 * i, sizeof two);
  return is_half(dtype) ? from_half(two) : float_of((uint32_t)two << 16);
}

static float largest_of(const float *x) {
  float largest = 0;
  for (int k = 0; k < LRT_BLOCK; k++) {
    if (isnan(x[k])) {
      return NAN;
    }
    largest = fmaxf(largest, fabsf(x[k]));
  }
  return largest;
}

static void round_q8(const float *x, char *block) {
  uint16_t half = to_half(largest_of(x) / 127);
  memcpy(block, &half, sizeof half);
  float scale = from_half(half);
  float inverse = scale == 0 ? 0 : 1 / scale;
  for (int k = 0; k < LRT_BLOCK; k++) {
    float n = nearbyintf(fminf(127, fmaxf(-127, x[k] * inverse)));
    block[2 + k] = (char)(isnan(x[k] * inverse) ? 0 : (int)n);
  }
}

/* The best whole number for x, -8 to 7. */
static float nearest_q4(float x, float scale) {
  float n = x / scale;
  return isnan(n) || scale == 0 ? 0 : nearbyintf(fminf(7, fmaxf(-8, n)));
}

static void round_q4(const float *x, char *block) {
  float largest = 0; /* with its sign */
  int wrong = 0;
  for (int k = 0; k < LRT_BLOCK; k++) {
    wrong |= isnan(x[k]);
    largest = fabsf(x[k]) > fabsf(largest) ? x[k] : largest;
  }
  float best = NAN;
  double least = INFINITY;
  for (int quarters = 28; quarters <= 36; quarters++) {
    float scale = from_half(to_half(largest * -4 / (float)quarters));
    double error = 0;
    for (int k = 0; k < LRT_BLOCK; k++) {
      double off = x[k] - scale * nearest_q4(x[k], scale);
      error += off * off;
    }
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  best = wrong ? NAN : largest == 0 ? 0 : best;
  uint16_t half = to_half(best);
  memcpy(block, &half, sizeof half);
  for (int k = 0; k < 16; k++) {
    block[2 + k] = (char)(((int)nearest_q4(x[k], best) + 8) | ((int)nearest_q4(x[k + 16], best) + 8) << 4);
  }
}

/* --- operations ------------------------------------------------------------------------------ */

/* One output of a product, in the order in which every kernel adds; `row` is zero behind `in`. */
static float product(int fused, int dtype, const float *row, int in, const void *weight, int64_t first) {
  float sum = 0;
  if (dtype != LRT_DTYPE_Q8 && dtype != LRT_DTYPE_Q4) {
    for (int k = 0; k < in; k++) {
      sum = multiply_add(fused, row[k], number(dtype, weight, first + k, NULL), sum);
    }
    return sum;
  }
  for (int from = 0; from < in; from += LRT_BLOCK) {
    float largest = largest_of(row + from);
    float inverse = largest > 0 ? 127 / largest : 0;
    float scale = 0;
    int whole = 0;
    for (int k = from; k < from + LRT_BLOCK; k++) {
      float byte = nearbyintf(row[k] * inverse);
      whole += (int)(isnan(byte) ? 0 : byte) * (int)number(dtype, weight, first + k, &scale);
    }
    sum = multiply_add(fused, (float)whole * (largest / 127), scale, sum);
  }
  return sum;
}

/* A sequence's key or value number c of head h at a position. */
static float cached(const lrt_run *run, int values, int h, int position, int dim, int c) {
  const lrt_span *span = run->span;
  while (position >= span->to) {
    span++;
  }
  int64_t at = (int64_t)h * span->head + (int64_t)(position - span->from) * dim + c;
  return number(span->dtype, values ? span->values : span->keys, at, NULL);
}

/* Softmax attention of one query; `scores` has room for its positions. Returns the largest magnitude of a value. */
static double attention(const lrt_run *run, const float *query, int h, int dim, int position, int window,
                        double *scores, double *out) {
  int first = position + 1 > window ? position + 1 - window : 0;
  double largest = -INFINITY;
  for (int p = first; p <= position; p++) {
    double score = 0;
    for (int c = 0; c < dim; c++) {
      score += (double)query[c] * (double)cached(run, 0, h, p, dim, c);
    }
    scores[p] = score / sqrt(dim);
    largest = fmax(largest, scores[p]);
  }
  double sum = 0;
  for (int p = first; p <= position; p++) {
    scores[p] = exp(scores[p] - largest);
    sum += scores[p];
  }
  double size = 0;
  for (int c = 0; c < dim; c++) {
    double total = 0;
    for (int p = first; p <= position; p++) {
      double value = (double)cached(run, 1, h, p, dim, c);
      total += scores[p] / sum * value;
      size = fmax(size, fabs(value));
    }
    out[c] = total;
  }
  return size;
}

#endif
