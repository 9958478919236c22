/* Squares of keys, as many rows as a vector has lanes, transposed in registers. */
#ifndef SQUARES_H
#define SQUARES_H

#include "vectors.h"

#if W == 16
/* A row that the next three are counted from: there are no registers for 16 rows' addresses, which the compiler would keep. */
INLINE const void *counted_from(const void *row) {
  __asm__("" : "+r"(row));
  return row;
}

/* The transpose of W rows' first W elements; rows are dim apart. */
INLINE void transpose_square(const float *rows, int64_t dim, vec columns[W]) {
  __m512 a[16];
  __m512 b[16];
  UNROLL for (int i = 0; i < 16; i += 4) {
    const float *four = counted_from(rows + i * dim);
    UNROLL for (int j = 0; j < 4; j++) { a[i + j] = _mm512_loadu_ps(four + j * dim); }
  }
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
    columns[j] = (vec)_mm512_shuffle_f32x4(low, low2, 0x88);
    columns[8 + j] = (vec)_mm512_shuffle_f32x4(low, low2, 0xDD);
    columns[4 + j] = (vec)_mm512_shuffle_f32x4(high, high2, 0x88);
    columns[12 + j] = (vec)_mm512_shuffle_f32x4(high, high2, 0xDD);
  }
}

/* The transpose of 32 bytes of W rows, which are `step` apart: fours[k] has the rows' bytes 4 k … 4 k + 3. */
INLINE void transpose_fours(const char *rows, int64_t step, ivec fours[8]) {
  __m512i a[8];
  __m512i b[8];
  UNROLL for (int i = 0; i < 8; i += 4) { /* rows 0 … 3 beside 4 … 7, 8 … 11 beside 12 … 15 */
    const char *four = counted_from(rows + i * 2 * step);
    const char *beside = counted_from(four + 4 * step);
    UNROLL for (int j = 0; j < 4; j++) {
      __m512i first = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *)(four + j * step)));
      a[i + j] = _mm512_inserti64x4(first, _mm256_loadu_si256((const __m256i *)(beside + j * step)), 1);
    }
  }
  UNROLL for (int i = 0; i < 8; i += 2) {
    b[i] = _mm512_unpacklo_epi32(a[i], a[i + 1]);
    b[i + 1] = _mm512_unpackhi_epi32(a[i], a[i + 1]);
  }
  UNROLL for (int i = 0; i < 8; i += 4) { /* a[i + j]: fours j and 4 + j of four rows by turns */
    UNROLL for (int j = 0; j < 2; j++) {
      a[i + 2 * j] = _mm512_unpacklo_epi64(b[i + j], b[i + 2 + j]);
      a[i + 2 * j + 1] = _mm512_unpackhi_epi64(b[i + j], b[i + 2 + j]);
    }
  }
  UNROLL for (int j = 0; j < 4; j++) {
    fours[j] = (ivec)_mm512_shuffle_i32x4(a[j], a[4 + j], 0x88);
    fours[4 + j] = (ivec)_mm512_shuffle_i32x4(a[j], a[4 + j], 0xDD);
  }
}

/* The first and the second f16 number of every lane, as f32. */
INLINE void widen_two(ivec two, vec *first, vec *second) {
  const __m512i halves_apart = _mm512_set_epi16(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1, 30, 28,
                                                26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
  __m512i apart = _mm512_permutexvar_epi16(halves_apart, (__m512i)two);
  *first = (vec)_mm512_cvtph_ps(_mm512_castsi512_si256(apart));
  *second = (vec)_mm512_cvtph_ps(_mm512_extracti64x4_epi64(apart, 1));
}
#elif W == 8
/* The transpose of 16 bytes of W rows: fours[k] has the rows' bytes 4 k … 4 k + 3. */
INLINE void transpose_half(const char *rows, int64_t step, ivec fours[4]) {
  __m256 a[4];
  __m256 b[4];
  UNROLL for (int i = 0; i < 4; i++) { /* rows 0 … 3 beside 4 … 7 */
    const char *row = rows + i * step;
    __m256 first = _mm256_castps128_ps256(_mm_loadu_ps((const float *)row));
    a[i] = _mm256_insertf128_ps(first, _mm_loadu_ps((const float *)(row + 4 * step)), 1);
  }
  UNROLL for (int i = 0; i < 4; i += 2) {
    b[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
    b[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
  }
  UNROLL for (int j = 0; j < 2; j++) {
    fours[2 * j] = (ivec)_mm256_unpacklo_pd((__m256d)b[j], (__m256d)b[2 + j]);
    fours[2 * j + 1] = (ivec)_mm256_unpackhi_pd((__m256d)b[j], (__m256d)b[2 + j]);
  }
}

INLINE void widen_two(ivec two, vec *first, vec *second) {
  const __m256i halves_apart = _mm256_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15, 0, 1, 4, 5, 8, 9,
                                                12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
  __m256i apart = _mm256_permute4x64_epi64(_mm256_shuffle_epi8((__m256i)two, halves_apart), 0xD8);
  *first = (vec)_mm256_cvtph_ps(_mm256_castsi256_si128(apart));
  *second = (vec)_mm256_cvtph_ps(_mm256_extracti128_si256(apart, 1));
}
#elif NEON
/* The transpose of 16 bytes of W rows: fours[k] has the rows' bytes 4 k … 4 k + 3. */
INLINE void transpose_half(const char *rows, int64_t step, ivec fours[4]) {
  int32x4_t a[4];
  UNROLL for (int i = 0; i < 4; i++) { a[i] = vld1q_s32((const int32_t *)(rows + i * step)); }
  UNROLL for (int i = 0; i < 2; i++) { /* fours i and 2 + i */
    int64x2_t first = vreinterpretq_s64_s32(i ? vtrn2q_s32(a[0], a[1]) : vtrn1q_s32(a[0], a[1]));
    int64x2_t second = vreinterpretq_s64_s32(i ? vtrn2q_s32(a[2], a[3]) : vtrn1q_s32(a[2], a[3]));
    fours[i] = (ivec)vtrn1q_s64(first, second);
    fours[2 + i] = (ivec)vtrn2q_s64(first, second);
  }
}

INLINE void widen_two(ivec two, vec *first, vec *second) {
  uint16x8_t both = (uint16x8_t)two;
  *first = (vec)vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(vuzp1q_u16(both, both))));
  *second = (vec)vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(vuzp2q_u16(both, both))));
}
#endif

#if W == 8 || NEON
/* The transpose of 32 bytes of W rows. */
INLINE void transpose_fours(const char *rows, int64_t step, ivec fours[8]) {
  transpose_half(rows, step, fours);
  transpose_half(rows + 16, step, fours + 4);
}

/* Of W rows' first elements, as many as a square has columns. */
INLINE void transpose_square(const float *rows, int64_t dim, vec *columns) {
  UNROLL for (int from = 0; from < (W == 8 ? 8 : 16); from += 8) {
    ivec fours[8];
    transpose_fours((const char *)(rows + from), dim * (int64_t)sizeof(float), fours);
    UNROLL for (int i = 0; i < 8; i++) { columns[from + i] = (vec)fours[i]; }
  }
}
#endif

#if SQUARES
/* The scales of W rows of q8. */
INLINE vec scales_of(const char *rows, int64_t step) {
  uint16_t scales[W];
  for (int i = 0; i < W; i++) {
    memcpy(&scales[i], rows + i * step, sizeof scales[i]);
  }
  return halves(scales);
}

/*
 * Byte number `byte` of every lane's four of q8, times its scale. With AVX-512, as bits 8 to 15 of a number whose power of two is
 * 32768: so it is that much more, and 128 more without its sign, which `less` takes away again in the same step, exactly.
 */
INLINE vec widen_byte(ivec fours, int byte, vec scales, vec less) {
#if W == 16
  ivec moved = byte == 0 ? fours << 8 : byte == 1 ? fours : fours >> (byte == 2 ? 8 : 16);
  return fused((vec)((moved & 0xFF00) ^ 0x47008000), scales, less);
#else
  (void)less;
  return __builtin_convertvector(fours << (24 - byte * 8) >> 24, vec) * scales;
#endif
}

/* Of scales, exact, as they have 11 bits. */
INLINE vec less_of(vec scales) { return scales * all(-32768 - 128); }

/* W rows' columns, `square_width` of them: transposed as they lie, then widened, which are fewer steps. */
typedef struct {
  ivec fours[8];
  vec scales; /* of q8 rows */
  vec less;
} square;

INLINE int square_width(const int dtype) {
  return dtype == LRT_DTYPE_Q8 ? LRT_BLOCK : dtype == LRT_DTYPE_F16 ? 16 : W == 8 ? 8 : 16;
}

/* Columns that are widened at a time. */
INLINE int part_width(const int dtype) { return dtype == LRT_DTYPE_F32 ? square_width(dtype) : 16; }

/* The square of `rows`, which are dim elements apart, from element `at` on. */
INLINE void begin_square(const int dtype, const char *rows, int64_t at, int64_t dim, square *of) {
  int64_t step = lrt_bytes(dtype, dim);
  const char *from = rows + lrt_bytes(dtype, at);
  if (dtype == LRT_DTYPE_F16) {
    transpose_fours(from, step, of->fours);
  } else if (dtype == LRT_DTYPE_Q8) {
    of->scales = scales_of(from, step);
    of->less = less_of(of->scales);
    transpose_fours(from + 2, step, of->fours);
  }
}

/* Its columns from part_width * part on. */
INLINE void widen_columns(const int dtype, const square *of, int part, const char *rows, int64_t at, int64_t dim,
                          vec columns[16]) {
  if (dtype == LRT_DTYPE_F32) {
    transpose_square((const float *)rows + at, dim, columns);
  } else if (dtype == LRT_DTYPE_F16) {
    UNROLL for (int i = 0; i < 8; i++) { widen_two(of->fours[i], &columns[2 * i], &columns[2 * i + 1]); }
  } else {
    UNROLL for (int i = 0; i < 16; i++) { columns[i] = widen_byte(of->fours[part * 4 + i / 4], i % 4, of->scales, of->less); }
  }
}

/* columns[c * COLUMN + p] = rows[p * dim + c] from element `at` on, W rows and a square's columns. */
INLINE void store_columns(const int dtype, const char *rows, int64_t at, int64_t dim, float *columns) {
  square of;
  begin_square(dtype, rows, at, dim, &of);
  UNROLL for (int part = 0; part < square_width(dtype) / part_width(dtype); part++) {
    vec some[16];
    widen_columns(dtype, &of, part, rows, at, dim, some);
    UNROLL for (int c = 0; c < part_width(dtype); c++) { store(columns + (part * 16 + c) * COLUMN, some[c]); }
  }
}
#endif

#endif
