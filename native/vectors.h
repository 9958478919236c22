/* Vectors of a level: W floats; a panel is 16 / W of them. Like the headers beside it, a part of kernels.c. */
#ifndef VECTORS_H
#define VECTORS_H

#include "kernels.h"

#include <math.h>
#include <string.h>

#if defined __x86_64__
#include <immintrin.h>
#elif defined __aarch64__
#include <arm_neon.h>
#endif

#if defined __AVX512F__
#define W 16
#define TILE_ROWS 6
#define TILE_VECTORS 4
#elif defined __AVX2__
#define W 8
#define TILE_ROWS 6
#define TILE_VECTORS 2
#elif defined __aarch64__
#define NEON 1
#define W 4
#define TILE_ROWS 6
#define TILE_VECTORS 4
#else
#define W 4
#define TILE_ROWS 2
#define TILE_VECTORS 4
#endif

#ifndef NEON
#define NEON 0
#endif
#define ONLY_BYTES (LEVEL == 3 || LEVEL == 6) /* whether a level's products of bytes are all that is its own */
#define SQUARES (W >= 8 || NEON) /* whether they are transposed in registers, see squares.h */

#define PARTS (LRT_PANEL / W) /* vectors of a panel */
#define TILE_PANELS (TILE_VECTORS < PARTS ? 1 : TILE_VECTORS / PARTS)
#define LINE 64 /* bytes that memory gives at once */
#define INLINE static inline __attribute__((always_inline))
#define UNROLL _Pragma("GCC unroll 16")
#define UNROLL_TWO _Pragma("GCC unroll 2")

typedef float vec __attribute__((vector_size(4 * W)));
typedef int32_t ivec __attribute__((vector_size(4 * W)));
typedef uint32_t uvec __attribute__((vector_size(4 * W)));

INLINE vec load(const float *p) {
  vec v;
  memcpy(&v, p, sizeof v);
  return v;
}

INLINE void store(float *p, vec v) { memcpy(p, &v, sizeof v); }

INLINE vec all(float x) { return x - (vec){0}; }

INLINE vec choose(ivec mask, vec yes, vec no) {
#if NEON
  return (vec)vbslq_f32((uint32x4_t)mask, (float32x4_t)yes, (float32x4_t)no);
#else
  return (vec)((mask & (ivec)yes) | (~mask & (ivec)no));
#endif
}

/* Whether a lane of a mask is set. */
INLINE int any(ivec mask) {
#if W == 16
  return _mm512_test_epi32_mask((__m512i)mask, (__m512i)mask) != 0;
#elif W == 8
  return !_mm256_testz_si256((__m256i)mask, (__m256i)mask);
#else
  int64_t two[2];
  memcpy(two, &mask, sizeof two);
  return (two[0] | two[1]) != 0;
#endif
}

/* a > b ? a : b, which is what the instructions do, with NaN as well. */
INLINE vec larger(vec a, vec b) {
#if W == 16
  return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif W == 8
  return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
  return choose(a > b, a, b);
#endif
}

/* a < b ? a : b, likewise. */
INLINE vec lesser(vec a, vec b) {
#if W == 16
  return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif W == 8
  return (vec)_mm256_min_ps((__m256)a, (__m256)b);
#else
  return choose(a < b, a, b);
#endif
}

INLINE vec fused(vec a, vec b, vec c) {
#if W == 16
  return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
#elif W == 8
  return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
#elif NEON
  return (vec)vfmaq_f32((float32x4_t)c, (float32x4_t)a, (float32x4_t)b);
#else
  return a * b + c;
#endif
}

/* *sum += a b, fused. */
INLINE void add_product(vec *sum, vec a, vec b) {
#if W == 8 /* the compiler would rather let the result take a's place, and then has no register left for a's next one */
  __asm__("vfmadd231ps %2, %1, %0" : "+x"(*sum) : "x"(a), "x"(b));
#else
  *sum = fused(a, b, *sum);
#endif
}

typedef float vec4 __attribute__((vector_size(16)));

/* Lanes i and i + half are added (or the larger is kept), and again, down to one. */
#define FOLD(NAME, OP)                                                            \
  INLINE float NAME(vec v) {                                                      \
    vec4 part[W / 4];                                                             \
    memcpy(part, &v, sizeof v);                                                   \
    for (int half = W / 8; half > 0; half /= 2) {                                 \
      UNROLL for (int i = 0; i < half; i++) { part[i] = OP(part[i], part[i + half]); } \
    }                                                                             \
    vec4 two = OP(part[0], ((vec4){part[0][2], part[0][3], 0, 0}));               \
    return OP(two, ((vec4){two[1], 0, 0, 0}))[0];                                 \
  }
#define PLUS(a, b) (a + b)

INLINE vec4 larger4(vec4 a, vec4 b) {
#if defined __x86_64__
  return (vec4)_mm_max_ps((__m128)a, (__m128)b);
#else
  return larger(a, b);
#endif
}

FOLD(sum, PLUS)
FOLD(greatest, larger4)

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
#elif NEON
  return (vec)vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p)));
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

INLINE vec magnitude(vec v) { return (vec)((ivec)v & 0x7FFFFFFF); }

INLINE ivec larger_bits(ivec a, ivec b) {
#if W == 16
  return (ivec)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif W == 8
  return (ivec)_mm256_max_epi32((__m256i)a, (__m256i)b);
#elif NEON
  return (ivec)vmaxq_s32((int32x4_t)a, (int32x4_t)b);
#else
  return (ivec)choose(a > b, (vec)a, (vec)b);
#endif
}

INLINE int32_t greatest_bits(ivec v) {
#if W == 16
  return _mm512_reduce_max_epi32((__m512i)v);
#elif NEON
  return vmaxvq_s32((int32x4_t)v);
#else
  int32_t most = v[0];
  for (int lane = 1; lane < W; lane++) {
    most = v[lane] > most ? v[lane] : most;
  }
  return most;
#endif
}

/*
 * The largest magnitude of a block; NaN if one is, so that what is wrong with the numbers shows: as whole numbers, the bits of
 * magnitudes have the same order, and NaN is above all.
 */
INLINE float largest_of_block(const float *x) {
  ivec most = {0};
  for (int i = 0; i < LRT_BLOCK; i += W) {
    most = larger_bits((ivec)magnitude(load(x + i)), most);
  }
  int32_t bits = greatest_bits(most);
  float largest;
  memcpy(&largest, &bits, sizeof largest);
  return largest;
}

/* Numbers of at most 127 as whole ones, to the nearest, ties to even. */
INLINE ivec to_bytes(vec v) {
  const vec magic = all(12582912.f); /* 1.5 * 2^23: adding it rounds to an integer */
  return (ivec)(v + magic) << 24 >> 24;
}

/* Likewise numbers whose scale was rounded too, so that they may be a little more than 127. */
INLINE ivec to_clamped_bytes(vec v) { return to_bytes(lesser(all(127), larger(all(-127), v))); }

INLINE void store_bytes(int8_t *p, ivec v) {
#if W == 16
  _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8((__m512i)v));
#elif W == 8
  __m128i words = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v), _mm256_extracti128_si256((__m256i)v, 1));
  _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(words, words));
#elif NEON
  int16x4_t words = vmovn_s32((int32x4_t)v);
  int32x2_t bytes = vreinterpret_s32_s8(vmovn_s16(vcombine_s16(words, words)));
  memcpy(p, &bytes, W);
#else
  for (int lane = 0; lane < W; lane++) {
    p[lane] = (int8_t)v[lane];
  }
#endif
}

/* W signed bytes. */
INLINE vec signed_bytes(const int8_t *p) {
#if W == 16
  return (vec)_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
#elif W == 8
  return (vec)_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
#elif NEON
  float bytes;
  memcpy(&bytes, p, sizeof bytes);
  int16x8_t words = vmovl_s8(vreinterpret_s8_f32(vset_lane_f32(bytes, vdup_n_f32(0), 0)));
  return (vec)vcvtq_f32_s32(vmovl_s16(vget_low_s16(words)));
#else
  vec v = {0};
  for (int i = 0; i < W; i++) {
    v[i] = p[i];
  }
  return v;
#endif
}

/* The f16 number at p, in all lanes. */
INLINE vec scale_at(const char *p) {
  uint16_t scale;
  memcpy(&scale, p, sizeof scale);
#if W == 16
  return (vec)_mm512_cvtph_ps(_mm256_set1_epi16((short)scale));
#elif W == 8
  return (vec)_mm256_cvtph_ps(_mm_set1_epi16((short)scale));
#elif NEON
  return (vec)vcvt_f32_f16(vreinterpret_f16_u16(vdup_n_u16(scale)));
#else
  uint16_t lanes[W] = {scale};
  return all(halves(lanes)[0]);
#endif
}

/* W numbers from element i on of f32, f16 or q8 ones; of q8 they are within a block. */
INLINE vec load_as(const int dtype, const void *p, int64_t i) {
  if (dtype == LRT_DTYPE_Q8) {
    const char *block = (const char *)p + (i >> 5) * LRT_Q8_BYTES;
    return signed_bytes((const int8_t *)block + 2 + (i & (LRT_BLOCK - 1))) * scale_at(block);
  }
  return dtype == LRT_DTYPE_F16 ? halves((const uint16_t *)p + i) : load((const float *)p + i);
}

/* n f16 or q8 numbers from element `at` on as f32. */
static inline void widen(int dtype, const void *p, int64_t at, int n, float *to) {
  int i = 0;
  if (dtype == LRT_DTYPE_Q8) {
    for (; i < n; i += W) {
      store(to + i, load_as(LRT_DTYPE_Q8, p, at + i));
    }
    return;
  }
  for (; i + W <= n; i += W) {
    store(to + i, load_as(LRT_DTYPE_F16, p, at + i));
  }
  if (i < n) {
    uint16_t lane[W] = {0};
    memcpy(lane, (const uint16_t *)p + at + i, (size_t)(n - i) * sizeof(uint16_t));
    store_some(to + i, halves(lane), n - i);
  }
}

/* x as f16, to the nearest, even if there are two. */
INLINE uint16_t rounded_half(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  uint32_t sign = bits >> 16 & 0x8000;
  bits &= 0x7FFFFFFF;
  if (bits >= 0x47800000) { /* 2^16 and more, NaN */
    return (uint16_t)(sign | (bits > 0x7F800000 ? 0x7E00 : 0x7C00));
  }
  if (bits < 0x38800000) { /* subnormal: beside 1/2, f32's last place is f16's */
    float shifted = fabsf(x) + 0.5f;
    memcpy(&bits, &shifted, sizeof bits);
    return (uint16_t)(sign | (bits - 0x3F000000));
  }
  return (uint16_t)(sign | (bits - (112u << 23) + 0xFFF + (bits >> 13 & 1)) >> 13);
}

/* W numbers; if `finite`, what f16 is too small for is its largest number. NaN stays NaN. */
INLINE vec within_half(const int finite, const float *p) {
  return finite ? lesser(all(65504), larger(all(-65504), load(p))) : load(p);
}

/* n numbers as f16, to the nearest. */
INLINE void narrow_halves(const int finite, const float *x, int n, uint16_t *to) {
  int i = 0;
#if W == 16
  for (; i + W <= n; i += W) {
    __m256i h = _mm512_cvtps_ph((__m512)within_half(finite, x + i), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
    _mm256_storeu_si256((__m256i *)(to + i), h);
  }
#elif W == 8
  for (; i + W <= n; i += W) {
    __m128i h = _mm256_cvtps_ph((__m256)within_half(finite, x + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128((__m128i *)(to + i), h);
  }
#elif NEON
  for (; i + W <= n; i += W) {
    vst1_u16(to + i, vreinterpret_u16_f16(vcvt_f16_f32((float32x4_t)within_half(finite, x + i))));
  }
#endif
  for (; i < n; i++) {
    uint16_t half = rounded_half(x[i]);
    to[i] = finite && (half & 0x7FFF) == 0x7C00 ? (uint16_t)(half - 1) : half;
  }
}

/* A block as q8: the scale that takes the largest magnitude to 127, to the nearest; so are bytes. */
INLINE void narrow_block(const float *x, char *to) {
  uint16_t half = rounded_half(largest_of_block(x) / 127);
  memcpy(to, &half, sizeof half);
  float scale = scale_at(to)[0];
  vec inverse = all(scale == 0 ? 0 : 1 / scale);
  for (int i = 0; i < LRT_BLOCK; i += W) {
    store_bytes((int8_t *)to + 2 + i, to_clamped_bytes(load(x + i) * inverse));
  }
}

/* Keys or values: one infinite f16 key would make a whole row of attention NaN. */
static inline void narrow(const float *x, int n, int dtype, void *to) {
  if (dtype == LRT_DTYPE_Q8) {
    for (int i = 0; i < n; i += LRT_BLOCK) {
      narrow_block(x + i, (char *)to + lrt_bytes(dtype, i));
    }
  } else if (dtype == LRT_DTYPE_F16) {
    narrow_halves(1, x, n, to);
  } else {
    memcpy(to, x, (size_t)n * sizeof(float));
  }
}

/*
 * e^x for x up to 88 (a larger one is taken as 88); 0 below -87.3; NaN for NaN. e^x = 2^k e^r, with
 * Cody and Waite's two-part ln 2, then a polynomial (Cephes expf coefficients).
 */
INLINE vec exponential(vec x) {
  const vec smallest = all(-87.33654f);
  const vec magic = all(12582912.f); /* 1.5 * 2^23: adding it rounds to an integer */
  vec clamped = lesser(all(88.02f), larger(smallest, x)); /* NaN stays NaN */
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

#endif
