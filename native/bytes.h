/* Products of bytes, exact sums of a block: what an instruction set has for them. */
#ifndef BYTES_H
#define BYTES_H

#include "ahead.h"

#define MOST_ROWS (W == 16 ? 12 : TILE_ROWS) /* of a product's tile */
#define SUM_VECTORS (W == 16 ? LRT_MOST_RUNS * LRT_FOLDED / W : FEW_PANELS * PARTS)

/*
 * Where every third row begins, which is all that there are registers for: the two behind it are one and two strides on,
 * as an instruction can add. The compiler must not see through it.
 */
#define FIND_EVERY_THIRD(TYPE, NAME, FROM, STRIDE) \
  const TYPE *NAME[(MOST_ROWS + 2) / 3];           \
  UNROLL for (int r = 0; r < rows; r += 3) {       \
    NAME[r / 3] = (FROM) + r * (STRIDE);           \
    __asm__("" : "+r"(NAME[r / 3]));               \
  }

#if LEVEL >= 3 || W == 8 || NEON
#define UNROLL_BYTES UNROLL
#else /* they take so many instructions that a loop round them costs nothing */
#define UNROLL_BYTES
#endif

/* Four bytes of a row, in every lane. */
INLINE ivec four_bytes(const int8_t *a) {
  int32_t bytes;
  memcpy(&bytes, a, sizeof bytes);
  return bytes - (ivec){0};
}

/* Each byte's upper four bits. */
INLINE ivec high_halves(ivec bytes) {
#if NEON
  return (ivec)vshrq_n_u8((uint8x16_t)bytes, 4);
#else
  return bytes >> 4 & 0x0F0F0F0F;
#endif
}

/*
 * Sums of a block, for each lane and row: begin_block, then multiply_bytes for four bytes of every lane (unsigned, 128 or
 * 8 too many) and of each row, which are a_step apart, then end_block; `begin` is what makes up for the 128 too many.
 */
#define TWO_FOURS (NEON && LEVEL == 0) /* q8 takes two of them at a time */
#if TWO_FOURS
/* Sums of the lower two lanes and of the upper two, each as pairs of neighbours' (q8) or as four of 16 bits (q4). */
typedef struct {
  ivec low, high;
} block_sum;

INLINE block_sum begin_block(const int bits, int32_t begin) {
  (void)bits, (void)begin;
  return (block_sum){{0}, {0}};
}

/* Of q4: all of a block fit 16 bits, 32 / 4 * 15 * 127. */
INLINE void multiply_bytes(const int bits, const int rows, const int vectors, block_sum whole[MOST_ROWS][SUM_VECTORS],
                           const ivec *weight, const int8_t *const *a, int from, int64_t stride) {
  (void)bits;
  UNROLL for (int r = 0; r < rows; r++) {
    int8x16_t four = (int8x16_t)four_bytes(a[r / 3] + r % 3 * stride + from);
    UNROLL for (int v = 0; v < vectors; v++) {
      block_sum *s = &whole[r][v];
      int8x16_t w = (int8x16_t)weight[v];
      s->low = (ivec)vmlal_s8((int16x8_t)s->low, vget_low_s8(w), vget_low_s8(four));
      s->high = (ivec)vmlal_high_s8((int16x8_t)s->high, w, four);
    }
  }
}

/* Of q8, and with the four bytes before them: two products fit, 2 * 128 * 127. */
INLINE void multiply_two_fours(const int rows, const int vectors, block_sum whole[MOST_ROWS][SUM_VECTORS],
                               const ivec *before, const ivec *weight, const int8_t *const *a, int from, int64_t stride) {
  int8x16_t four[2][TILE_ROWS];
  UNROLL for (int r = 0; r < rows; r++) {
    four[0][r] = (int8x16_t)four_bytes(a[r / 3] + r % 3 * stride + from - 4);
    four[1][r] = (int8x16_t)four_bytes(a[r / 3] + r % 3 * stride + from);
  }
  UNROLL for (int v = 0; v < vectors; v++) {
    int8x16_t first = (int8x16_t)(before[v] ^ (int32_t)0x80808080);
    int8x16_t second = (int8x16_t)(weight[v] ^ (int32_t)0x80808080);
    UNROLL for (int r = 0; r < rows; r++) {
      block_sum *s = &whole[r][v];
      int16x8_t low = vmull_s8(vget_low_s8(first), vget_low_s8(four[0][r]));
      int16x8_t high = vmull_high_s8(first, four[0][r]);
      low = vmlal_s8(low, vget_low_s8(second), vget_low_s8(four[1][r]));
      high = vmlal_high_s8(high, second, four[1][r]);
      s->low = (ivec)vpadalq_s16((int32x4_t)s->low, low);
      s->high = (ivec)vpadalq_s16((int32x4_t)s->high, high);
    }
  }
}

INLINE ivec end_block(const int bits, block_sum whole, int32_t begin) {
  if (bits == 4) {
    int32x4_t low = vpaddlq_s16((int16x8_t)whole.low);
    return (ivec)vpaddq_s32(low, vpaddlq_s16((int16x8_t)whole.high)) + (begin >> 4);
  }
  return (ivec)vpaddq_s32((int32x4_t)whole.low, (int32x4_t)whole.high);
}
#elif NEON
typedef ivec block_sum;

INLINE block_sum begin_block(const int bits, int32_t begin) { return (bits == 8 ? 0 : begin >> 4) - (ivec){0}; }

INLINE void multiply_bytes(const int bits, const int rows, const int vectors, block_sum whole[MOST_ROWS][SUM_VECTORS],
                           const ivec *weight, const int8_t *const *a, int from, int64_t stride) {
  int8x16_t w[SUM_VECTORS];
  UNROLL for (int v = 0; v < vectors; v++) {
    w[v] = (int8x16_t)(bits == 8 ? weight[v] ^ (int32_t)0x80808080 : weight[v]);
  }
  UNROLL for (int r = 0; r < rows; r++) {
    int8x16_t four = (int8x16_t)four_bytes(a[r / 3] + r % 3 * stride + from);
    UNROLL for (int v = 0; v < vectors; v++) {
      whole[r][v] = (ivec)vdotq_s32((int32x4_t)whole[r][v], w[v], four);
    }
  }
}

INLINE ivec end_block(const int bits, block_sum whole, int32_t begin) {
  (void)bits, (void)begin;
  return whole;
}
#elif W == 8 && !ONLY_BYTES
typedef ivec block_sum;
typedef int16_t svec __attribute__((vector_size(4 * W)));

/* Unsigned bytes by signed ones, two and two added in 16 bits: what AVX2 has. */
INLINE svec byte_pairs(ivec a, ivec b) { return (svec)_mm256_maddubs_epi16((__m256i)a, (__m256i)b); }

/* Two and two added in 32 bits. */
INLINE ivec sums_of_pairs(svec v) { return (ivec)_mm256_madd_epi16((__m256i)v, _mm256_set1_epi16(1)); }

INLINE ivec begin_block(const int bits, int32_t begin) {
  (void)bits, (void)begin;
  return (ivec){0};
}

INLINE void multiply_bytes(const int bits, const int rows, const int vectors, ivec whole[MOST_ROWS][SUM_VECTORS],
                           const ivec *weight, const int8_t *const *a, int from, int64_t stride) {
  ivec byte[SUM_VECTORS];
  ivec positive[SUM_VECTORS];
  UNROLL for (int v = 0; v < vectors; v++) {
    byte[v] = weight[v] ^ (int32_t)0x80808080;
    positive[v] = (ivec)_mm256_abs_epi8((__m256i)byte[v]);
  }
  UNROLL for (int r = 0; r < rows; r++) {
    ivec four = four_bytes(a[r / 3] + r % 3 * stride + from);
    UNROLL for (int v = 0; v < vectors; v++) {
      if (bits == 4) { /* all of a block fit 16 bits: 32 * 15 * 127 / 2 */
        whole[r][v] = (ivec)((svec)whole[r][v] + byte_pairs(weight[v], four));
      } else { /* two fit, if the row takes over the signs: 2 * 128 * 127 */
        ivec signs = (ivec)_mm256_sign_epi8((__m256i)four, (__m256i)byte[v]);
        whole[r][v] += sums_of_pairs(byte_pairs(positive[v], signs));
      }
    }
  }
}

INLINE ivec end_block(const int bits, ivec whole, int32_t begin) {
  return bits == 4 ? sums_of_pairs((svec)whole) + (begin >> 4) : whole;
}
#else
typedef ivec block_sum;

INLINE ivec begin_block(const int bits, int32_t begin) { return (bits == 8 ? begin : begin >> 4) - (ivec){0}; }

INLINE void multiply_bytes(const int bits, const int rows, const int vectors, ivec whole[MOST_ROWS][SUM_VECTORS],
                           const ivec *weight, const int8_t *const *a, int from, int64_t stride) {
  (void)bits;
  UNROLL for (int r = 0; r < rows; r++) {
#if LEVEL >= 3
    ivec four = four_bytes(a[r / 3] + r % 3 * stride + from);
    UNROLL for (int v = 0; v < vectors; v++) {
#if W == 16
      whole[r][v] = (ivec)_mm512_dpbusd_epi32((__m512i)whole[r][v], (__m512i)weight[v], (__m512i)four);
#else
      whole[r][v] = (ivec)_mm256_dpbusd_avx_epi32((__m256i)whole[r][v], (__m256i)weight[v], (__m256i)four);
#endif
    }
#else
    UNROLL for (int v = 0; v < vectors; v++) {
      for (int byte = 0; byte < 4; byte++) {
        whole[r][v] += (weight[v] >> 8 * byte & 255) * (int32_t)a[r / 3][r % 3 * stride + from + byte];
      }
    }
#endif
  }
}

INLINE ivec end_block(const int bits, ivec whole, int32_t begin) {
  (void)bits, (void)begin;
  return whole;
}
#endif

#endif
