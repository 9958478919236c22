/* Products of some rows and some panels: tiles of outputs that stay in registers, for every type of weights. */
#ifndef PRODUCTS_H
#define PRODUCTS_H

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
INLINE void finish_tile(const int rows, const int vectors, vec sums[TILE_ROWS][SUM_VECTORS],
                        const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  int first = panel * LRT_PANEL;
  const float *bias = part->bias ? part->bias + first : NULL;
  y += first;
  if (part->out - first < vectors * W) {
    float tile[TILE_ROWS * SUM_VECTORS * W];
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

/*
 * Rows that wait for memory. Each panel of a tile is a stream of its own, which the processor does not
 * see through in time. Few rows ask for what comes `ahead` steps (of k, or blocks) later, which is in
 * the next tile's panels where these end. With more rows the next panels are asked for while these are
 * multiplied, a line for a line, by each tile of rows its share, so that memory is read all the time.
 * Asking touches nothing, so there need not be any.
 */
#define LINES_AHEAD 16
#define BLOCKS_AHEAD 4

/* Where the first of a tile's panels is at step *k, which may be behind its end. */
INLINE const char *step_ahead(const char *panel, int64_t tile_bytes, int steps, int *k) {
  if (*k < steps) {
    return panel;
  }
  *k -= steps;
  return panel + tile_bytes;
}

/* Into the second cache: of the first, so many lines on their way take the place of what is read now. */
INLINE void ask_for(const int panels, const char *line, int64_t next) {
#ifdef NOFEW
  (void)panels,(void)line,(void)next; return;
#endif
  UNROLL for (int p = 0; p < panels; p++) { __builtin_prefetch(line + p * next, 0, 2); }
}

/* Asks for a line of each panel that is in `share`. */
INLINE void ask_for_share(const int panels, const char *line, int64_t next, unsigned share) {
#ifdef NOSHARE
  (void)panels,(void)line,(void)next,(void)share; return;
#endif
  UNROLL for (int p = 0; p < panels; p++) {
    if (share >> p & 1) {
      __builtin_prefetch(line + p * next, 0, 2); /* it is used once all rows have passed */
    }
  }
}

/* Asks for what is LINES_AHEAD of a panel's `line`, if few rows read several, or for a share of the next tile's. */
INLINE void ask_ahead(const int rows, int row, const int panels, const char *tile, int64_t next, int line,
                      int lines, unsigned share) {
  if (panels > 1 && rows <= FEW_ROWS && row == 0) {
    int then = line + LINES_AHEAD;
    const char *there = step_ahead(tile, panels * next, lines, &then);
    ask_for(panels, there + (int64_t)then * LINE, next);
  } else {
    ask_for_share(panels, tile + panels * next + (int64_t)line * LINE, next, share);
  }
}

/* The panels that one of `tiles` tiles of rows asks for, as bits. */
INLINE unsigned share_of(int panels, int tile, int tiles) {
  unsigned share = 0;
  for (int p = tile; p < panels; p += tiles) {
    share |= 1u << p;
  }
  return share;
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
                     unsigned share) {
  const int vectors = panels * PARTS;
  vec sums[TILE_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  const float *a = x->plain + (int64_t)row * x->stride;
  FIND_ROWS
  const float *w = (const float *)part->weight + (int64_t)panel * LRT_PANEL * in;
  int64_t next = (int64_t)LRT_PANEL * in;
  for (int k = 0; k < in; k++) {
    vec weight[SUM_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
      weight[v] = load(w + v / PARTS * next + (int64_t)k * LRT_PANEL + v % PARTS * W);
    }
    ask_ahead(rows, row, panels, (const char *)w, next * 4, k, in, share);
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(NUMBER(r, k));
      UNROLL for (int v = 0; v < vectors; v++) { add_product(&sums[r][v], b, weight[v]); }
    }
  }
  finish_tile(rows, vectors, sums, part, panel, y, y_stride, add);
}

INLINE void tile_f16(const int rows, const int panels, const lrt_input *x, int row, int in,
                     const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                     unsigned share) {
  const int vectors = panels * PARTS;
  vec sums[TILE_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  const float *a = x->plain + (int64_t)row * x->stride;
  FIND_ROWS
  const uint16_t *w = (const uint16_t *)part->weight + (int64_t)panel * LRT_PANEL * in;
  int64_t next = (int64_t)LRT_PANEL * in;
  for (int k = 0; k < in; k++) {
    vec weight[SUM_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
      weight[v] = halves(w + v / PARTS * next + (int64_t)k * LRT_PANEL + v % PARTS * W);
    }
    if (k % 2 == 0) { /* half a line */
      ask_ahead(rows, row, panels, (const char *)w, next * 2, k / 2, in / 2, share);
    }
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
                     unsigned share) {
  int pairs = (in + 1) / 2;
  vec sums[TILE_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int p = 0; p < panels; p++) { sums[r][p] = all(0); }
  }
  const int32_t *a = (const int32_t *)(x->split + (int64_t)row * 2 * x->stride);
  int stride = x->stride; /* of a row, in pairs; the second part is half of it behind the first */
  const __m512i *w = (const __m512i *)part->weight + (int64_t)panel * pairs;
  for (int k = 0; k < pairs; k++) {
    __m512bh weight[FEW_PANELS];
    UNROLL for (int p = 0; p < panels; p++) {
      weight[p] = (__m512bh)_mm512_loadu_si512(w + (int64_t)p * pairs + k);
    }
    ask_ahead(rows, row, panels, (const char *)w, (int64_t)pairs * LINE, k, pairs, share);
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
                     unsigned share) {
  tile_pairs(2, rows, panels, x, row, in, part, panel, y, y_stride, add, share);
}

INLINE void tile_rounded(const int rows, const int panels, const lrt_input *x, int row, int in,
                         const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                     unsigned share) {
  tile_pairs(1, rows, panels, x, row, in, part, panel, y, y_stride, add, share);
}
#else
INLINE void tile_bf16(const int rows, const int panels, const lrt_input *x, int row, int in,
                      const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                     unsigned share) {
  const int vectors = panels * PARTS;
  int pairs = (in + 1) / 2;
  vec sums[TILE_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  const float *a = x->plain + (int64_t)row * x->stride;
  FIND_ROWS
  const uint16_t *w = (const uint16_t *)part->weight + (int64_t)panel * LRT_PANEL * 2 * pairs;
  int64_t next = (int64_t)LRT_PANEL * 2 * pairs;
  for (int k = 0; k < pairs; k++) {
    vec weight[SUM_VECTORS];
    const uint16_t *at = w + (int64_t)k * LRT_PANEL * 2;
    UNROLL for (int v = 0; v < vectors; v++) {
      weight[v] = even(at + v / PARTS * next + v % PARTS * 2 * W);
    }
    ask_ahead(rows, row, panels, (const char *)w, next * 2, k, pairs, share);
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(NUMBER(r, 2 * k));
      UNROLL for (int v = 0; v < vectors; v++) { add_product(&sums[r][v], b, weight[v]); }
    }
    __asm__("" : "+r"(at)); /* read once more: kept, they would take registers from sums */
    UNROLL for (int v = 0; v < vectors; v++) {
      weight[v] = odd(at + v / PARTS * next + v % PARTS * 2 * W);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      vec b = all(NUMBER(r, 2 * k + 1));
      UNROLL for (int v = 0; v < vectors; v++) { add_product(&sums[r][v], b, weight[v]); }
    }
  }
  finish_tile(rows, vectors, sums, part, panel, y, y_stride, add);
}
#endif

/* Weights of 8 or 4 bits, unsigned, against bytes: whole sums of a block, then scaled. */
INLINE void tile_blocks(const int bits, const int rows, const int panels, const lrt_input *x, int row,
                        int in, const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                     unsigned share) {
  const int vectors = panels * PARTS;
  const int bytes = LRT_BLOCK * bits / 8; /* of a lane's block */
  int blocks = in / LRT_BLOCK;
  vec sums[TILE_ROWS][SUM_VECTORS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < vectors; v++) { sums[r][v] = all(0); }
  }
  int row_blocks = x->stride / LRT_BLOCK;
  const int8_t *a = x->bytes + (int64_t)row * x->stride;
  const float *scale = x->scales + (int64_t)row * row_blocks;
  const int32_t *begin = x->begin + (int64_t)row * row_blocks;
  int64_t next = (int64_t)blocks * LRT_PANEL * (bytes + 2);
  const uint8_t *w = (const uint8_t *)part->weight + panel * next;
  const uint8_t *w_scales = w + (int64_t)blocks * bytes * LRT_PANEL;
  const int few = rows <= FEW_ROWS && row == 0;
  for (int block = 0; block < blocks; block++) {
    block_sum whole[TILE_ROWS][SUM_VECTORS];
    UNROLL for (int r = 0; r < rows; r++) {
      block_sum first = begin_block(bits, begin[(int64_t)r * row_blocks + block]);
      UNROLL for (int v = 0; v < vectors; v++) { whole[r][v] = first; }
    }
    int then = block + BLOCKS_AHEAD;
    const char *there = step_ahead((const char *)w, panels * next, blocks, &then);
#if TWO_FOURS
    ivec before[SUM_VECTORS]; /* a step ago */
#endif
    UNROLL_BYTES for (int k = 0; k < bytes / 4; k++) {
      ivec weight[SUM_VECTORS];
      UNROLL for (int v = 0; v < vectors; v++) {
        memcpy(&weight[v], w + v / PARTS * next + ((int64_t)block * (bytes / 4) + k) * LRT_PANEL * 4 + v % PARTS * 4 * W, sizeof(ivec));
      }
      if (few) {
        ask_for(panels, there + ((int64_t)then * (bytes / 4) + k) * LINE, next);
      } else {
        ask_for_share(panels, (const char *)w + panels * next + ((int64_t)block * (bytes / 4) + k) * LINE,
                      next, share);
      }
      const int8_t *at = a + block * LRT_BLOCK + k * 4;
#if TWO_FOURS
      if (bits == 8) {
        if (k % 2 == 1) {
          multiply_two_fours(rows, vectors, whole, before, weight, at, x->stride);
        }
        UNROLL for (int v = 0; v < vectors; v++) { before[v] = weight[v]; }
        continue;
      }
#endif
      if (bits == 8) {
        multiply_bytes(bits, rows, vectors, whole, weight, at, x->stride);
        continue;
      }
      ivec half[SUM_VECTORS];
      UNROLL for (int v = 0; v < vectors; v++) { half[v] = weight[v] & 0x0F0F0F0F; }
      multiply_bytes(bits, rows, vectors, whole, half, at, x->stride);
      UNROLL for (int v = 0; v < vectors; v++) { half[v] = high_halves(weight[v]); }
      multiply_bytes(bits, rows, vectors, whole, half, at + LRT_BLOCK / 2, x->stride);
    }
    if (few && block % 2 == 0) { /* a line of scales is two blocks' */
      ask_for(panels, there + ((int64_t)blocks * bytes + then * 2) * LRT_PANEL, next);
    }
    vec w_scale[SUM_VECTORS];
    UNROLL for (int v = 0; v < vectors; v++) {
      w_scale[v] = halves((const uint16_t *)(w_scales + v / PARTS * next) + block * LRT_PANEL + v % PARTS * W);
    }
    UNROLL for (int r = 0; r < rows; r++) {
      vec s = all(scale[(int64_t)r * row_blocks + block]);
      int32_t first = begin[(int64_t)r * row_blocks + block];
      UNROLL for (int v = 0; v < vectors; v++) {
        vec sum = __builtin_convertvector(end_block(bits, whole[r][v], first), vec);
        sums[r][v] = fused(sum * s, w_scale[v], sums[r][v]);
      }
    }
  }
  finish_tile(rows, vectors, sums, part, panel, y, y_stride, add);
}

INLINE void tile_q8(const int rows, const int panels, const lrt_input *x, int row, int in,
                    const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                     unsigned share) {
  tile_blocks(8, rows, panels, x, row, in, part, panel, y, y_stride, add, share);
}

INLINE void tile_q4(const int rows, const int panels, const lrt_input *x, int row, int in,
                    const lrt_part *part, int panel, float *y, int64_t y_stride, int add,
                     unsigned share) {
  tile_blocks(4, rows, panels, x, row, in, part, panel, y, y_stride, add, share);
}

#define ROWS_CASE(NAME, R, P)                                                       \
  case R:                                                                           \
    NAME(R, P, x, row, in, part, panel, y + row * y_stride, y_stride, add,          \
         share_of(P, row / height, tiles));                                         \
    break;

#define FEW_ROWS_CASES(NAME, P) ROWS_CASE(NAME, 1, P) ROWS_CASE(NAME, 2, P)
#if TILE_ROWS == 6
#define ALL_ROWS_CASES(NAME, P) \
  FEW_ROWS_CASES(NAME, P)       \
  ROWS_CASE(NAME, 3, P) ROWS_CASE(NAME, 4, P) ROWS_CASE(NAME, 5, P) ROWS_CASE(NAME, 6, P)
#else
#define ALL_ROWS_CASES FEW_ROWS_CASES
#endif

/* The function NAME_P: P panels (a constant) from `panel` on, for all rows, tile by tile. */
#define PANELS(NAME, P, CASES, HEIGHT)                                                   \
  static void NAME##_##P(const lrt_input *x, int rows, int in, const lrt_part *part,        \
                         int panel, float *y, int64_t y_stride, int add) {                  \
    int tiles = rows > HEIGHT ? (rows + HEIGHT - 1) / HEIGHT : 1;                           \
    int height = (rows + tiles - 1) / tiles; /* 8 rows are twice 4, rather than 6 and 2 */  \
    for (int row = 0; row < rows; row += height) {                                          \
      switch (rows - row < height ? rows - row : height) { CASES(NAME, P) }                 \
    }                                                                                       \
  }

typedef void panels_function(const lrt_input *, int, int, const lrt_part *, int, float *, int64_t, int);

/* All panels, by functions of 1, 2, 4 … up to `most` of them. */
static void by_size(panels_function *const *functions, int most, const lrt_input *x, int rows, int in,
                    const lrt_part *part, int panel, int panels, float *y, int64_t y_stride, int add) {
  for (int size = most; size > 0; size /= 2) {
    for (; panels >= size; panel += size, panels -= size) {
      functions[size / 2](x, rows, in, part, panel, y, y_stride, add);
    }
  }
}

#if W == 16
#define SIZES(NAME, LARGEST_CASES, HEIGHT) \
  PANELS(NAME, 1, ALL_ROWS_CASES, HEIGHT)  \
  PANELS(NAME, 2, ALL_ROWS_CASES, HEIGHT)  \
  PANELS(NAME, 4, LARGEST_CASES, HEIGHT)
#define OF_SIZES(NAME) {NAME##_1, NAME##_2, NAME##_4}
#elif W == 8 || NEON
#define SIZES(NAME, CASES, HEIGHT) PANELS(NAME, 1, CASES, HEIGHT) PANELS(NAME, 2, FEW_ROWS_CASES, HEIGHT)
#define OF_SIZES(NAME) {NAME##_1, NAME##_2}
#else
#define SIZES(NAME, LARGEST_CASES, HEIGHT) PANELS(NAME, 1, ALL_ROWS_CASES, HEIGHT)
#define OF_SIZES(NAME) {NAME##_1}
#endif

/*
 * The function product_TYPE: by at most MOST panels, and HEIGHT rows, at a time; LARGEST_CASES are the rows that come
 * with four panels, and with one on AVX2 and NEON.
 */
#define PRODUCT(TYPE, MOST, LARGEST_CASES, HEIGHT)                                                    \
  SIZES(tile_##TYPE, LARGEST_CASES, HEIGHT)                                                           \
  static void product_##TYPE(const lrt_input *x, int rows, int in, const lrt_part *part, int panel,   \
                             int panels, float *y, int64_t y_stride, int add) {                       \
    static panels_function *const functions[] = OF_SIZES(tile_##TYPE);                                \
    by_size(functions, MOST, x, rows, in, part, panel, panels, y, y_stride, add);                     \
  }

#define MOST_PANELS (rows > FEW_ROWS ? TILE_PANELS : FEW_PANELS)

/* q8 and q4 have two sums for each output: half as many panels fit the registers, or, if that is one, fewer rows. */
#define MOST_OF_BLOCKS (rows > (TWO_FOURS ? 1 : FEW_ROWS) ? (TILE_PANELS + 1) / 2 : FEW_PANELS)
#if TWO_FOURS /* each of these sums takes two registers */
#define HEIGHT_OF_BLOCKS 2
#define BLOCKS_CASES FEW_ROWS_CASES
#elif W == 8 || NEON
#define HEIGHT_OF_BLOCKS 4
#define BLOCKS_CASES(NAME, P) FEW_ROWS_CASES(NAME, P) ROWS_CASE(NAME, 3, P) ROWS_CASE(NAME, 4, P)
#else
#define HEIGHT_OF_BLOCKS TILE_ROWS
#define BLOCKS_CASES FEW_ROWS_CASES
#endif

#if LEVEL <= 2
PRODUCT(f32, MOST_PANELS, ALL_ROWS_CASES, TILE_ROWS)
PRODUCT(f16, MOST_PANELS, ALL_ROWS_CASES, TILE_ROWS)
#endif
#if LEVEL != 3 && LEVEL != 5
PRODUCT(bf16, MOST_PANELS, ALL_ROWS_CASES, TILE_ROWS)
#endif
#if LEVEL != 2 && LEVEL != 4 /* level 1 has instructions for bytes that level 2 adds nothing to */
PRODUCT(q8, MOST_OF_BLOCKS, BLOCKS_CASES, HEIGHT_OF_BLOCKS)
PRODUCT(q4, MOST_OF_BLOCKS, BLOCKS_CASES, HEIGHT_OF_BLOCKS)
#endif
#if LEVEL == 4
PRODUCT(rounded, MOST_PANELS, ALL_ROWS_CASES, TILE_ROWS)
#endif

#endif
