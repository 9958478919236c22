/*
 * All kernels, compiled once for every level (-DLEVEL=…). A vector is W floats; a panel's 16 outputs
 * are 16 / W of them. Each lane is one output and adds in the order of the inner dimension, so one
 * row and many come out the same to the bit, and no sum runs across lanes. No contraction is left to
 * the compiler (-ffp-contract=off): what is fused is written `fused`.
 */
#include "kernels.h"

#include <math.h>
#include <string.h>

#if defined __x86_64__
#include <immintrin.h>
#endif

#if defined __AVX512F__
#define W 16
#define TILE_ROWS 6
#define TILE_VECTORS 4
#elif defined __AVX2__
#define W 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
#else
#define W 4
#define TILE_ROWS 2
#define TILE_VECTORS 4
#endif

#define PARTS (LRT_PANEL / W)                                /* vectors of a panel */
#define TILE_PANELS (TILE_VECTORS < PARTS ? 1 : TILE_VECTORS / PARTS)
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")

typedef float vec __attribute__((vector_size(4 * W)));
typedef int32_t ivec __attribute__((vector_size(4 * W)));
typedef uint32_t uvec __attribute__((vector_size(4 * W)));

/* --- vectors --------------------------------------------------------------------------------- */

INLINE vec load(const float *p) {
  vec v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store(float *p, vec v) { memcpy(p, &v, sizeof v); }

INLINE vec all(float x) { return x - (vec){0}; }

INLINE vec choose(ivec mask, vec yes, vec no) {
  return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
}

INLINE vec larger(vec a, vec b) { return choose(a > b, a, b); }

INLINE vec fused(vec a, vec b, vec c) {
#if W == 16
  return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif W == 8
  return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif defined __aarch64__
  vec r;
  for (int i = 0; i < W; i++) {
    r[i] = __builtin_fmaf(a[i], b[i], c[i]);
  }
  return r;
#else
  return a * b + c;
#endif
}

/* The sum of all lanes, pairwise. */
INLINE float sum(vec v) {
  float lane[W];
  memcpy(lane, &v, sizeof v);
  for (int half = W / 2; half > 0; half /= 2) {
    for (int i = 0; i < half; i++) {
      lane[i] += lane[i + half];
    }
  }
  return lane[0];
}

INLINE float greatest(vec v) {
  float most = v[0];
  for (int i = 1; i < W; i++) {
    most = v[i] > most ? v[i] : most;
  }
  return most;
}

/* The first n elements, 0 behind them. */
INLINE vec load_some(const float *p, int n) {
  if (n == W) {
    return load(p);
  }
  float lane[W] = {0};
  memcpy(lane, p, (size_t)n * sizeof(float));
  return load(lane);
}

INLINE void store_some(float *p, vec v, int n) {
  if (n == W) {
    store(p, v);
    return;
  }
  float lane[W];
  store(lane, v);
  memcpy(p, lane, (size_t)n * sizeof(float));
}

/* Even and odd elements of W pairs of bf16. */
INLINE vec even(const uint16_t *p) {
  uvec v;
  memcpy(&v, p, sizeof v);
  return (vec)(v << 16);
}

INLINE vec odd(const uint16_t *p) {
  uvec v;
  memcpy(&v, p, sizeof v);
  return (vec)(v & 0xFFFF0000u);
}

/* f16 in f32's clothes: 2^112 makes up for the difference of the biases, subnormals included. */
INLINE vec halves(const uint16_t *p) {
#if W == 16
  return (vec)_mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
#elif W == 8
  return (vec)_mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
#else
  uvec v = {0};
  for (int i = 0; i < W; i++) {
    v[i] = p[i];
  }
  vec magnitude = (vec)((v & 0x7FFF) << 13) * 0x1p112f;
  ivec special = (v & 0x7C00) == 0x7C00;
  uvec bits = ((uvec)special & (((v & 0x3FF) << 13) | 0x7F800000u)) | (~(uvec)special & (uvec)magnitude);
  return (vec)(bits | ((v & 0x8000) << 16));
#endif
}

/*
 * e^x for x up to 88 (a larger one is taken as 88); 0 below -87.3; NaN for NaN. e^x = 2^k e^r, with
 * Cody and Waite's two-part ln 2, then a polynomial (Cephes expf coefficients).
 */
INLINE vec exponential(vec x) {
  const vec smallest = all(-87.33654f);
  const vec magic = all(12582912.f); /* 1.5 * 2^23: adding it rounds to an integer */
  vec clamped = choose(x < smallest, smallest, x);
  clamped = choose(clamped > all(88.02f), all(88.02f), clamped);
  vec shifted = clamped * all(1.442695f) + magic;
  vec k = shifted - magic;
  vec r = fused(k, all(-0.6933594f), clamped);
  r = fused(k, all(0.00021219444f), r);
  vec p = fused(r, all(0.00019875691f), all(0.0013981999f));
  p = fused(p, r, all(0.008333452f));
  p = fused(p, r, all(0.041665796f));
  p = fused(p, r, all(0.16666666f));
  p = fused(p, r, all(0.5f));
  p = fused(p, r * r, r) + all(1.f);
  /* k sits in the low bits of `shifted`; moved to the exponent's place it multiplies by 2^k. */
  vec result = (vec)((ivec)p + ((ivec)shifted << 23));
  result = choose(x < smallest, all(0.f), result);
  return choose(x != x, x, result);
}

/* --- rows ------------------------------------------------------------------------------------ */

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
  for (int i = 0; i < n; i += 16) {
    __m512 v = _mm512_loadu_ps(x + i);
    __m256i high = (__m256i)_mm512_cvtneps_pbh(v);
    __m512 rest = _mm512_sub_ps(v, _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16)));
    _mm256_storeu_si256((__m256i *)(first + i), high);
    _mm256_storeu_si256((__m256i *)(second + i), (__m256i)_mm512_cvtneps_pbh(rest));
  }
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
    vec most = all(0);
    ivec wrong = {0};
    for (int i = 0; i < LRT_BLOCK; i += W) {
      vec v = load(from + i);
      wrong |= v != v;
      most = larger((vec)((ivec)v & 0x7FFFFFFF), most);
    }
    float largest = greatest(most);
    vec inverse = all(largest > 0 ? 127 / largest : 0);
    const vec magic = all(12582912.f); /* 1.5 * 2^23: adding it rounds to an integer */
    ivec sums = {0};
    for (int i = 0; i < LRT_BLOCK; i += W) {
      ivec low = (ivec)(load(from + i) * inverse + magic) << 24 >> 24;
      sums += low;
#if W == 16
      _mm_storeu_si128((__m128i *)(to + i), _mm512_cvtepi32_epi8((__m512i)low));
#else
      for (int lane = 0; lane < W; lane++) {
        to[i + lane] = (int8_t)low[lane];
      }
#endif
    }
    int32_t total = 0;
    for (int lane = 0; lane < W; lane++) {
      total += sums[lane];
      largest = wrong[lane] ? NAN : largest; /* what is wrong with the numbers shows */
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

/* Rotates the pairs (i, i + dim/2) of one head. */
static void rotate(float *x, int dim, const float *rope) {
  int half = dim / 2;
  for (int i = 0; i < half; i += W) {
    int n = half - i < W ? half - i : W;
    vec cosine = load_some(rope + i, n);
    vec sine = load_some(rope + half + i, n);
    vec a = load_some(x + i, n);
    vec b = load_some(x + half + i, n);
    store_some(x + i, a * cosine - b * sine, n);
    store_some(x + half + i, b * cosine + a * sine, n);
  }
}

static double sum_exp(const float *x, int n, float max) {
  double total = 0; /* f32 sums are kept short: a vocabulary has 150,000 terms */
  for (int from = 0; from < n; from += 64 * W) {
    int to = n - from < 64 * W ? n : from + 64 * W;
    vec sums = all(0);
    int i = from;
    for (; i + W <= to; i += W) {
      sums += exponential(load(x + i) - all(max));
    }
    total += sum(sums);
    for (; i < to; i++) {
      total += exponential(all(x[i] - max))[0];
    }
  }
  return total;
}

static void summarize(const float *x, int n, double summary[4]) {
  vec lane_best = all(-INFINITY);
  vec lane_second = lane_best;
  int body = n / W * W;
  for (int i = 0; i < body; i += W) {
    vec v = load(x + i);
    lane_second = choose(v > lane_best, lane_best, larger(v, lane_second));
    lane_best = larger(v, lane_best);
  }
  float some[3 * W]; /* the largest two are among these */
  store(some, lane_best);
  store(some + W, lane_second);
  memcpy(some + 2 * W, x + body, (size_t)(n - body) * sizeof(float));
  float best = -INFINITY;
  float second = -INFINITY;
  for (int i = 0; i < 2 * W + n - body; i++) {
    if (some[i] > best) {
      second = best;
      best = some[i];
    } else if (some[i] > second) {
      second = some[i];
    }
  }
  int place = 0;
  while (place < n && x[place] != best) {
    place++;
  }
  summary[0] = place < n ? place : 0;
  summary[1] = best;
  summary[2] = second;
  summary[3] = sum_exp(x, n, best);
}

/* --- packing --------------------------------------------------------------------------------- */

static void pack_q8(int lanes, int in, const uint8_t *from, uint8_t *to) {
  int blocks = in / LRT_BLOCK;
  uint8_t *scales = to + (int64_t)blocks * LRT_BLOCK * LRT_PANEL;
  for (int lane = 0; lane < lanes; lane++) {
    const uint8_t *row = from + (int64_t)lane * blocks * LRT_Q8_BYTES;
    for (int block = 0; block < blocks; block++, row += LRT_Q8_BYTES) {
      memcpy(scales + (block * LRT_PANEL + lane) * 2, row, 2);
      uint8_t *at = to + (int64_t)block * LRT_BLOCK * LRT_PANEL + lane * 4;
      for (int k = 0; k < LRT_BLOCK; k++) {
        at[k / 4 * LRT_PANEL * 4 + k % 4] = row[2 + k] ^ 0x80;
      }
    }
  }
}

static void pack(int dtype, int out, int in, const void *from, void *to, int panel) {
  int first = panel * LRT_PANEL;
  int lanes = out - first < LRT_PANEL ? out - first : LRT_PANEL;
  if (dtype == LRT_DTYPE_Q8) {
    int64_t row = (int64_t)in / LRT_BLOCK * LRT_Q8_BYTES;
    pack_q8(lanes, in, (const uint8_t *)from + first * row, (uint8_t *)to + first * row);
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
  int pair = dtype == LRT_DTYPE_BF16 ? 2 : 1; /* elements that stay together */
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

/* --- products -------------------------------------------------------------------------------- */

/* What one tile writes: n outputs of each row, with bias and what is there; sums are `width` apart. */
static void finish_tile(int rows, int width, const float *sums, const float *bias, int n, float *y,
                        int64_t y_stride, int add) {
  n = n < width ? n : width;
  for (int r = 0; r < rows; r++) {
    float *to = y + r * y_stride;
    const float *from = sums + r * width;
    for (int i = 0; i < n; i += W) {
      int left = n - i < W ? n - i : W;
      vec s = load(from + i);
      if (left == W) {
        s = bias ? s + load(bias + i) : s;
        store(to + i, add ? load(to + i) + s : s);
      } else {
        s = bias ? s + load_some(bias + i, left) : s;
        store_some(to + i, add ? load_some(to + i, left) + s : s, left);
      }
    }
  }
}

#define FINISH(ROWS, VECTORS)                                                                      \
  float tile[TILE_ROWS * TILE_VECTORS * W];\
  UNROLL for (int r = 0; r < ROWS; r++) {                                                          \
    UNROLL for (int v = 0; v < VECTORS; v++) { store(tile + (r * (VECTORS) + v) * W, (vec)sums[r][v]); }          \
  }                                                                                                \
  int first_out = panel * LRT_PANEL;                                                               \
  finish_tile(ROWS, VECTORS * W, tile, part->bias ? part->bias + first_out : NULL,           \
              part->out - first_out, y + first_out, y_stride, add)

INLINE void tile_f32(const int rows, const int panels, const lrt_input *x, int row, int in,
                     const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  const int vectors = panels * PARTS;
  vec sums[TILE_ROWS][TILE_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  const float *a = x->plain + (int64_t)row * x->stride;
  const float *w = (const float *)part->weight + (int64_t)panel * LRT_PANEL * in;
  int64_t next = (int64_t)LRT_PANEL * in;
  for (int k = 0; k < in; k++) {
    vec weight[TILE_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
      weight[v] = load(w + v / PARTS * next + (int64_t)k * LRT_PANEL + v % PARTS * W);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(a[(int64_t)r * x->stride + k]);
      UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = fused(b, weight[v], sums[r][v]); }
    }
  }
  FINISH(rows, vectors);
}

INLINE void tile_f16(const int rows, const int panels, const lrt_input *x, int row, int in,
                     const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  const int vectors = panels * PARTS;
  vec sums[TILE_ROWS][TILE_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  const float *a = x->plain + (int64_t)row * x->stride;
  const uint16_t *w = (const uint16_t *)part->weight + (int64_t)panel * LRT_PANEL * in;
  int64_t next = (int64_t)LRT_PANEL * in;
  for (int k = 0; k < in; k++) {
    vec weight[TILE_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
      weight[v] = halves(w + v / PARTS * next + (int64_t)k * LRT_PANEL + v % PARTS * W);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(a[(int64_t)r * x->stride + k]);
      UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = fused(b, weight[v], sums[r][v]); }
    }
  }
  FINISH(rows, vectors);
}

#if LEVEL >= 4
/* Both bf16 parts of the input against pairs of weights: as many instructions as f32 would take. */
INLINE void tile_bf16(const int rows, const int panels, const lrt_input *x, int row, int in,
                      const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  int pairs = (in + 1) / 2;
  __m512 sums[TILE_ROWS][TILE_PANELS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int p = 0; p < panels; p++) { sums[r][p] = _mm512_setzero_ps(); }
  }
  const int32_t *a = (const int32_t *)(x->split + (int64_t)row * 2 * x->stride);
  int stride = x->stride; /* of a row, in pairs; the second part is half of it behind the first */
  const __m512i *w = (const __m512i *)part->weight + (int64_t)panel * pairs;
  for (int k = 0; k < pairs; k++) {
    __m512bh weight[TILE_PANELS];
    UNROLL for (int p = 0; p < panels; p++) {
      weight[p] = (__m512bh)_mm512_loadu_si512(w + (int64_t)p * pairs + k);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      __m512bh second = (__m512bh)_mm512_set1_epi32(a[(int64_t)r * stride + stride / 2 + k]);
      UNROLL for (int p = 0; p < panels; p++) {
        sums[r][p] = _mm512_dpbf16_ps(sums[r][p], weight[p], second);
      }
      __m512bh first = (__m512bh)_mm512_set1_epi32(a[(int64_t)r * stride + k]);
      UNROLL for (int p = 0; p < panels; p++) {
        sums[r][p] = _mm512_dpbf16_ps(sums[r][p], weight[p], first);
      }
    }
  }
  FINISH(rows, panels);
}
#else
INLINE void tile_bf16(const int rows, const int panels, const lrt_input *x, int row, int in,
                      const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  const int vectors = panels * PARTS;
  int pairs = (in + 1) / 2;
  vec sums[TILE_ROWS][TILE_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  const float *a = x->plain + (int64_t)row * x->stride;
  const uint16_t *w = (const uint16_t *)part->weight + (int64_t)panel * LRT_PANEL * 2 * pairs;
  int64_t next = (int64_t)LRT_PANEL * 2 * pairs;
  for (int k = 0; k < pairs; k++) {
    vec weight[TILE_VECTORS];
    const uint16_t *at = w + (int64_t)k * LRT_PANEL * 2;
    UNROLL for (int v = 0; v < vectors; v++) {
      weight[v] = even(at + v / PARTS * next + v % PARTS * 2 * W);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(a[(int64_t)r * x->stride + 2 * k]);
      UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = fused(b, weight[v], sums[r][v]); }
    }
    UNROLL for (int v = 0; v < vectors; v++) {
      weight[v] = odd(at + v / PARTS * next + v % PARTS * 2 * W);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(a[(int64_t)r * x->stride + 2 * k + 1]);
      UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = fused(b, weight[v], sums[r][v]); }
    }
  }
  FINISH(rows, vectors);
}
#endif

/* Bytes against bytes: whole sums of a block, then scaled. */
INLINE void tile_q8(const int rows, const int panels, const lrt_input *x, int row, int in,
                    const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  const int vectors = panels * PARTS;
  int blocks = in / LRT_BLOCK;
  vec sums[TILE_ROWS][TILE_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  int row_blocks = x->stride / LRT_BLOCK;
  const int8_t *a = x->bytes + (int64_t)row * x->stride;
  const float *scale = x->scales + (int64_t)row * row_blocks;
  const int32_t *begin = x->begin + (int64_t)row * row_blocks;
  int64_t next = (int64_t)blocks * LRT_PANEL * LRT_Q8_BYTES;
  const uint8_t *w = (const uint8_t *)part->weight + panel * next;
  const uint8_t *w_scales = w + (int64_t)blocks * LRT_BLOCK * LRT_PANEL;
  for (int block = 0; block < blocks; block++) {
    ivec whole[TILE_ROWS][TILE_VECTORS];
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int v = 0; v < vectors; v++) {
        whole[r][v] = begin[(int64_t)r * row_blocks + block] - (ivec){0};
      }
    }
    for (int k = 0; k < LRT_BLOCK / 4; k++) {
      ivec weight[TILE_VECTORS];
      UNROLL for (int v = 0; v < vectors; v++) {
        memcpy(&weight[v], w + v / PARTS * next + (block * (LRT_BLOCK / 4) + k) * LRT_PANEL * 4 + v % PARTS * 4 * W, sizeof(ivec));
      }
      UNROLL for (int r = 0; r < rows; r++) {
        const int8_t *four = a + (int64_t)r * x->stride + block * LRT_BLOCK + k * 4;
#if LEVEL >= 3
        int32_t bytes;
        memcpy(&bytes, four, 4);
        UNROLL for (int v = 0; v < vectors; v++) {
          whole[r][v] = (ivec)_mm512_dpbusd_epi32((__m512i)whole[r][v], (__m512i)weight[v],
                                                  _mm512_set1_epi32(bytes));
        }
#else
        UNROLL for (int v = 0; v < vectors; v++) {
          for (int byte = 0; byte < 4; byte++) {
            whole[r][v] += (weight[v] >> 8 * byte & 255) * (int32_t)four[byte];
          }
        }
#endif
      }
    }
    vec w_scale[TILE_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
      w_scale[v] = halves((const uint16_t *)(w_scales + v / PARTS * next) + block * LRT_PANEL + v % PARTS * W);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      vec s = all(scale[(int64_t)r * row_blocks + block]);
      UNROLL for (int v = 0; v < vectors; v++) {
        sums[r][v] = fused(__builtin_convertvector(whole[r][v], vec) * s, w_scale[v], sums[r][v]);
      }
    }
  }
  FINISH(rows, vectors);
}

#define ROWS_CASE(NAME, R, P)                                                       \
  case R:                                                                           \
    NAME(R, P, x, row, in, part, panel, y + row * y_stride, y_stride, add);         \
    break;

/* The function NAME: `panels` (a constant) panels from `panel` on, for all rows, tile by tile. */
#if TILE_ROWS == 6
#define ALL_ROWS(NAME, P) \
  ROWS_CASE(NAME, 1, P) ROWS_CASE(NAME, 2, P) ROWS_CASE(NAME, 3, P) ROWS_CASE(NAME, 4, P) ROWS_CASE(NAME, 5, P) ROWS_CASE(NAME, 6, P)
#else
#define ALL_ROWS(NAME, P) ROWS_CASE(NAME, 1, P) ROWS_CASE(NAME, 2, P)
#endif

#define PRODUCT(NAME, P)                                                                    \
  static void NAME##_##P(const lrt_input *x, int rows, int in, const lrt_part *part,        \
                         int panel, float *y, int64_t y_stride, int add) {                  \
    for (int row = 0; row < rows; row += TILE_ROWS) {                                       \
      switch (rows - row < TILE_ROWS ? rows - row : TILE_ROWS) { ALL_ROWS(NAME, P) }        \
    }                                                                                       \
  }

#define PRODUCTS(P) \
  PRODUCT(tile_f32, P) PRODUCT(tile_f16, P) PRODUCT(tile_bf16, P) PRODUCT(tile_q8, P)

PRODUCTS(1)
#if TILE_VECTORS / PARTS >= 2
PRODUCTS(2)
#endif
#if TILE_VECTORS / PARTS >= 4
PRODUCTS(4)
#endif

typedef void (*product_function)(const lrt_input *, int, int, const lrt_part *, int, float *, int64_t,
                                 int);

#define OF_TYPES(P) {tile_f32_##P, tile_f16_##P, tile_bf16_##P, tile_q8_##P}

static void product(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels,
                    float *y, int64_t y_stride, int add) {
  static const product_function functions[][4] = {
      OF_TYPES(1),
#if TILE_VECTORS / PARTS >= 2
      OF_TYPES(2),
#endif
#if TILE_VECTORS / PARTS >= 4
      OF_TYPES(4),
#endif
  };
  /* q8 has two sums for each output: half as many panels fit the registers. */
  int most = part->dtype == LRT_DTYPE_Q8 && rows > 2 ? (TILE_PANELS + 1) / 2 : TILE_PANELS;
  for (int size = most; size > 0; size /= 2) {
    for (; panels >= size; panel += size, panels -= size) {
      functions[size / 2][part->dtype](x, rows, in, part, panel, y, y_stride, add);
    }
  }
}

/* --- attention ------------------------------------------------------------------------------- */

#if W == 16
/* Columns of 16 rows: rows[p * dim + c] to columns[c * CHUNK + p], both 16 × 16. */
INLINE void transpose16(const float *rows, int64_t dim, float *columns) {
  __m512 a[16];
  __m512 b[16];
  UNROLL for (int i = 0; i < 16; i++) { a[i] = _mm512_loadu_ps(rows + i * dim); }
  UNROLL for (int i = 0; i < 16; i += 2) {
    b[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
  }
  UNROLL for (int i = 0; i < 16; i += 4) { /* a[i + j]: column 4 l + j of rows i … i+3 in lane l */
    UNROLL for (int j = 0; j < 2; j++) {
      a[i + 2 * j] = (__m512)_mm512_unpacklo_pd((__m512d)b[i + j], (__m512d)b[i + 2 + j]);
      a[i + 2 * j + 1] = (__m512)_mm512_unpackhi_pd((__m512d)b[i + j], (__m512d)b[i + 2 + j]);
    }
  }
  UNROLL for (int j = 0; j < 4; j++) {
    __m512 low = _mm512_shuffle_f32x4(a[j], a[4 + j], 0x88);    /* columns j, 8 + j */
    __m512 high = _mm512_shuffle_f32x4(a[j], a[4 + j], 0xDD);   /* columns 4 + j, 12 + j */
    __m512 low2 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0x88);
    __m512 high2 = _mm512_shuffle_f32x4(a[8 + j], a[12 + j], 0xDD);
    _mm512_storeu_ps(columns + j * CHUNK, _mm512_shuffle_f32x4(low, low2, 0x88));
    _mm512_storeu_ps(columns + (8 + j) * CHUNK, _mm512_shuffle_f32x4(low, low2, 0xDD));
    _mm512_storeu_ps(columns + (4 + j) * CHUNK, _mm512_shuffle_f32x4(high, high2, 0x88));
    _mm512_storeu_ps(columns + (12 + j) * CHUNK, _mm512_shuffle_f32x4(high, high2, 0xDD));
  }
}
#endif

/* columns[:, 0 … n-1] = the transpose of rows [n, dim]; columns are CHUNK wide. */
static void transpose(const float *rows, int n, int dim, float *columns) {
  int body = 0;
  int even_dim = 0;
#if W == 16
  body = n / 16 * 16;
  even_dim = dim / 16 * 16;
  for (int p = 0; p < body; p += 16) {
    for (int c = 0; c < even_dim; c += 16) {
      transpose16(rows + (int64_t)p * dim + c, dim, columns + c * CHUNK + p);
    }
  }
#endif
  for (int p = 0; p < n; p++) {
    for (int c = p < body ? even_dim : 0; c < dim; c++) {
      columns[c * CHUNK + p] = rows[(int64_t)p * dim + c];
    }
  }
}

/* y (rows × vectors) += x w, or = where `begin`: row k of w is w_step further. */
INLINE void accumulate(const int rows, const int vectors, const float *const *x, int n,
                       const float *w, int64_t w_step, float *y, int64_t y_stride, int begin) {
  vec sums[TILE_ROWS][TILE_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) {
      sums[r][v] = begin ? all(0) : load(y + r * y_stride + v * W);
    }
  }
  for (int k = 0; k < n; k++) {
    vec weight[TILE_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) { weight[v] = load(w + k * w_step + v * W); }
    UNROLL for (int r = 0; r < rows; r++) {
      vec a = all(x[r][k]);
      UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = fused(a, weight[v], sums[r][v]); }
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { store(y + r * y_stride + v * W, sums[r][v]); }
  }
}

/* All columns of y, `width` of them, a multiple of a panel; `rows` is a constant. */
INLINE void accumulate_columns(const int rows, const float *const *x, int n, const float *w,
                               int64_t w_step, int width, float *y, int64_t y_stride, int begin) {
  int c = 0;
  for (; c + TILE_PANELS * LRT_PANEL <= width; c += TILE_PANELS * LRT_PANEL) {
    accumulate(rows, TILE_PANELS * PARTS, x, n, w + c, w_step, y + c, y_stride, begin);
  }
  for (; c < width; c += LRT_PANEL) {
    accumulate(rows, PARTS, x, n, w + c, w_step, y + c, y_stride, begin);
  }
}

static void accumulate_all(int queries, const float *const *x, int n, const float *w, int64_t w_step,
                           int width, float *y, int64_t y_stride, int begin) {
  int r = 0;
  for (; r + TILE_ROWS <= queries; r += TILE_ROWS) {
    accumulate_columns(TILE_ROWS, x + r, n, w, w_step, width, y + r * y_stride, y_stride, begin);
  }
  for (; r + 2 <= queries; r += 2) {
    accumulate_columns(2, x + r, n, w, w_step, width, y + r * y_stride, y_stride, begin);
  }
  if (r < queries) {
    accumulate_columns(1, x + r, n, w, w_step, width, y + r * y_stride, y_stride, begin);
  }
}

/* Turns scores [0, width) of a query, of which it sees [from, to), into exp(score - largest). */
INLINE void soften(float *scores, int width, int from, int to, float scale, float *largest,
                   float *total) {
  const vec nothing = all(-INFINITY);
  ivec lane = {0};
  for (int i = 0; i < W; i++) {
    lane[i] = i;
  }
  vec most = nothing;
  for (int p = 0; p < width; p += W) {
    ivec at = lane + p;
    vec s = choose((at >= from) & (at < to), load(scores + p) * all(scale), nothing);
    store(scores + p, s);
    most = larger(s, most);
  }
  float max = greatest(most);
  if (!(max > -INFINITY)) {
    max = NAN; /* what is wrong with the numbers shows */
  }
  vec sums = all(0);
  for (int p = 0; p < width; p += W) {
    vec e = exponential(load(scores + p) - all(max));
    store(scores + p, e);
    sums += e;
  }
  *largest = max;
  *total = sum(sums);
}

static void attend(const lrt_block *b, int chunk, const lrt_attention_room *room) {
  int dim = b->dim;
  int width = (dim + LRT_PANEL - 1) / LRT_PANEL * LRT_PANEL;
  int start = chunk * CHUNK;
  int queries = b->rows * b->group;
  int64_t first = (int64_t)b->position + 1 - b->window;
  int low = first > start ? (int)first - start : 0; /* of the chunk, whatever any row sees */
  int high = b->position + b->rows - start < CHUNK ? b->position + b->rows - start : CHUNK;
  for (int s = 0; s < b->run->spans; s++) {
    const lrt_span *span = b->run->span + s;
    int from = span->from > start + low ? span->from : start + low;
    int to = span->to < start + high ? span->to : start + high;
    if (from < to) {
      const float *keys = span->keys + b->head * span->head + (int64_t)(from - span->from) * dim;
      transpose(keys, to - from, dim, room->keys + from - start);
    }
  }
  for (int q = 0; q < queries; q++) {
    room->rows[q] = b->queries + q / b->group * b->row + q % b->group * dim;
  }
  int columns = (high + LRT_PANEL - 1) / LRT_PANEL * LRT_PANEL;
  int aligned = low / LRT_PANEL * LRT_PANEL;
  accumulate_all(queries, room->rows, dim, room->keys + aligned, CHUNK, columns - aligned,
                 room->scores + aligned, CHUNK, 1);
  float scale = (float)(1 / sqrt((double)dim));
  for (int q = 0; q < queries; q++) {
    int end = b->position + q / b->group + 1;
    int64_t begin = (int64_t)end - b->window;
    int from = begin > start ? (int)begin - start : 0;
    int to = end - start < CHUNK ? end - start : CHUNK;
    if (from >= to) { /* sees nothing here */
      room->largest[q] = -INFINITY;
      memset(room->scores + q * CHUNK + aligned, 0, (size_t)(columns - aligned) * sizeof(float));
      continue;
    }
    soften(room->scores + q * CHUNK + aligned, columns - aligned, from - aligned, to - aligned, scale,
           &room->largest[q], &room->sums[q]);
  }
  int begun = 0;
  for (int s = 0; s < b->run->spans; s++) {
    const lrt_span *span = b->run->span + s;
    int from = span->from > start + low ? span->from : start + low;
    int to = span->to < start + high ? span->to : start + high;
    if (from >= to) {
      continue;
    }
    const float *values = span->values + b->head * span->head + (int64_t)(from - span->from) * dim;
    int64_t step = dim;
    if (width != dim) {
      for (int p = 0; p < to - from; p++) {
        memcpy(room->values + p * width, values + (int64_t)p * dim, (size_t)dim * sizeof(float));
        memset(room->values + p * width + dim, 0, (size_t)(width - dim) * sizeof(float));
      }
      values = room->values;
      step = width;
    }
    for (int q = 0; q < queries; q++) {
      room->rows[q] = room->scores + q * CHUNK + from - start;
    }
    accumulate_all(queries, room->rows, to - from, values, step, width, room->partial, width, !begun);
    begun = 1;
  }
}

static void merge(float *m, float *s, float *o, float chunk_m, float chunk_s, const float *chunk_o,
                  int dim) {
  float largest = *m > chunk_m ? *m : chunk_m;
  float mine = exponential(all(*m - largest))[0];
  float theirs = exponential(all(chunk_m - largest))[0];
  int i = 0;
  for (; i + W <= dim; i += W) {
    store(o + i, fused(load(o + i), all(mine), load(chunk_o + i) * all(theirs)));
  }
  for (; i < dim; i++) {
    o[i] = fused(all(o[i]), all(mine), all(chunk_o[i]) * all(theirs))[0];
  }
  *m = largest;
  *s = *s * mine + chunk_s * theirs;
}

static void divide(const float *o, float s, int dim, float *out) {
  float scale = 1 / s;
  for (int i = 0; i < dim; i++) {
    out[i] = o[i] * scale;
  }
}

#define NAME2(LEVEL) lrt_kernels_##LEVEL
#define NAME(LEVEL) NAME2(LEVEL)

const lrt_kernels NAME(LEVEL) = {
    .splits = LEVEL >= 4,
    .prepare = prepare,
    .gate = gate,
    .product = product,
    .pack = pack,
    .norm = norm,
    .rotate = rotate,
    .attend = attend,
    .merge = merge,
    .divide = divide,
    .summarize = summarize,
};
