/* Products of some rows and some panels: tiles of outputs that stay in registers, for every type of weights. */
#ifndef PRODUCTS_H
#define PRODUCTS_H

#include "ahead.h"
#include "bytes.h"

/* What one tile writes where it has some outputs too many: n of each row, with bias and what is there; sums are `width` apart. */
static void finish_some(int rows, int width, const float *sums, const float *bias, int n, float *y,
                        int64_t y_stride, int add) {
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

/* What one tile writes. */
INLINE void finish_tile(const int rows, const int vectors, vec sums[MOST_ROWS][SUM_VECTORS],
                        const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  int first = panel * LRT_PANEL;
  const float *bias = part->bias ? part->bias + first : NULL;
  y += first;
  if (part->out - first < vectors * W) {
    float tile[MOST_ROWS * SUM_VECTORS * W];
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int v = 0; v < vectors; v++) { store(tile + (r * vectors + v) * W, sums[r][v]); }
    }
    finish_some(rows, vectors * W, tile, bias, part->out - first, y, y_stride, add);
    return;
  }
  if (bias) {
    UNROLL for (int v = 0; v < vectors; v++) {
      vec b = load(bias + v * W);
      UNROLL for (int r = 0; r < rows; r++) { sums[r][v] += b; }
    }
  }
  if (add) {
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = load(y + r * y_stride + v * W) + sums[r][v]; }
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { store(y + r * y_stride + v * W, sums[r][v]); }
  }
}

/* The same of `runs` tiles side by side in `sums`, each of `vectors`, whose panels are `apart`. */
INLINE void finish_runs(const int rows, const int runs, const int vectors, vec sums[MOST_ROWS][SUM_VECTORS],
                        const lrt_part *part, int panel, int apart, float *y, int64_t y_stride, int add) {
  UNROLL for (int run = 0; run < runs; run++) {
    vec own[MOST_ROWS][SUM_VECTORS];
    UNROLL for (int r = 0; r < rows; r++) {
      UNROLL for (int v = 0; v < vectors; v++) { own[r][v] = sums[r][run * vectors + v]; }
    }
    finish_tile(rows, vectors, own, part, panel + run * apart, y, y_stride, add);
  }
}

/* Number k of a tile's row r; aarch64 has registers for where rows begin, but the compiler would rather add and multiply. */
#if NEON
#define FIND_ROWS                                  \
  const float *begin[TILE_ROWS];                   \
  UNROLL for (int r = 0; r < rows; r++) {          \
    begin[r] = a + (int64_t)r * x->stride;         \
    __asm__("" : "+r"(begin[r]));                  \
  }
#define NUMBER(R, K) begin[R][K]
#else
#define FIND_ROWS
#define NUMBER(R, K) a[(int64_t)(R) * x->stride + K]
#endif

INLINE void tile_f32(const int rows, const int panels, const lrt_input *x, int row, int in,
                     const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                     const turn *t) {
  const int vectors = panels * PARTS;
  vec sums[MOST_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  const float *a = x->plain + (int64_t)row * x->stride;
  FIND_ROWS
  tile_place w = place_of_tile(part, panels, panel, LINE, in, t);
  for (int k = 0; k < in; k++) {
    vec weight[SUM_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) { weight[v] = load((const float *)w.first + v * W); }
    go_on(rows, row, panels, k, &w);
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(NUMBER(r, k));
      UNROLL for (int v = 0; v < vectors; v++) { add_product(&sums[r][v], b, weight[v]); }
    }
  }
  finish_tile(rows, vectors, sums, part, panel, y, y_stride, add);
}

INLINE void tile_f16(const int rows, const int panels, const lrt_input *x, int row, int in,
                     const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                     const turn *t) {
  const int vectors = panels * PARTS;
  vec sums[MOST_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  const float *a = x->plain + (int64_t)row * x->stride;
  FIND_ROWS
  tile_place w = place_of_tile(part, panels, panel, LINE / 2, in, t);
  for (int k = 0; k < in; k++) {
    vec weight[SUM_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) { weight[v] = halves((const uint16_t *)w.first + v * W); }
    go_on(rows, row, (panels + 1) / 2, k, &w); /* half a line of each */
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(NUMBER(r, k));
      UNROLL for (int v = 0; v < vectors; v++) { add_product(&sums[r][v], b, weight[v]); }
    }
  }
  finish_tile(rows, vectors, sums, part, panel, y, y_stride, add);
}

#if LEVEL == 4
/*
 * Pairs of weights against both bf16 parts of the input, which takes as many instructions as f32
 * would, or against the first part alone.
 */
INLINE void tile_pairs(const int parts, const int rows, const int panels, const lrt_input *x, int row,
                       int in, const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                       const turn *t) {
  int pairs = (in + 1) / 2;
  vec sums[MOST_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int p = 0; p < panels; p++) { sums[r][p] = all(0); }
  }
  const int32_t *a = (const int32_t *)(x->split + (int64_t)row * 2 * x->stride);
  int stride = x->stride; /* of a row, in pairs; the second part is half of it behind the first */
  tile_place w = place_of_tile(part, panels, panel, LINE, pairs, t);
  for (int k = 0; k < pairs; k++) {
    __m512bh weight[FEW_PANELS];
    UNROLL for (int p = 0; p < panels; p++) { weight[p] = (__m512bh)_mm512_loadu_si512(w.first + p * LINE); }
    go_on(rows, row, panels, k, &w);
    UNROLL for (int r = 0; r < rows; r++) {
      if (parts > 1) {
        __m512bh second = (__m512bh)_mm512_set1_epi32(a[(int64_t)r * stride + stride / 2 + k]);
        UNROLL for (int p = 0; p < panels; p++) {
          sums[r][p] = (vec)_mm512_dpbf16_ps((__m512)sums[r][p], weight[p], second);
        }
      }
      __m512bh first = (__m512bh)_mm512_set1_epi32(a[(int64_t)r * stride + k]);
      UNROLL for (int p = 0; p < panels; p++) {
        sums[r][p] = (vec)_mm512_dpbf16_ps((__m512)sums[r][p], weight[p], first);
      }
    }
  }
  finish_tile(rows, panels, sums, part, panel, y, y_stride, add);
}

INLINE void tile_bf16(const int rows, const int panels, const lrt_input *x, int row, int in,
                      const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                      const turn *t) {
  tile_pairs(2, rows, panels, x, row, in, part, panel, y, y_stride, add, t);
}

INLINE void tile_rounded(const int rows, const int panels, const lrt_input *x, int row, int in,
                         const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                         const turn *t) {
  tile_pairs(1, rows, panels, x, row, in, part, panel, y, y_stride, add, t);
}
#else
INLINE void tile_bf16(const int rows, const int panels, const lrt_input *x, int row, int in,
                      const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                      const turn *t) {
  const int vectors = panels * PARTS;
  int pairs = (in + 1) / 2;
  vec sums[MOST_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  const float *a = x->plain + (int64_t)row * x->stride;
  FIND_ROWS
  tile_place w = place_of_tile(part, panels, panel, LINE, pairs, t);
  for (int k = 0; k < pairs; k++) {
    vec weight[SUM_VECTORS];
    const uint16_t *at = (const uint16_t *)w.first;
    UNROLL for (int v = 0; v < vectors; v++) { weight[v] = even(at + v * 2 * W); }
    go_on(rows, row, panels, k, &w);
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(NUMBER(r, 2 * k));
      UNROLL for (int v = 0; v < vectors; v++) { add_product(&sums[r][v], b, weight[v]); }
    }
    __asm__("" : "+r"(at)); /* read once more: kept, they would take registers from sums */
    UNROLL for (int v = 0; v < vectors; v++) { weight[v] = odd(at + v * 2 * W); }
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(NUMBER(r, 2 * k + 1));
      UNROLL for (int v = 0; v < vectors; v++) { add_product(&sums[r][v], b, weight[v]); }
    }
  }
  finish_tile(rows, vectors, sums, part, panel, y, y_stride, add);
}
#endif

/*
 * Weights of 8 or 4 bits, unsigned, against bytes: whole sums of a block, then scaled. Two panels lie side by side, so that
 * few rows read a weight in one run, or in as many as there are pairs of panels, each `apart` from the last. Each tile of many rows
 * asks for its share of the next panel's lines.
 */
INLINE void tile_blocks(const int bits, const int rows, const int panels, const int runs, const lrt_input *x, int row,
                        int in, const lrt_part *part, int panel, int apart, float *y, int64_t y_stride, int add,
                        const turn *t) {
  const int side = panels * PARTS; /* vectors that lie side by side */
  const int vectors = runs * side;
  const int bytes = LRT_BLOCK * bits / 8; /* of a lane's block */
  const int block_step = (bytes + 2) * LRT_WIDE;
  int blocks = in / LRT_BLOCK;
  vec sums[MOST_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  const int64_t stride = x->stride;
  const int64_t row_blocks = stride / LRT_BLOCK;
  FIND_EVERY_THIRD(int8_t, a, x->bytes + row * stride, stride)
  FIND_EVERY_THIRD(float, scale, x->scales + row * row_blocks, row_blocks)
  FIND_EVERY_THIRD(int32_t, begin, x->begin + row * row_blocks, row_blocks)
  const int lane = panel * LRT_PANEL % LRT_WIDE;
  const int64_t size = (int64_t)blocks * block_step;
  const uint8_t *w = (const uint8_t *)part->weight + panel * LRT_PANEL / LRT_WIDE * size;
  const int64_t next_run = apart / WIDE_PANELS * size;
  const int asks = runs > 1 ? t->asks : rows <= FEW_ROWS && row == 0;
  const int ahead = runs == 1 ? BYTES_AHEAD : BYTES_AHEAD / 4 * bits; /* as many blocks of either */
  coming c = what_comes((const char *)w + size + (lane ? size / 2 : 0), size / 2 * panels, t);
  for (int block = 0; block < blocks; block++) {
    block_sum whole[MOST_ROWS][SUM_VECTORS];
    UNROLL for (int r = 0; r < rows; r++) {
      block_sum first = begin_block(bits, begin[r / 3][r % 3 * row_blocks]);
      UNROLL for (int v = 0; v < vectors; v++) { whole[r][v] = first; }
    }
#if TWO_FOURS
    ivec before[SUM_VECTORS]; /* a step ago */
#endif
    UNROLL_BYTES for (int k = 0; k < bytes / 4; k++) {
      const uint8_t *from = w + k * 4 * LRT_WIDE + lane * 4;
      ivec weight[SUM_VECTORS];
      UNROLL for (int v = 0; v < vectors; v++) {
        memcpy(&weight[v], from + v / side * next_run + v % side * 4 * W, sizeof(ivec));
      }
      if (asks) {
        UNROLL for (int run = 0; run < runs; run++) { ask_for(panels, from + run * next_run + ahead); }
      } else if (runs == 1) {
        ask_for_coming(panels, k, &c);
      }
#if TWO_FOURS
      if (bits == 8) {
        if (k % 2 == 1) {
          multiply_two_fours(rows, vectors, whole, before, weight, a, k * 4, stride);
        }
        UNROLL for (int v = 0; v < vectors; v++) { before[v] = weight[v]; }
        continue;
      }
#endif
      if (bits == 8) {
        multiply_bytes(bits, rows, vectors, whole, weight, a, k * 4, stride);
        continue;
      }
      ivec half[SUM_VECTORS];
      UNROLL for (int v = 0; v < vectors; v++) { half[v] = weight[v] & 0x0F0F0F0F; }
      multiply_bytes(bits, rows, vectors, whole, half, a, k * 4, stride);
      UNROLL for (int v = 0; v < vectors; v++) { half[v] = high_halves(weight[v]); }
      multiply_bytes(bits, rows, vectors, whole, half, a, k * 4 + LRT_BLOCK / 2, stride);
    }
    const uint8_t *scales = w + bytes * LRT_WIDE + lane * 2;
    if (asks) {
      UNROLL for (int run = 0; run < runs; run++) { ask_for(1, scales + run * next_run + ahead); }
    } else if (runs == 1) {
      ask_for_coming(1, 0, &c);
    }
    vec w_scale[SUM_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
      w_scale[v] = halves((const uint16_t *)(scales + v / side * next_run) + v % side * W);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      vec s = all(scale[r / 3][r % 3 * row_blocks]);
      int32_t first = begin[r / 3][r % 3 * row_blocks];
      UNROLL for (int v = 0; v < vectors; v++) {
        vec sum = __builtin_convertvector(end_block(bits, whole[r][v], first), vec);
        sums[r][v] = fused(sum * s, w_scale[v], sums[r][v]);
      }
    }
    w += block_step;
    UNROLL for (int r = 0; r < rows; r += 3) {
      a[r / 3] += LRT_BLOCK;
      scale[r / 3]++;
      begin[r / 3]++;
    }
  }
  finish_runs(rows, runs, side, sums, part, panel, apart, y, y_stride, add);
}

INLINE void tile_q8(const int rows, const int panels, const lrt_input *x, int row, int in,
                    const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                    const turn *t) {
  tile_blocks(8, rows, panels, 1, x, row, in, part, panel, 0, y, y_stride, add, t);
}

INLINE void tile_q4(const int rows, const int panels, const lrt_input *x, int row, int in,
                    const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                    const turn *t) {
  tile_blocks(4, rows, panels, 1, x, row, in, part, panel, 0, y, y_stride, add, t);
}

#define ROWS_CASE(NAME, R, P)                                                       \
  case R:                                                                           \
    NAME(R, P, x, row, in, part, panel, y + row * y_stride, y_stride, add, &t);     \
    break;

#define CASES_2(NAME, P) ROWS_CASE(NAME, 1, P) ROWS_CASE(NAME, 2, P)
#define CASES_4(NAME, P) CASES_2(NAME, P) ROWS_CASE(NAME, 3, P) ROWS_CASE(NAME, 4, P)
#define CASES_6(NAME, P) CASES_4(NAME, P) ROWS_CASE(NAME, 5, P) ROWS_CASE(NAME, 6, P)
#define CASES_12(NAME, P)                                                  \
  CASES_6(NAME, P) ROWS_CASE(NAME, 7, P) ROWS_CASE(NAME, 8, P)             \
  ROWS_CASE(NAME, 9, P) ROWS_CASE(NAME, 10, P) ROWS_CASE(NAME, 11, P) ROWS_CASE(NAME, 12, P)

/* The function NAME_P: P panels (a constant) from `panel` on, for all rows, tile by tile. */
#define PANELS(NAME, P, CASES, HEIGHT)                                                   \
  static void NAME##_##P(const lrt_input *x, int rows, int in, const lrt_part *part,        \
                         int panel, float *y, int64_t y_stride, int add) {                  \
    int tiles = rows > HEIGHT ? (rows + HEIGHT - 1) / HEIGHT : 1;                           \
    int height = (rows + tiles - 1) / tiles; /* 8 rows are twice 4, rather than 6 and 2 */  \
    turn t = first_turn(P, tiles, x->asks);                                                         \
    for (int row = 0; row < rows; row += height, t.tile++) {                                \
      switch (rows - row < height ? rows - row : height) { CASES(NAME, P) }                 \
    }                                                                                       \
  }

typedef void panels_function(const lrt_input *, int, int, const lrt_part *, int, float *, int64_t, int);

/*
 * Tiles of many rows: as many panels, and rows of a plain type and of blocks (which have two sums for each output), as
 * fit the registers.
 */
#if W == 16
#define MANY_PANELS 2
#define PLAIN CASES_12, 12
#define BLOCKS CASES_6, 6
#define SIZES(NAME, CASES, HEIGHT) PANELS(NAME, 1, CASES, HEIGHT) PANELS(NAME, 2, CASES, HEIGHT)
#elif W == 8 || NEON
#define MANY_PANELS 1
#define PLAIN CASES_6, 6
#if TWO_FOURS /* each of these sums takes two registers */
#define BLOCKS CASES_2, 2
#else
#define BLOCKS CASES_4, 4
#endif
#define SIZES(NAME, CASES, HEIGHT) PANELS(NAME, 1, CASES, HEIGHT) PANELS(NAME, 2, CASES_2, 2)
#else
#define MANY_PANELS 1
#define PLAIN CASES_2, 2
#define BLOCKS CASES_2, 2
#define SIZES(NAME, CASES, HEIGHT) PANELS(NAME, 1, CASES, HEIGHT)
#define NAME_2(NAME) NULL
#endif
#ifndef NAME_2
#define NAME_2(NAME) NAME##_2
#endif

/* Rows that all panels of a task meet before the next ones do, while the second cache holds them. */
#define ROWS_TOGETHER 48

INLINE lrt_input rows_from(const lrt_input *x, int row) {
  int64_t at = (int64_t)row * x->stride;
  lrt_input from = {.stride = x->stride, .asks = x->asks};
  if (x->plain) {
    from.plain = x->plain + at;
  }
  if (x->split) {
    from.split = x->split + 2 * at;
  }
  if (x->bytes) {
    from.bytes = x->bytes + at;
    from.scales = x->scales + at / LRT_BLOCK;
    from.begin = x->begin + at / LRT_BLOCK;
  }
  return from;
}

/*
 * The function runs_TYPE, of few rows: a tile of TILE's kind for every number of runs. SIDE panels lie side by side. Two runs are
 * asked for or not, as memory is faster; without AVX-512 tiles ask as they always do.
 */
#define RUNS_CASE(TILE, KIND, SIDE, ROWS, AT_ONCE, ASKS)                                                              \
  if (rows == ROWS && runs == AT_ONCE) {                                                                              \
    const turn t = {.tiles = 1, .asks = ASKS};                                                                        \
    TILE(KIND, ROWS, SIDE, AT_ONCE, x, 0, in, part, panel, apart, y, y_stride, add, &t);                              \
    return;                                                                                                           \
  }
#define TWO_RUNS(TILE, KIND, SIDE, ASKS)  \
  RUNS_CASE(TILE, KIND, SIDE, 1, 2, ASKS) \
  RUNS_CASE(TILE, KIND, SIDE, 2, 2, ASKS) \
  RUNS_CASE(TILE, KIND, SIDE, 3, 2, ASKS)
#define RUNS(TYPE, TILE, KIND, SIDE)                                                                                  \
  static void runs_##TYPE(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int runs, int apart, \
                          float *y, int64_t y_stride, int add) {                                                      \
    RUNS_CASE(TILE, KIND, SIDE, 1, 4, 1)                                                                              \
    if (W == 16 && x->asks) {                                                                                         \
      TWO_RUNS(TILE, KIND, SIDE, 1)                                                                                   \
    }                                                                                                                 \
    TWO_RUNS(TILE, KIND, SIDE, 0)                                                                                     \
  }

/* The function product_TYPE, of at most FEW rows as of few, and else by such tiles. */
#define PRODUCT(TYPE, FEW, TILES) PRODUCT_BY(TYPE, FEW, TILES)
#define PRODUCT_BY(TYPE, FEW, CASES, HEIGHT)                                                          \
  SIZES(tile_##TYPE, CASES, HEIGHT)                                                                   \
  static void product_##TYPE(const lrt_input *x, int rows, int in, const lrt_part *part, int panel,   \
                             int panels, float *y, int64_t y_stride, int add) {                       \
    panels_function *two = rows > (FEW) && MANY_PANELS == 1 ? NULL : NAME_2(tile_##TYPE);             \
    for (int row = 0; row < rows; row += ROWS_TOGETHER) {                                            \
      int some = smaller(rows - row, ROWS_TOGETHER);                                                  \
      lrt_input from = rows_from(x, row);                                                             \
      float *to = y + row * y_stride;                                                                 \
      int p = panel;                                                                                  \
      for (; two && p + 2 <= panel + panels; p += 2) {                                                \
        two(&from, some, in, part, p, to, y_stride, add);                                             \
      }                                                                                               \
      for (; p < panel + panels; p++) {                                                               \
        tile_##TYPE##_1(&from, some, in, part, p, to, y_stride, add);                                 \
      }                                                                                               \
    }                                                                                                 \
  }

#if LEVEL <= 2
PRODUCT(f32, FEW_ROWS, PLAIN)
PRODUCT(f16, FEW_ROWS, PLAIN)
#endif
#if !ONLY_BYTES && LEVEL != 5
PRODUCT(bf16, FEW_ROWS, PLAIN)
#endif
#if LEVEL != 2 && LEVEL != 4 /* level 1 has instructions for bytes that level 2 adds nothing to */
PRODUCT(q8, TWO_FOURS ? 1 : FEW_ROWS, BLOCKS)
PRODUCT(q4, TWO_FOURS ? 1 : FEW_ROWS, BLOCKS)
#endif
#if LEVEL == 4
PRODUCT(rounded, FEW_ROWS, PLAIN)
#endif
#if LEVEL == 3 && W == 16
RUNS(q8, tile_blocks, 8, WIDE_PANELS)
RUNS(q4, tile_blocks, 4, WIDE_PANELS)
#endif

#endif
