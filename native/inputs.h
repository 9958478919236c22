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

#if LEVEL == 5
#define TILE_NUMBERS (LINE / 2) /* of bf16, in a tile's row */

/*
 * Where so many numbers of a row's first part are, from element `at` on. The split form lies as tiles are loaded: of the first
 * `tile` rows TILE_NUMBERS of each, then the next ones, and so on; likewise their second part, `stride` times `tile` behind;
 * then the next rows.
 */
INLINE uint16_t *in_tiles(const lrt_input *x, int row, int at) {
  const int64_t steps = x->stride / TILE_NUMBERS;
  return x->split + ((row / LRT_SIDE * 2 * steps + at / TILE_NUMBERS) * x->tile + row % LRT_SIDE) * TILE_NUMBERS;
}
#endif

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

#if W == 16
/* Of signed bytes: 128 more are unsigned ones, which there is an instruction for. */
INLINE int32_t sum_of_bytes(__m128i a, __m128i b) {
  const __m128i sign = _mm_set1_epi8(-128);
  __m128i pair = _mm_add_epi64(_mm_sad_epu8(_mm_xor_si128(a, sign), _mm_setzero_si128()),
                               _mm_sad_epu8(_mm_xor_si128(b, sign), _mm_setzero_si128()));
  return _mm_cvtsi128_si32(pair) + _mm_extract_epi32(pair, 2) - LRT_BLOCK * 128;
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
    int32_t total = 0;
#if W == 16
    __m128i first = _mm512_cvtepi32_epi8((__m512i)to_bytes(load(from) * inverse));
    __m128i second = _mm512_cvtepi32_epi8((__m512i)to_bytes(load(from + W) * inverse));
    _mm_storeu_si128((__m128i *)to, first);
    _mm_storeu_si128((__m128i *)to + 1, second);
    total = sum_of_bytes(first, second);
#else
    ivec sums = {0};
    for (int i = 0; i < LRT_BLOCK; i += W) {
      ivec low = to_bytes(load(from + i) * inverse);
      sums += low;
      store_bytes(to + i, low);
    }
    for (int lane = 0; lane < W; lane++) {
      total += sums[lane];
    }
#endif
    scales[block] = largest / 127;
    begin[block] = -128 * total;
  }
}

/* Forms of n numbers, whole blocks, from element `at` of a row on. */
INLINE void put_forms(const float *x, int n, lrt_input *to, int row, int at) {
  if (to->bytes) {
    int64_t first = (int64_t)row * to->stride + at;
    quantize(x, n, to->bytes + first, to->scales + first / LRT_BLOCK, to->begin + first / LRT_BLOCK);
  }
#if LEVEL >= 4
  if (to->split) {
#if LEVEL == 5
    for (int i = 0; i < n; i += TILE_NUMBERS) {
      uint16_t *first = in_tiles(to, row, at + i);
      split(x + i, TILE_NUMBERS, first, first + (int64_t)to->tile * to->stride);
    }
#else
    uint16_t *first = to->split + (int64_t)row * 2 * to->stride + at;
    split(x, n, first, first + to->stride);
#endif
  }
#endif
}

/* Where numbers of an input are made: in their f32 row, or in `room`, if nobody wants such. */
INLINE float *made_in(const lrt_input *to, int row, int at, float *room) {
  return to->plain ? to->plain + (int64_t)row * to->stride + at : room;
}

/* The forms of n numbers of a row, all of its blocks but perhaps the last being whole, and zeros behind that. */
INLINE void finish(const float *x, int n, lrt_input *to, int row, int at) {
  int whole = n / LRT_BLOCK * LRT_BLOCK;
  put_forms(x, whole, to, row, at);
  if (at + n == to->in) {
    float rest[2 * LRT_BLOCK] = {0};
    memcpy(rest, x + whole, (size_t)(n - whole) * sizeof(float));
    put_forms(rest, to->stride - at - whole, to, row, at + whole);
    if (to->plain) {
      memset(made_in(to, row, to->in, NULL), 0, (size_t)(to->stride - to->in) * sizeof(float));
    }
  }
}

static void put(const float *x, int n, lrt_input *to, int row, int at) {
  if (to->plain) {
    memcpy(made_in(to, row, at, NULL), x, (size_t)n * sizeof(float));
  }
  finish(x, n, to, row, at);
}

static void prepare(const float *x, const float *weight, float eps, lrt_input *to, int row, float *room) {
  if (!weight) {
    put(x, to->in, to, row, 0);
    return;
  }
  float *out = made_in(to, row, 0, room);
  norm(x, to->in, weight, eps, out);
  finish(out, to->in, to, row, 0);
}

static void gate(const float *g, const float *u, int n, lrt_input *to, int row, int at, float *room) {
  float *out = made_in(to, row, at, room);
  for (int i = 0; i < n; i += W) {
    int some = n - i < W ? n - i : W;
    vec gates = load_some(g + i, some);
    store_some(out + i, gates / (exponential(-gates) + all(1.f)) * load_some(u + i, some), some);
  }
  finish(out, n, to, row, at);
}

#endif
