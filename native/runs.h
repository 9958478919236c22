/* Few rows by weights of blocks in several runs of memory, where registers hold the sums of a single one. */
#ifndef RUNS_H
#define RUNS_H

#include "products.h"

/*
 * As tile_blocks, but runs take turns, block by block, and their sums wait in memory. Each run has instructions of its own: in a
 * loop over runs one row takes a quarter longer, as the processor seems to fetch ahead by who reads.
 */
INLINE void tile_turns(const int bits, const int rows, const int panels, const int runs, const lrt_input *x, int row, int in,
                       const lrt_part *part, int panel, int apart, float *y, int64_t y_stride, int add,
                       const turn *t) {
  (void)t;
  const int vectors = panels * PARTS;
  const int bytes = LRT_BLOCK * bits / 8; /* of a lane's block */
  const int block_step = (bytes + 2) * LRT_WIDE;
  int blocks = in / LRT_BLOCK;
  vec sums[LRT_MOST_RUNS][MOST_ROWS][SUM_VECTORS];
  UNROLL for (int run = 0; run < runs; run++) {
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int v = 0; v < vectors; v++) { sums[run][r][v] = all(0); }
    }
  }
  int row_blocks = x->stride / LRT_BLOCK;
  const int8_t *a = x->bytes + (int64_t)row * x->stride;
  const float *scale = x->scales + (int64_t)row * row_blocks;
  const int32_t *begin = x->begin + (int64_t)row * row_blocks;
  const int64_t size = (int64_t)blocks * block_step;
  const uint8_t *w = (const uint8_t *)part->weight + panel / WIDE_PANELS * size;
  const int64_t next_run = apart / WIDE_PANELS * size;
  for (int block = 0; block < blocks; block++) {
    UNROLL for (int run = 0; run < runs; run++) {
      __asm__("" : "+m"(sums)); /* or the compiler has some of them in registers, and a block's sums in memory */
      const uint8_t *from = w + run * next_run;
      const int8_t *at = a;
      block_sum whole[SUM_VECTORS][MOST_ROWS][SUM_VECTORS]; /* [v][r][0] */
      UNROLL for (int r = 0; r < rows; r++) {
        block_sum first = begin_block(bits, begin[(int64_t)r * row_blocks]);
        UNROLL for (int v = 0; v < vectors; v++) { whole[v][r][0] = first; }
      }
      for (int k = 0; k < bytes / 4; k++) {
        ask_in_run(panels, from);
        UNROLL for (int v = 0; v < vectors; v++) {
          ivec weight;
          memcpy(&weight, from + v * 4 * W, sizeof weight);
          if (bits == 8) {
            multiply_bytes(bits, rows, 1, whole[v], &weight, &at, 0, x->stride);
          } else {
            ivec half = weight & 0x0F0F0F0F;
            multiply_bytes(bits, rows, 1, whole[v], &half, &at, 0, x->stride);
            half = high_halves(weight);
            multiply_bytes(bits, rows, 1, whole[v], &half, &at, LRT_BLOCK / 2, x->stride);
          }
        }
        from += 4 * LRT_WIDE;
        at += 4;
      }
      ask_in_run(1, from);
      UNROLL for (int v = 0; v < vectors; v++) {
        vec w_scale = halves((const uint16_t *)from + v * W);
        UNROLL for (int r = 0; r < rows; r++) {
          vec sum = __builtin_convertvector(end_block(bits, whole[v][r][0], begin[(int64_t)r * row_blocks]), vec);
          sums[run][r][v] = fused(sum * all(scale[(int64_t)r * row_blocks]), w_scale, sums[run][r][v]);
        }
      }
    }
    w += block_step;
    a += LRT_BLOCK;
    scale++;
    begin++;
  }
  UNROLL for (int run = 0; run < runs; run++) {
    finish_tile(rows, vectors, sums[run], part, panel + run * apart, y, y_stride, add);
  }
}

RUNS(q8, tile_turns, 8, WIDE_PANELS)
RUNS(q4, tile_turns, 4, WIDE_PANELS)

#endif
