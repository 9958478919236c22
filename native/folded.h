/*
 * bf16 weights in 12 bits, of which nothing is lost. A product of few rows waits for memory, and of the upper byte of a
 * bf16 number, its sign and 7 bits of exponent, hardly 3 bits are news: the weights of a layer are all of about one
 * size. So 64 outputs have a table of the upper bytes that most of their weights have, 8 of either sign, and a weight is
 * its place there beside its lower byte. Whatever has another upper byte stands in a list of its own, and is put in
 * place on the way. What is multiplied are the weights, to the bit, in the order of those that are not folded.
 */
#ifndef FOLDED_H
#define FOLDED_H

#include "products.h"

#define FOLDED_PANELS (LRT_FOLDED / LRT_PANEL)
#define CODES 16 /* the upper half of them with a minus */

/* Before a group of 64 outputs: where its list is, seen from here, and its upper bytes. */
typedef struct {
  int64_t list;
  uint8_t table[CODES];
  int64_t unused[5];
} folded_group;

/* Bits of the weight that output place / 2 has in pair `step`; a list is sorted by steps and ends with 65535. */
typedef struct {
  uint16_t step;
  uint16_t place;
  uint16_t bits;
  uint16_t unused;
} folded_other;

#define NO_STEP 65535
#define STEP_BYTES (3 * LINE) /* both halves' codes, then the lower bytes of either half */

/* Puts the others of a step in their places; returns the rest of their list. */
INLINE const folded_other *put_others(const folded_other *other, int step, __m512i pairs[FOLDED_PANELS]) {
  do {
    UNROLL for (int p = 0; p < FOLDED_PANELS; p++) {
      uint32_t place = (uint32_t)other->place - (uint32_t)p * 2 * W;
      __mmask32 there = place < 2 * W ? UINT32_C(1) << place : 0;
      pairs[p] = _mm512_mask_set1_epi16(pairs[p], there, (int16_t)other->bits);
    }
    other++;
  } while (other->step == step);
  return other;
}

/* The pairs of a group's next step. */
INLINE void unfold(__m512i table, const char *step, __m512i pairs[FOLDED_PANELS]) {
  const __m512i mask = _mm512_set1_epi8(CODES - 1);
  __m512i codes = _mm512_loadu_si512(step);
  UNROLL for (int half = 0; half < 2; half++) {
    __m512i low = _mm512_loadu_si512(step + (1 + half) * LINE);
    __m512i high = _mm512_shuffle_epi8(table, _mm512_and_si512(half ? _mm512_srli_epi16(codes, 4) : codes, mask));
    pairs[2 * half] = _mm512_unpacklo_epi8(low, high);
    pairs[2 * half + 1] = _mm512_unpackhi_epi8(low, high);
  }
}

#if LEVEL != 5
/*
 * A group, or one of each run, which are `apart` panels from each other, and some rows; adds as tile_pairs does or, without
 * instructions for bf16, tile_bf16.
 */
INLINE void tile_unfolded(const int parts, const int rows, const int panels, const int runs, const lrt_input *x, int row,
                          int in, const lrt_part *part, int panel, int apart, float *y, int64_t y_stride, int add,
                          const turn *t) {
  const int steps = (in + 1) / 2;
  vec sums[MOST_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < runs * panels; v++) { sums[r][v] = all(0); }
  }
#if LEVEL == 4
  const int64_t stride = x->stride; /* of a row, in pairs; the second part is half of it behind the first */
  const int32_t *from = (const int32_t *)x->split + row * stride;
  FIND_EVERY_THIRD(int32_t, threes, from, stride)
  FIND_EVERY_THIRD(int32_t, rests, from + stride / 2, stride)
#else
  const int64_t stride = x->stride;
  const float *from = x->plain + row * stride;
  FIND_EVERY_THIRD(float, threes, from, stride)
#endif
  const int64_t size = lrt_group_bytes(in);
  const int64_t next_run = apart / FOLDED_PANELS * size;
  const char *w = (const char *)part->weight + panel / FOLDED_PANELS * size;
  const folded_other *other[LRT_MOST_RUNS];
  __m512i table[LRT_MOST_RUNS];
  UNROLL for (int run = 0; run < runs; run++) {
    const folded_group *head = (const folded_group *)(w + run * next_run);
    other[run] = (const folded_other *)((const char *)head + head->list);
    table[run] = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)head->table));
  }
  w += sizeof(folded_group);
  /* Of the next group a tile asks for its share, in one run and evenly. */
  const int64_t share = STEP_BYTES / t->tiles;
  const char *next = w + size + share * steps * t->tile;
  for (int k = 0; k < steps; k++) {
    UNROLL for (int run = 0; run < runs; run++) {
      __m512i pairs[FOLDED_PANELS];
      unfold(table[run], w + run * next_run, pairs);
      if (runs > 1 && t->asks) {
        ask_for(STEP_BYTES / LINE, w + run * next_run + BYTES_AHEAD);
      } else if (runs == 1 && rows <= FEW_ROWS) {
        ask_for(STEP_BYTES / LINE, w + 2 * BYTES_AHEAD);
      } else if (runs == 1) {
        ask_for(STEP_BYTES / LINE, next);
        next += share;
      }
      if (__builtin_expect(other[run]->step == k, 0)) {
        other[run] = put_others(other[run], k, pairs);
      }
#if LEVEL == 4
      UNROLL for (int r = 0; r < rows; r++) {
        vec *sum = sums[r] + run * panels;
        if (parts > 1) {
          __m512bh second = (__m512bh)_mm512_set1_epi32(rests[r / 3][r % 3 * stride]);
          UNROLL for (int p = 0; p < panels; p++) {
            sum[p] = (vec)_mm512_dpbf16_ps((__m512)sum[p], (__m512bh)pairs[p], second);
          }
        }
        __m512bh one = (__m512bh)_mm512_set1_epi32(threes[r / 3][r % 3 * stride]);
        UNROLL for (int p = 0; p < panels; p++) {
          sum[p] = (vec)_mm512_dpbf16_ps((__m512)sum[p], (__m512bh)pairs[p], one);
        }
      }
#else
      (void)parts;
      vec weight[FOLDED_PANELS];
      UNROLL for (int p = 0; p < panels; p++) { weight[p] = (vec)_mm512_slli_epi32(pairs[p], 16); }
      UNROLL for (int r = 0; r < rows; r++) {
        vec b = all(threes[r / 3][r % 3 * stride]);
        UNROLL for (int p = 0; p < panels; p++) { add_product(&sums[r][run * panels + p], b, weight[p]); }
      }
      UNROLL for (int p = 0; p < panels; p++) {
        weight[p] = (vec)_mm512_and_si512(pairs[p], _mm512_set1_epi32((int)0xFFFF0000));
      }
      UNROLL for (int r = 0; r < rows; r++) {
        vec b = all(threes[r / 3][r % 3 * stride + 1]);
        UNROLL for (int p = 0; p < panels; p++) { add_product(&sums[r][run * panels + p], b, weight[p]); }
      }
#endif
    }
    w += STEP_BYTES;
    UNROLL for (int r = 0; r < rows; r += 3) {
#if LEVEL == 4
      threes[r / 3]++;
      if (parts > 1) {
        rests[r / 3]++;
      }
#else
      threes[r / 3] += 2;
#endif
    }
  }
  finish_runs(rows, runs, panels, sums, part, panel, apart, y, y_stride, add);
}

INLINE void tile_folded(const int rows, const int panels, const lrt_input *x, int row, int in, const lrt_part *part,
                        int panel, float *y, int64_t y_stride, int add,
                        const turn *t) {
  tile_unfolded(2, rows, panels, 1, x, row, in, part, panel, 0, y, y_stride, add, t);
}

INLINE void tile_folded_rounded(const int rows, const int panels, const lrt_input *x, int row, int in,
                                const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                                const turn *t) {
  tile_unfolded(1, rows, panels, 1, x, row, in, part, panel, 0, y, y_stride, add, t);
}

#define FOLDED_ROWS 6 /* of a tile, which has four sums of each */

/* The function product_TYPE of a task that is a group. */
#define FOLDED_PRODUCT(TYPE)                                                                                          \
  PANELS(tile_##TYPE, 4, CASES_6, FOLDED_ROWS)                                                                        \
  static void product_##TYPE(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels,       \
                             float *y, int64_t y_stride, int add) {                                                   \
    (void)panels;                                                                                                     \
    for (int row = 0; row < rows; row += ROWS_TOGETHER) {                                                             \
      int some = smaller(rows - row, ROWS_TOGETHER);                                                                  \
      lrt_input from = rows_from(x, row);                                                                             \
      tile_##TYPE##_4(&from, some, in, part, panel, y + row * y_stride, y_stride, add);                               \
    }                                                                                                                 \
  }

FOLDED_PRODUCT(folded)
RUNS(folded, tile_unfolded, 2, FOLDED_PANELS)
#if LEVEL == 4
FOLDED_PRODUCT(folded_rounded)
RUNS(folded_rounded, tile_unfolded, 1, FOLDED_PANELS)
#endif
#endif

#endif
