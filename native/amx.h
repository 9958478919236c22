/*
 * Products by AMX: sums of 16 rows by 16 outputs, which a step takes further by 64 bytes of each row. A packed panel
 * is what a tile of weights has to be. Each row of a tile is by itself, so that it is the same in any company.
 */
#ifndef AMX_H
#define AMX_H

#include "products.h"

#if EMULATED_AMX
#include "test/amx.h"
#else
/* gcc's own do not tell that they read memory: no store that they need is kept for later, or left out. */
INLINE void written(void) { __asm__ volatile("" ::: "memory"); }
#define tile_configure(SHAPES)  \
  do {                          \
    written();                  \
    _tile_loadconfig(SHAPES);   \
  } while (0)
#define tile_release() _tile_release()
#define tile_zero(T) _tile_zero(T)
#define tile_load(T, FROM, STEP) \
  do {                           \
    written();                   \
    _tile_loadd(T, FROM, STEP);  \
  } while (0)
#define tile_store(T, TO, STEP) _tile_stored(T, TO, STEP)
#define tile_bf16_pairs(SUMS, A, B) _tile_dpbf16ps(SUMS, A, B)
#define tile_fours(SUMS, A, B) _tile_dpbsud(SUMS, A, B) /* signed bytes by unsigned ones */
#endif

#define SIDE 16 /* rows, and outputs, of a tile of sums */
#define GROUP (2 * SIDE)
#define STEP (LINE / 4) /* pairs of bf16 in a tile's row */

/* What LDTILECFG reads. */
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16]; /* of a row */
  uint8_t rows[16];
} tile_shapes;

/*
 * Sums: tiles 0 and 1 for the rows `above`, 2 and 3 for those `below`, each by two panels. Rows of those inputs: 4 and 5,
 * so many bytes of each; the panels' weights: 6 and 7.
 */
static void shape_tiles(int above, int below, int bytes) {
  tile_shapes shapes = {.palette = 1};
  const int rows[] = {above, above, below, below, above, below, bytes / 4, bytes / 4};
  for (int t = 0; t < 8; t++) {
    shapes.rows[t] = (uint8_t)rows[t];
    shapes.bytes[t] = (uint16_t)(rows[t] == 0 ? 0 : t == 4 || t == 5 ? bytes : LINE);
  }
  tile_configure(&shapes);
}

INLINE void zero_sums(const int two, const int panels) {
  tile_zero(0);
  if (panels > 1) {
    tile_zero(1);
  }
  if (two) {
    tile_zero(2);
  }
  if (two && panels > 1) {
    tile_zero(3);
  }
}

/* sums[p] [GROUP, SIDE], of numbers of four bytes. */
INLINE void store_sums(const int two, const int panels, void *sums) {
  char (*to)[GROUP * LINE] = sums;
  tile_store(0, to[0], LINE);
  if (panels > 1) {
    tile_store(1, to[1], LINE);
  }
  if (two) {
    tile_store(2, to[0] + SIDE * LINE, LINE);
  }
  if (two && panels > 1) {
    tile_store(3, to[1] + SIDE * LINE, LINE);
  }
}

/* Input rows, one or `two` tiles of them, by weights of one panel or two; FROM is where the first of them lies. */
#define MULTIPLY(NAME, FROM, BYTES)                     \
  do {                                                  \
    tile_load(4, FROM, BYTES);                          \
    NAME(0, 4, 6);                                      \
    if (panels > 1) {                                   \
      NAME(1, 4, 7);                                    \
    }                                                   \
    if (two) {                                          \
      tile_load(5, (FROM) + SIDE * (BYTES), BYTES);     \
      NAME(2, 5, 6);                                    \
    }                                                   \
    if (two && panels > 1) {                            \
      NAME(3, 5, 7);                                    \
    }                                                   \
  } while (0)

static void finish_rows(int rows, int panels, float sums[2][GROUP * SIDE], const lrt_part *part, int panel, float *y,
                        int64_t y_stride, int add) {
  for (int p = 0; p < panels; p++) {
    int first = (panel + p) * LRT_PANEL;
    finish_some(rows, SIDE, sums[p], part->bias ? part->bias + first : NULL,
                part->out - first < SIDE ? part->out - first : SIDE, y + first, y_stride, add);
  }
}

/* Weights in bf16; the input's `parts` as on the level before. */
INLINE void pairs_tile(const int parts, const int two, const int panels, const lrt_input *x, int row, int rows, int in,
                       const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  const int pairs = (in + 1) / 2;
  const tile_place place = place_of_tile(part, panels, panel, LINE, pairs, &(turn){0, 1, 0});
  const char *first = (const char *)(x->split + (int64_t)row * 2 * x->stride);
  const int64_t bytes = (int64_t)x->stride * 2; /* from an input's first part to its second */
  zero_sums(two, panels);
  for (int k = 0; k < pairs; k += STEP) {
    const char *w = place.first + (int64_t)k * place.step;
    _Alignas(64) char last[STEP * WIDE_PANELS * LINE]; /* what is behind the last pairs is other outputs', or nothing */
    if (pairs - k < STEP) {
      memset(last, 0, sizeof last);
      for (int i = 0; i < pairs - k; i++) {
        memcpy(last + i * place.step, w + i * place.step, (size_t)panels * LINE);
      }
      w = last;
    }
    tile_load(6, w, place.step);
    if (panels > 1) {
      tile_load(7, w + LINE, place.step);
    }
    if (parts > 1) {
      MULTIPLY(tile_bf16_pairs, first + bytes + k * 4, 2 * bytes);
    }
    MULTIPLY(tile_bf16_pairs, first + k * 4, 2 * bytes);
  }
  _Alignas(64) float sums[2][GROUP * SIDE];
  store_sums(two, panels, sums);
  finish_rows(rows, panels, sums, part, panel, y, y_stride, add);
}

/* A block of q4's 16 outputs, one number a byte. */
INLINE void unpack_fours(const uint8_t *from, uint8_t to[LRT_BLOCK * SIDE]) {
  const int half = LRT_BLOCK / 2 * SIDE;
  UNROLL for (int i = 0; i < half; i += 4 * W) {
    ivec both;
    memcpy(&both, from + i / LINE * 4 * LRT_WIDE + i % LINE, sizeof both);
    ivec low = both & 0x0F0F0F0F;
    ivec high = high_halves(both);
    memcpy(to + i, &low, sizeof low);
    memcpy(to + half + i, &high, sizeof high);
  }
}

/* Weights of 8 or 4 bits, as in tile_blocks: the same whole sums, scaled the same. */
INLINE void blocks_tile(const int bits, const int two, const int panels, const lrt_input *x, int row, int rows, int in,
                        const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  const int blocks = in / LRT_BLOCK;
  const int bytes = LRT_BLOCK * bits / 8 * LRT_WIDE; /* of a block, without scales */
  const int block_step = bytes + 2 * LRT_WIDE;
  const int lane = panel * LRT_PANEL % LRT_WIDE;
  const uint8_t *weight = (const uint8_t *)part->weight + (int64_t)(panel * LRT_PANEL / LRT_WIDE) * blocks * block_step;
  const int row_blocks = x->stride / LRT_BLOCK;
  const int8_t *a = x->bytes + (int64_t)row * x->stride;
  const float *scale = x->scales + (int64_t)row * row_blocks;
  const int32_t *begin = x->begin + (int64_t)row * row_blocks;
  _Alignas(64) float sums[2][GROUP * SIDE] = {{0}};
  for (int block = 0; block < blocks; block++) {
    const uint8_t *w[2];
    _Alignas(64) uint8_t unpacked[2][LRT_BLOCK * SIDE];
    UNROLL for (int p = 0; p < panels; p++) {
      w[p] = weight + (int64_t)block * block_step + (lane + p * SIDE) * 4;
      if (bits == 4) {
        unpack_fours(w[p], unpacked[p]);
        w[p] = unpacked[p];
      }
    }
    const int w_step = bits == 4 ? LINE : 4 * LRT_WIDE;
    zero_sums(two, panels);
    tile_load(6, w[0], w_step);
    if (panels > 1) {
      tile_load(7, w[1], w_step);
    }
    const int8_t *from = a + block * LRT_BLOCK;
    const int64_t stride = x->stride;
    MULTIPLY(tile_fours, from, stride);
    _Alignas(64) int32_t whole[2][GROUP * SIDE];
    store_sums(two, panels, whole);
    for (int p = 0; p < panels; p++) {
      const uint16_t *scales = (const uint16_t *)(weight + (int64_t)block * block_step + bytes) + lane + p * SIDE;
      vec w_scale[PARTS];
      UNROLL for (int v = 0; v < PARTS; v++) { w_scale[v] = halves(scales + v * W); }
      for (int r = 0; r < rows; r++) {
        vec s = all(scale[(int64_t)r * row_blocks + block]);
        int32_t first = begin[(int64_t)r * row_blocks + block];
        first = bits == 8 ? first : first >> 4;
        UNROLL for (int v = 0; v < PARTS; v++) {
          ivec sum;
          memcpy(&sum, &whole[p][r * SIDE + v * W], sizeof sum);
          float *to = &sums[p][r * SIDE + v * W];
          store(to, fused(__builtin_convertvector(sum + first, vec) * s, w_scale[v], load(to)));
        }
      }
    }
  }
  finish_rows(rows, panels, sums, part, panel, y, y_stride, add);
}

/* The function NAME: two panels at a time, and two tiles of rows, with what is left over. */
#define AMX_PRODUCT(NAME, TILE, KIND, BYTES)                                                                            \
  static void NAME(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels, float *y,         \
                   int64_t y_stride, int add) {                                                                         \
    for (int row = 0; row < rows; row += GROUP) {                                                                       \
      int some = rows - row < GROUP ? rows - row : GROUP;                                                               \
      float *to = y + row * y_stride;                                                                                   \
      shape_tiles(some < SIDE ? some : SIDE, some < SIDE ? 0 : some - SIDE, BYTES);                                     \
      for (int p = panel; p < panel + panels; p += 2) {                                                                 \
        if (some > SIDE && p + 1 < panel + panels) {                                                                    \
          TILE(KIND, 1, 2, x, row, some, in, part, p, to, y_stride, add);                                               \
        } else if (some > SIDE) {                                                                                       \
          TILE(KIND, 1, 1, x, row, some, in, part, p, to, y_stride, add);                                               \
        } else if (p + 1 < panel + panels) {                                                                            \
          TILE(KIND, 0, 2, x, row, some, in, part, p, to, y_stride, add);                                               \
        } else {                                                                                                        \
          TILE(KIND, 0, 1, x, row, some, in, part, p, to, y_stride, add);                                               \
        }                                                                                                               \
      }                                                                                                                 \
    }                                                                                                                   \
    tile_release(); /* who is interrupted need not keep them */                                                         \
  }

AMX_PRODUCT(amx_bf16, pairs_tile, 2, LINE)
AMX_PRODUCT(amx_rounded, pairs_tile, 1, LINE)
AMX_PRODUCT(amx_many_q8, blocks_tile, 8, LRT_BLOCK)
AMX_PRODUCT(amx_many_q4, blocks_tile, 4, LRT_BLOCK)

/* Few rows wait for memory, and have the same sums without tiles. */
#define WHERE_MANY(NAME, MANY, FEW)                                                                                     \
  static void NAME(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels, float *y,         \
                   int64_t y_stride, int add) {                                                                         \
    (rows > FEW_ROWS ? MANY : FEW)(x, rows, in, part, panel, panels, y, y_stride, add);                                 \
  }

WHERE_MANY(amx_q8, amx_many_q8, product_q8)
WHERE_MANY(amx_q4, amx_many_q4, product_q4)

/* --- whether it works -------------------------------------------------------------------------- */

/*
 * Small whole numbers, whose sums are exact in any order, against what they are: a virtual machine, or a processor that
 * this was not tried on, shall not answer wrongly.
 */
#define TRY_ROWS (GROUP + 3)
#define TRY_IN (2 * LRT_BLOCK)
#define TRY_OUT (3 * LRT_PANEL)
#define TRY_PANELS ((TRY_OUT + LRT_WIDE - 1) / LRT_WIDE) /* of q8 and q4 */
#define TRY_BLOCKS (TRY_ROWS * TRY_IN / LRT_BLOCK)

typedef struct {
  float plain[TRY_ROWS][TRY_IN];
  uint16_t split[TRY_ROWS][2][TRY_IN];
  int8_t bytes[TRY_ROWS][TRY_IN];
  float scales[TRY_BLOCKS];
  int32_t begin[TRY_BLOCKS];
  float y[TRY_ROWS][TRY_OUT];
} trial;

static int try_input(int r, int k) { return (r * 5 + k * 3) % 15 - 7; }

static int try_weight(int o, int k) { return (o * 7 + k * 2) % 15 - 7; }

static uint16_t try_bf16(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  return (uint16_t)(bits >> 16);
}

/* Whether outputs of the product are sums of `twice` the input by the weights, which lie as lrt4j.h says. */
static int try_product(lrt_product *product, int dtype, const void *weight, int twice, trial *t) {
  lrt_input x = {.plain = t->plain[0], .split = t->split[0][0], .stride = TRY_IN, .bytes = t->bytes[0], .scales = t->scales,
                 .begin = t->begin, .in = TRY_IN};
  lrt_part part = {weight, NULL, dtype, TRY_OUT};
  memset(t->y, 0, sizeof t->y);
  product(&x, TRY_ROWS, TRY_IN, &part, 0, TRY_OUT / LRT_PANEL, t->y[0], TRY_OUT, 0);
  int right = 1;
  for (int r = 0; r < TRY_ROWS; r++) {
    for (int o = 0; o < TRY_OUT; o++) {
      int sum = 0;
      for (int k = 0; k < TRY_IN; k++) {
        sum += try_input(r, k) * try_weight(o, k) * (twice ? 2 : 1);
      }
      right &= t->y[r][o] == (float)sum;
    }
  }
  return right;
}

int lrt_amx_works(void) {
  trial t;
  memset(&t, 0, sizeof t);
  for (int r = 0; r < TRY_ROWS; r++) {
    for (int k = 0; k < TRY_IN; k++) {
      int block = (r * TRY_IN + k) / LRT_BLOCK;
      t.split[r][0][k] = t.split[r][1][k] = try_bf16((float)try_input(r, k));
      t.bytes[r][k] = (int8_t)try_input(r, k);
      t.scales[block] = 1;
      t.begin[block] -= 128 * try_input(r, k);
    }
  }
  uint16_t pairs[TRY_PANELS * LRT_WIDE * TRY_IN];
  struct {
    uint8_t bytes[LRT_BLOCK / 4][LRT_WIDE][4];
    uint16_t scales[LRT_WIDE];
  } q8[TRY_PANELS][TRY_IN / LRT_BLOCK];
  struct {
    uint8_t bytes[LRT_BLOCK / 8][LRT_WIDE][4];
    uint16_t scales[LRT_WIDE];
  } q4[TRY_PANELS][TRY_IN / LRT_BLOCK];
  memset(q4, 0, sizeof q4);
  for (int o = 0; o < TRY_OUT; o++) {
    int panel = o / LRT_WIDE;
    int lane = o % LRT_WIDE;
    for (int k = 0; k < TRY_IN; k++) {
      int w = try_weight(o, k);
      int in_block = k % LRT_BLOCK;
      int low = in_block % (LRT_BLOCK / 2); /* of q4, where elements of both halves share a byte */
      pairs[((panel * TRY_IN + k) / 2 * LRT_WIDE + lane) * 2 + k % 2] = try_bf16((float)w);
      int block = k / LRT_BLOCK;
      q8[panel][block].bytes[in_block / 4][lane][k % 4] = (uint8_t)(w + 128);
      q4[panel][block].bytes[low / 4][lane][low % 4] |= (uint8_t)((w + 8) << (in_block == low ? 0 : 4));
      q8[panel][block].scales[lane] = q4[panel][block].scales[lane] = 0x3C00;
    }
  }
  return try_product(amx_bf16, LRT_DTYPE_BF16, pairs, 1, &t) &&
         try_product(amx_rounded, LRT_DTYPE_BF16_ROUNDED, pairs, 0, &t) &&
         try_product(amx_q8, LRT_DTYPE_Q8, q8, 0, &t) && try_product(amx_q4, LRT_DTYPE_Q4, q4, 0, &t);
}

#endif
