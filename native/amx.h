/*
 * Products by AMX: tiles of 16 rows by 16 outputs, which a step takes further by 64 bytes of each row. A packed panel of bf16
 * is what a tile of weights has to be. Each row of a tile is by itself, so that it is the same in any company.
 */
#ifndef AMX_H
#define AMX_H

#if EMULATED_AMX
#include "test/amx.h"
#endif

#include "inputs.h"
#include "products.h"
#if W == 16
#include "folded.h"
#endif

#if !EMULATED_AMX
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
#define tile_fours(SUMS, A, B) _tile_dpbssd(SUMS, A, B) /* signed bytes */
#endif

#define SIDE LRT_SIDE
#define GROUP (2 * SIDE)
#define STEP (LINE / 4) /* pairs of bf16 in a tile's row */

/* What LDTILECFG reads. */
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t bytes[16]; /* of a row */
  uint8_t rows[16];
} tile_shapes;

/* So many rows of sums in tiles 0 and 1, of inputs, `bytes` each, in 4; others in 2, 3 and 5; weights in 6 and 7. */
static void shape_tiles(int above, int below, int bytes) {
  tile_shapes shapes = {.palette = 1};
  const int rows[] = {above, above, below, below, above, below, bytes / 4, bytes / 4};
  for (int t = 0; t < 8; t++) {
    shapes.rows[t] = (uint8_t)rows[t];
    shapes.bytes[t] = (uint16_t)(rows[t] == 0 ? 0 : t == 4 || t == 5 ? bytes : LINE);
  }
  tile_configure(&shapes);
}

/* Writes rows of sums [rows, GROUP], of two panels, to outputs that there are. */
static void finish_rows(int rows, const float *sums, const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  int first = panel * LRT_PANEL;
  finish_some(rows, GROUP, sums, part->bias ? part->bias + first : NULL, smaller(part->out - first, GROUP), y + first,
              y_stride, add);
}

#define PAIR_OF_PANELS (WIDE_PANELS * LINE) /* bytes of two panels' pair of elements */

/* What is left of a weight's steps, with zeros behind: in memory there are other outputs' numbers, or there is nothing. */
static const char *last_step(const char *w, int pairs, char room[STEP * PAIR_OF_PANELS]) {
  memset(room, 0, STEP * PAIR_OF_PANELS);
  memcpy(room, w, (size_t)(pairs * PAIR_OF_PANELS));
  return room;
}

/*
 * Between two products of tiles a processor wants something else to do: without it they fill the queue that the next loads wait
 * in. There it asks for half of what the input has two steps on.
 */
#define STEPS_AHEAD 2
INLINE void ask_between(const char *input) {
  UNROLL for (int i = 0; i < 4; i++) { __builtin_prefetch(input + i * LINE); }
}

/* Pairs of two panels that lie side by side, a part of a weight's or all of it. */
typedef struct {
  const char *weights;
  int from, pairs; /* which of the weight's pairs they are */
  int all;
  const char *next; /* what comes: `lines` lines a step of it are asked for, every `next_step` bytes */
  int lines, next_step;
} some_pairs;

/*
 * Two tiles of rows by two panels, weights in bf16; the input's `parts` as on the level before. Sums that the pairs before have
 * begun are in `sums` [GROUP, GROUP], where those that the next ones go on with are left. It asks for its outputs, which may lie
 * so that caches keep few of them.
 */
INLINE void pairs_tile(const int parts, const lrt_input *x, int row, int rows, const some_pairs *s, const lrt_part *part,
                       int panel, float *sums, float *y, int64_t y_stride, int add) {
  const int64_t tile = STEP * LINE; /* bytes of one of the input */
  const int64_t second = (int64_t)x->stride * SIDE * 2; /* bytes from a row's first part to its second */
  const int64_t below = 2 * second;
  const int64_t line = GROUP * sizeof(float);
  const char *a = (const char *)in_tiles(x, row, 2 * s->from);
  const char *w = s->weights;
  const char *next = s->next;
  const int ends = s->from + s->pairs == s->all;
  const int rows_a_step = ends ? (rows * STEP + s->pairs - 1) / s->pairs : 0;
  const float *output = y + panel * LRT_PANEL;
  const float *output_end = output + rows * y_stride;
  if (s->from) {
    tile_load(0, sums, line);
    tile_load(1, sums + SIDE, line);
    tile_load(2, sums + SIDE * GROUP, line);
    tile_load(3, sums + SIDE * GROUP + SIDE, line);
  } else {
    tile_zero(0);
    tile_zero(1);
    tile_zero(2);
    tile_zero(3);
  }
  for (int k = 0; k < s->pairs; k += STEP) {
    _Alignas(64) char room[STEP * PAIR_OF_PANELS];
    if (s->pairs - k < STEP) {
      w = last_step(w, s->pairs - k, room);
    }
    tile_load(6, w, PAIR_OF_PANELS);
    tile_load(7, w + LINE, PAIR_OF_PANELS);
    for (int i = 0; i < s->lines; i++) {
      __builtin_prefetch(next + i * LINE, 0, 2);
    }
    for (int i = 0; i < rows_a_step && output < output_end; i++) {
      __builtin_prefetch(output, 1);
      __builtin_prefetch(output + SIDE, 1);
      output += y_stride;
    }
    UNROLL for (int p = parts - 1; p >= 0; p--) {
      const char *from = a + p * second;
      const char *ahead = from + STEPS_AHEAD * tile;
      tile_load(4, from, LINE);
      ask_between(ahead);
      tile_bf16_pairs(0, 4, 6);
      ask_between(ahead + 4 * LINE);
      tile_bf16_pairs(1, 4, 7);
      tile_load(5, from + below, LINE);
      ask_between(ahead + 8 * LINE);
      tile_bf16_pairs(2, 5, 6);
      ask_between(ahead + 12 * LINE);
      tile_bf16_pairs(3, 5, 7);
    }
    a += tile;
    w += STEP * PAIR_OF_PANELS;
    next += s->next_step;
  }
  tile_store(0, sums, line);
  tile_store(1, sums + SIDE, line);
  tile_store(2, sums + SIDE * GROUP, line);
  tile_store(3, sums + SIDE * GROUP + SIDE, line);
  if (ends) {
    finish_rows(rows, sums, part, panel, y, y_stride, add);
  }
}

/* Rows `from` to `to`, all that are not fewer than fit one tile, by some pairs, each two tiles with `sums` of their own. */
INLINE void pairs_of_rows(const int parts, const lrt_input *x, int from, int to, const some_pairs *s, const lrt_part *part,
                          int panel, float sums[][GROUP * GROUP], float *y, int64_t y_stride, int add) {
  some_pairs own = *s;
  for (int row = from; to - row > SIDE; row += GROUP, own.next += s->lines * LINE) {
    const int some = smaller(to - row, GROUP);
    if (some < GROUP) {
      shape_tiles(SIDE, some - SIDE, LINE);
    }
    pairs_tile(parts, x, row, some, &own, part, panel, sums[s->pairs < s->all ? (row - from) / GROUP : 0],
               y + row * y_stride, y_stride, add);
    if (some < GROUP) {
      shape_tiles(SIDE, SIDE, LINE);
    }
  }
}

/* Sums in tiles FIRST and SECOND go on with what a step has of two panels at W, and inputs in tiles 4 and 5. */
#define TWO_PANELS(W, FIRST, SECOND, ASK)                  \
  tile_load(6, W, PAIR_OF_PANELS);                         \
  ASK((W) + BYTES_AHEAD)                                   \
  if (parts > 1) {                                         \
    tile_bf16_pairs(FIRST, 5, 6);                          \
  }                                                        \
  tile_bf16_pairs(FIRST, 4, 6);                            \
  tile_load(7, (W) + LINE, PAIR_OF_PANELS);                \
  ASK((W) + BYTES_AHEAD + STEP * LINE)                     \
  if (parts > 1) {                                         \
    tile_bf16_pairs(SECOND, 5, 7);                         \
  }                                                        \
  tile_bf16_pairs(SECOND, 4, 7);

#define ASK_A_TILE(FROM) ask_for(STEP, FROM);
#define ASK_NOTHING(FROM)

/* Begins one tile of rows by two panels or four. */
INLINE void begin_few(const int panels, int rows) {
  shape_tiles(rows, rows, LINE);
  tile_zero(0);
  tile_zero(1);
  if (panels > 2) {
    tile_zero(2);
    tile_zero(3);
  }
}

INLINE void load_few(const int parts, const lrt_input *x, int row, int pair) {
  const char *a = (const char *)in_tiles(x, row, 2 * pair);
  tile_load(4, a, LINE);
  if (parts > 1) {
    tile_load(5, a + (int64_t)x->stride * x->tile * 2, LINE);
  }
}

INLINE void finish_few(const int panels, int rows, const lrt_part *part, int panel, float *y, int64_t y_stride, int add) {
  _Alignas(64) float sums[SIDE * GROUP];
  const int64_t line = GROUP * sizeof(float);
  tile_store(0, sums, line);
  tile_store(1, sums + SIDE, line);
  finish_rows(rows, sums, part, panel, y, y_stride, add);
  if (panels > 2) {
    tile_store(2, sums, line);
    tile_store(3, sums + SIDE, line);
    finish_rows(rows, sums, part, panel + 2, y, y_stride, add);
  }
}

/* Rows of one tile, which wait for memory: they ask for what is BYTES_AHEAD. */
INLINE void few_pairs(const int parts, const int panels, const lrt_input *x, int row, int rows, int in, const lrt_part *part,
                      int panel, float *y, int64_t y_stride, int add) {
  const int pairs = (in + 1) / 2;
  const char *w = (const char *)part->weight + (int64_t)(panel / WIDE_PANELS) * pairs * PAIR_OF_PANELS;
  const char *v = w + (int64_t)pairs * PAIR_OF_PANELS; /* of the third and fourth panel */
  begin_few(panels, rows);
  for (int k = 0; k < pairs; k += STEP) {
    _Alignas(64) char room[2][STEP * PAIR_OF_PANELS];
    if (pairs - k < STEP) {
      w = last_step(w, pairs - k, room[0]);
      v = panels > 2 ? last_step(v, pairs - k, room[1]) : v;
    }
    load_few(parts, x, row, k);
    TWO_PANELS(w, 0, 1, ASK_A_TILE)
    w += STEP * PAIR_OF_PANELS;
    if (panels > 2) {
      TWO_PANELS(v, 2, 3, ASK_A_TILE)
      v += STEP * PAIR_OF_PANELS;
    }
  }
  finish_few(panels, rows, part, panel, y, y_stride, add);
}

/* So many of the input's rows meet all panels of a task before the next ones do: the second cache holds them. */
#define INPUT_TOGETHER (384 << 10)

/* Rows at the end that fit one tile, and are few. */
INLINE int rest_of(int rows) { return rows % GROUP <= SIDE ? rows % GROUP : 0; }

/* So that a share of `lines` each is all of them. */
INLINE int share_of(int lines, int rows) { return (lines * GROUP + rows - 1) / rows; }

INLINE void pairs_product(const int parts, const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels,
                          float *y, int64_t y_stride, int add) {
  const int last = panel + panels;
  const int pairs = (in + 1) / 2;
  const int64_t size = (int64_t)pairs * PAIR_OF_PANELS;
  const int together = (INPUT_TOGETHER / (2 * parts * x->stride * GROUP) + 1) * GROUP;
  for (int from = 0; from < rows; from += together) {
    const int to = smaller(rows, from + together);
    const int rest = rest_of(to - from);
    if (to - from > SIDE) {
      shape_tiles(SIDE, SIDE, LINE);
      for (int p = panel; p < last; p += 2) {
        const char *w = (const char *)part->weight + p / WIDE_PANELS * size;
        const some_pairs all = {.weights = w, .pairs = pairs, .all = pairs, .next = w + size,
                                .lines = from ? 0 : share_of(STEP * PAIR_OF_PANELS / LINE, to - from),
                                .next_step = STEP * PAIR_OF_PANELS};
        _Alignas(64) float sums[1][GROUP * GROUP];
        pairs_of_rows(parts, x, from, to, &all, part, p, sums, y, y_stride, add);
      }
    }
    for (int p = panel; rest && p < last; p += 4) {
      float *end = y + (to - rest) * y_stride;
      if (p + 2 < last) {
        few_pairs(parts, 4, x, to - rest, rest, in, part, p, end, y_stride, add);
      } else {
        few_pairs(parts, 2, x, to - rest, rest, in, part, p, end, y_stride, add);
      }
    }
  }
  tile_release(); /* who is interrupted need not keep them */
}

static void amx_bf16(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels, float *y,
                     int64_t y_stride, int add) {
  pairs_product(2, x, rows, in, part, panel, panels, y, y_stride, add);
}

static void amx_rounded(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels, float *y,
                        int64_t y_stride, int add) {
  pairs_product(1, x, rows, in, part, panel, panels, y, y_stride, add);
}

/* --- bf16 in 12 bits --------------------------------------------------------------------------- */

#if W == 16
/* A group as it is unfolded, in turns: which step is next, and where. */
typedef struct {
  __m512i table;
  const char *step;
  const folded_other *other;
  int k;
} unfolding;

static unfolding begin_group(const lrt_part *part, int panel, int in) {
  const char *w = (const char *)part->weight + panel / FOLDED_PANELS * lrt_group_bytes(in);
  const folded_group *head = (const folded_group *)w;
  return (unfolding){_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)head->table)), w + sizeof *head,
                     (const folded_other *)(w + head->list), 0};
}

/* The next pair of all panels. */
INLINE void next_pair(unfolding *u, __m512i pair[FOLDED_PANELS]) {
  unfold(u->table, u->step, pair);
  if (__builtin_expect(u->other->step == u->k, 0)) {
    u->other = put_others(u->other, u->k, pair);
  }
  u->step += STEP_BYTES;
  u->k++;
}

/* The next pairs, as packed panels have them: of the first two panels, and of the others. What comes is asked for. */
INLINE void unfold_pairs(unfolding *u, int pairs, char *first, char *others) {
  for (int i = 0; i < pairs; i++) {
    __m512i pair[FOLDED_PANELS];
    ask_behind(STEP_BYTES / LINE, 1, u->step);
    next_pair(u, pair);
    _mm512_store_si512(first + i * PAIR_OF_PANELS, pair[0]);
    _mm512_store_si512(first + i * PAIR_OF_PANELS + LINE, pair[1]);
    _mm512_store_si512(others + i * PAIR_OF_PANELS, pair[2]);
    _mm512_store_si512(others + i * PAIR_OF_PANELS + LINE, pair[3]);
  }
}

INLINE void few_folded(const int parts, const lrt_input *x, int row, int rows, int in, const lrt_part *part, int panel, float *y,
                       int64_t y_stride, int add) {
  const int pairs = (in + 1) / 2;
  unfolding u = begin_group(part, panel, in);
  _Alignas(64) char room[2][STEP * PAIR_OF_PANELS];
  begin_few(FOLDED_PANELS, rows);
  for (int k = 0; k < pairs; k += STEP) {
    if (pairs - k < STEP) {
      memset(room, 0, sizeof room);
    }
    unfold_pairs(&u, smaller(pairs - k, STEP), room[0], room[1]);
    load_few(parts, x, row, k);
    TWO_PANELS(room[0], 0, 1, ASK_NOTHING)
    TWO_PANELS(room[1], 2, 3, ASK_NOTHING)
  }
  finish_few(FOLDED_PANELS, rows, part, panel, y, y_stride, add);
}

/* A step of bf16 pairs as f32 numbers: all first ones, all second ones. */
INLINE void expand_step(const uint16_t *split, float plain[2][STEP]) {
  __m512i pairs = _mm512_loadu_si512(split);
  _mm512_store_si512(plain[0], _mm512_slli_epi32(pairs, 16));
  _mm512_store_si512(plain[1], _mm512_and_si512(pairs, _mm512_set1_epi32((int)0xFFFF0000)));
}

/*
 * One row without tiles, to the same bits, as TDPBF16PS is told in Intel's manual: of a step's pairs, first and second elements
 * are summed up apart, fused, and then together; subnormal numbers are zeros. Where another process has the other half of the
 * core, tiles become slow, and waiting for memory takes none. Groups are read by turns, a tile's pairs of each, and meanwhile lines
 * of all of them are asked for by turns, one of each: memory is faster in several runs, but only if they are as close as that.
 */
INLINE void one_folded(const int parts, const int runs, const lrt_input *x, int in, const lrt_part *part, int panel, int apart,
                       float *y, int64_t y_stride, int add) {
  const int pairs = (in + 1) / 2;
  const unsigned kept = _mm_getcsr();
  _mm_setcsr(kept | _MM_FLUSH_ZERO_ON | 0x40 /* denormals are zeros */);
  unfolding u[LRT_MOST_RUNS];
  vec sums[LRT_MOST_RUNS][MOST_ROWS][SUM_VECTORS];
  UNROLL for (int run = 0; run < runs; run++) {
    u[run] = begin_group(part, panel + run * apart, in);
    UNROLL for (int p = 0; p < FOLDED_PANELS; p++) { sums[run][0][p] = all(0); }
  }
  for (int k = 0; k < pairs; k += STEP) {
    _Alignas(64) float plain[2][2][STEP]; /* of both parts */
    UNROLL for (int i = 0; i < parts; i++) { expand_step(x->split + i * x->stride + 2 * k, plain[i]); }
    const int some = smaller(pairs - k, STEP);
    const char *ahead[LRT_MOST_RUNS];
    UNROLL for (int run = 0; run < runs; run++) { ahead[run] = u[run].step + BYTES_AHEAD; }
    UNROLL for (int run = 0; run < runs; run++) {
      vec apart_sums[2][2][FOLDED_PANELS];
      UNROLL for (int p = 0; p < FOLDED_PANELS; p++) {
        apart_sums[0][0][p] = apart_sums[0][1][p] = apart_sums[1][0][p] = apart_sums[1][1][p] = all(0);
      }
      for (int j = 0; j < some; j++) {
        __m512i pair[FOLDED_PANELS];
        next_pair(&u[run], pair);
        UNROLL for (int i = 0; i < STEP_BYTES / LINE; i++) {
          int line = (run * STEP + j) * (STEP_BYTES / LINE) + i;
          ask_for(1, ahead[line % runs] + line / runs * LINE);
        }
        UNROLL for (int i = 0; i < parts; i++) {
          vec first = all(plain[i][0][j]);
          vec second = all(plain[i][1][j]);
          UNROLL for (int p = 0; p < FOLDED_PANELS; p++) {
            vec w = (vec)_mm512_slli_epi32(pair[p], 16);
            apart_sums[i][0][p] = fused(first, w, apart_sums[i][0][p]);
            w = (vec)_mm512_and_si512(pair[p], _mm512_set1_epi32((int)0xFFFF0000));
            apart_sums[i][1][p] = fused(second, w, apart_sums[i][1][p]);
          }
        }
      }
      UNROLL for (int i = parts - 1; i >= 0; i--) {
        UNROLL for (int p = 0; p < FOLDED_PANELS; p++) {
          sums[run][0][p] += apart_sums[i][0][p] + apart_sums[i][1][p];
        }
      }
    }
  }
  _mm_setcsr(kept);
  UNROLL for (int run = 0; run < runs; run++) {
    finish_tile(1, FOLDED_PANELS, sums[run], part, panel + run * apart, y, y_stride, add);
  }
}

#define ONE_FOLDED(TYPE, PARTS)                                                                                           \
  static void runs_##TYPE(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int runs, int apart,     \
                          float *y, int64_t y_stride, int add) {                                                          \
    (void)rows; /* one */                                                                                                 \
    if (runs == LRT_MOST_RUNS) {                                                                                          \
      one_folded(PARTS, LRT_MOST_RUNS, x, in, part, panel, apart, y, y_stride, add);                                      \
    } else {                                                                                                              \
      one_folded(PARTS, LRT_RUNS, x, in, part, panel, apart, y, y_stride, add);                                           \
    }                                                                                                                     \
  }

ONE_FOLDED(folded, 2)
ONE_FOLDED(folded_rounded, 1)

#define PAIRS_TOGETHER 256 /* that are unfolded */
#define TILES_TOGETHER 8   /* which they are unfolded for; the second cache holds what these have of so many pairs */

INLINE void folded_product(const int parts, const lrt_input *x, int rows, int in, const lrt_part *part, int panel, float *y,
                           int64_t y_stride, int add) {
  if (rows == 1) {
    one_folded(parts, 1, x, in, part, panel, 0, y, y_stride, add);
    return;
  }
  const int pairs = (in + 1) / 2;
  const int together = TILES_TOGETHER * GROUP;
  for (int from = 0; from < rows; from += together) {
    const int to = smaller(rows, from + together);
    const int rest = rest_of(to - from);
    if (to - from > SIDE) {
      unfolding u = begin_group(part, panel, in);
      _Alignas(64) char room[2][PAIRS_TOGETHER * PAIR_OF_PANELS];
      _Alignas(64) float sums[2][TILES_TOGETHER][GROUP * GROUP];
      shape_tiles(SIDE, SIDE, LINE);
      for (int k = 0; k < pairs; k += PAIRS_TOGETHER) {
        some_pairs some = {.from = k, .pairs = smaller(pairs - k, PAIRS_TOGETHER), .all = pairs, .next_step = STEP * STEP_BYTES,
                           .lines = from ? 0 : share_of(STEP * STEP_BYTES / LINE / 2, to - from)};
        unfold_pairs(&u, some.pairs, room[0], room[1]);
        for (int p = 0; p < 2; p++) {
          some.weights = room[p];
          some.next = u.step + p * STEP * STEP_BYTES / 2;
          pairs_of_rows(parts, x, from, to, &some, part, panel + 2 * p, sums[p], y, y_stride, add);
        }
      }
    }
    if (rest) {
      few_folded(parts, x, to - rest, rest, in, part, panel, y + (to - rest) * y_stride, y_stride, add);
    }
  }
  tile_release();
}

static void amx_folded(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels, float *y,
                       int64_t y_stride, int add) {
  (void)panels;
  folded_product(2, x, rows, in, part, panel, y, y_stride, add);
}

static void amx_folded_rounded(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels, float *y,
                               int64_t y_stride, int add) {
  (void)panels;
  folded_product(1, x, rows, in, part, panel, y, y_stride, add);
}
#endif

/* --- q8 and q4 --------------------------------------------------------------------------------- */

/*
 * Some blocks of two panels, as tiles of signed bytes, and their scales: unpacked once for many rows. They fit the first cache,
 * or nearly.
 */
#define BLOCKS_TOGETHER 32
#define BLOCK_ROWS (LRT_BLOCK / 4) /* of a tile */

typedef struct {
  _Alignas(64) uint8_t bytes[BLOCKS_TOGETHER][2][BLOCK_ROWS][LINE];
  float scales[BLOCKS_TOGETHER][2][SIDE];
} unpacked;

INLINE ivec less_eight(ivec bytes) {
  typedef int8_t byte_vec __attribute__((vector_size(4 * W)));
  return (ivec)((byte_vec)bytes - 8);
}

INLINE void unpack(const int bits, const uint8_t *from, int blocks, unpacked *to) {
  for (int b = 0; b < blocks; b++) {
    UNROLL for (int i = 0; i < BLOCK_ROWS * 2 * bits / 8; i++) {
      UNROLL for (int v = 0; v < PARTS; v++) {
        ivec w;
        memcpy(&w, from + i * LINE + v * 4 * W, sizeof w);
        uint8_t *line = to->bytes[b][i % 2][i / 2] + v * 4 * W;
        if (bits == 8) {
          w ^= (int32_t)0x80808080;
          memcpy(line, &w, sizeof w);
        } else {
          ivec low = less_eight(w & 0x0F0F0F0F);
          ivec high = less_eight(high_halves(w));
          memcpy(line, &low, sizeof low);
          memcpy(line + BLOCK_ROWS / 2 * LINE, &high, sizeof high);
        }
      }
    }
    from += bits * 4 * LRT_WIDE;
    UNROLL for (int v = 0; v < 2 * PARTS; v++) { store(to->scales[b][0] + v * W, halves((const uint16_t *)from + v * W)); }
    from += 2 * LRT_WIDE;
  }
}

#define HEIGHT MOST_ROWS /* rows of sums by two panels that registers hold; in one tile each */
#define ROWS_UNPACKED_FOR 192

/* Rows `from` to `to` of a block's whole sums, scaled as in tile_blocks of products.h. */
INLINE void scale_rows(const int from, const int to, const int32_t whole[2][HEIGHT * SIDE], const float *const *scale,
                       int64_t row_blocks, const float w_scale[2][SIDE], vec sums[HEIGHT][2 * PARTS]) {
  UNROLL for (int r = from; r < to; r++) {
    vec s = all(scale[r / 3][r % 3 * row_blocks]);
    UNROLL for (int v = 0; v < 2 * PARTS; v++) {
      ivec sum;
      memcpy(&sum, whole[v / PARTS] + r * SIDE + v % PARTS * W, sizeof sum);
      sums[r][v] = fused(__builtin_convertvector(sum, vec) * s, load(w_scale[0] + v * W), sums[r][v]);
    }
  }
}

/*
 * Blocks take turns: what tiles multiply in one is kept in the next, and scaled LAG turns later, when memory has it. What is kept
 * fits 4 KB, as a load would wait for the store of what lies 4 KB from it.
 */
#define LAG 2
#define KEPT 2

/* One panel of block b into tile SUMS, by the input in tile A and the weights in tile W. */
#define MULTIPLY_BLOCK(SUMS, A, W, PANEL)             \
  if (b < blocks) {                                   \
    tile_zero(SUMS);                                  \
    tile_load(W, u->bytes[b][PANEL][0], LINE);        \
    if (PANEL == 0) {                                 \
      tile_load(A, a + b * LRT_BLOCK, x->stride);     \
    }                                                 \
    tile_fours(SUMS, A, W);                           \
  }

#define SCALE_BLOCK(FROM, TO)                                                                                  \
  if (b >= LAG) {                                                                                              \
    scale_rows(FROM, TO, whole[(b - LAG) % KEPT], scale, row_blocks, u->scales[b - LAG], sums);                \
  }

#define TURN(A, SUMS0, SUMS1, BEFORE0, BEFORE1)                    \
  MULTIPLY_BLOCK(SUMS0, A, 6, 0)                                   \
  if (b < lines) {                                                 \
    __builtin_prefetch(next + b * LINE, 0, 2);                     \
  }                                                                \
  if (b < rows && output) {                                        \
    __builtin_prefetch(output + b * y_stride, 1);                  \
    __builtin_prefetch(output + b * y_stride + SIDE, 1);           \
  }                                                                \
  SCALE_BLOCK(0, rows / 2)                                         \
  MULTIPLY_BLOCK(SUMS1, A, 7, 1)                                   \
  if (b > 0 && b <= blocks) {                                      \
    tile_store(BEFORE0, whole[(b - 1) % KEPT][0], LINE);           \
    tile_store(BEFORE1, whole[(b - 1) % KEPT][1], LINE);           \
  }                                                                \
  SCALE_BLOCK(rows / 2, rows)                                      \
  if (b >= LAG) {                                                  \
    UNROLL for (int r = 0; r < rows; r += 3) { scale[r / 3]++; }   \
  }                                                                \
  b++;

/* Goes on with sums [rows, GROUP] by so many blocks; asks for `lines` lines of what comes, and for its outputs, if given. */
INLINE void blocks_tile(const int rows, const lrt_input *x, int row, int block, int blocks, const unpacked *u, float *to,
                        const char *next, int lines, const float *output, int64_t y_stride) {
  const int64_t row_blocks = x->stride / LRT_BLOCK;
  const int8_t *a = x->bytes + (int64_t)row * x->stride + block * LRT_BLOCK;
  FIND_EVERY_THIRD(float, scale, x->scales + row * row_blocks + block, row_blocks)
  vec sums[HEIGHT][2 * PARTS];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < 2 * PARTS; v++) { sums[r][v] = load(to + r * GROUP + v * W); }
  }
  _Alignas(64) int32_t whole[KEPT][2][HEIGHT * SIDE];
  for (int b = 0; b < blocks + LAG;) {
    TURN(4, 0, 1, 2, 3)
    if (b == blocks + LAG) {
      break;
    }
    TURN(5, 2, 3, 0, 1)
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int v = 0; v < 2 * PARTS; v++) { store(to + r * GROUP + v * W, sums[r][v]); }
  }
}

#define BLOCKS_CASE(R)                                                                \
  case R:                                                                             \
    blocks_tile(R, x, row, block, blocks, u, to, next, lines, output, y_stride);      \
    break;

static void some_blocks(int rows, const lrt_input *x, int row, int block, int blocks, const unpacked *u, float *to,
                        const char *next, int lines, const float *output, int64_t y_stride) {
  switch (rows) {
    BLOCKS_CASE(1)
    BLOCKS_CASE(2)
    BLOCKS_CASE(3)
    BLOCKS_CASE(4)
    BLOCKS_CASE(5)
    BLOCKS_CASE(6)
#if HEIGHT > 6
    BLOCKS_CASE(7)
    BLOCKS_CASE(8)
    BLOCKS_CASE(9)
    BLOCKS_CASE(10)
    BLOCKS_CASE(11)
    BLOCKS_CASE(12)
#endif
  }
}

INLINE void blocks_product(const int bits, const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels,
                           float *y, int64_t y_stride, int add) {
  const int all_blocks = in / LRT_BLOCK;
  const int block_bytes = (bits * 4 + 2) * LRT_WIDE;
  const int64_t size = (int64_t)all_blocks * block_bytes;
  for (int from = 0; from < rows; from += ROWS_UNPACKED_FOR) {
    const int some = smaller(rows - from, ROWS_UNPACKED_FOR);
    const int tiles = (some + HEIGHT - 1) / HEIGHT;
    const int height = (some + tiles - 1) / tiles;
    for (int p = panel; p < panel + panels; p += 2) {
      const uint8_t *weight = (const uint8_t *)part->weight + p / WIDE_PANELS * size;
      _Alignas(64) float sums[ROWS_UNPACKED_FOR * GROUP];
      memset(sums, 0, (size_t)some * GROUP * sizeof(float));
      for (int block = 0; block < all_blocks; block += BLOCKS_TOGETHER) {
        const int blocks = smaller(all_blocks - block, BLOCKS_TOGETHER);
        unpacked u;
        unpack(bits, weight + block * block_bytes, blocks, &u);
        const char *next = (const char *)weight + (block + blocks) * block_bytes;
        const int lines = (blocks * block_bytes / LINE + tiles - 1) / tiles;
        int last = 0;
        for (int row = 0; row < some; row += height, next += lines * LINE) {
          int here = smaller(some - row, height);
          if (here != last) {
            shape_tiles(here, here, LRT_BLOCK);
          }
          last = here;
          const float *output = block + blocks < all_blocks ? NULL : y + (from + row) * y_stride + p * LRT_PANEL;
          some_blocks(here, x, from + row, block, blocks, &u, sums + row * GROUP, next, lines, output, y_stride);
        }
      }
      finish_rows(some, sums, part, p, y + from * y_stride, y_stride, add);
    }
  }
  tile_release();
}

static void amx_many_q8(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels, float *y,
                        int64_t y_stride, int add) {
  blocks_product(8, x, rows, in, part, panel, panels, y, y_stride, add);
}

static void amx_many_q4(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels, float *y,
                        int64_t y_stride, int add) {
  blocks_product(4, x, rows, in, part, panel, panels, y, y_stride, add);
}

/* Fewer rows are faster without tiles, and have the same sums. */
#define MANY 96 /* rows; while the processor is at its best 48 would do */
#define WHERE_MANY(NAME, TILES, FEW)                                                                                    \
  static void NAME(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int panels, float *y,         \
                   int64_t y_stride, int add) {                                                                         \
    (rows > MANY ? TILES : FEW)(x, rows, in, part, panel, panels, y, y_stride, add);                                 \
  }

WHERE_MANY(amx_q8, amx_many_q8, product_q8)
WHERE_MANY(amx_q4, amx_many_q4, product_q4)

/* --- whether it works -------------------------------------------------------------------------- */

/*
 * Small whole numbers, whose sums are exact in any order, against what they are: a virtual machine, or a processor that
 * this was not tried on, shall not answer wrongly.
 */
#define TRY_ROWS (MANY + 3)
#define TRY_IN (2 * LRT_BLOCK)
#define TRY_TILES ((TRY_ROWS + SIDE - 1) / SIDE)
#define TRY_OUT (3 * LRT_PANEL)
#define TRY_PANELS ((TRY_OUT + LRT_WIDE - 1) / LRT_WIDE) /* of q8 and q4 */
#define TRY_BLOCKS (TRY_ROWS * TRY_IN / LRT_BLOCK)

typedef struct {
  float plain[TRY_ROWS][TRY_IN];
  uint16_t split[TRY_TILES * SIDE * 2 * TRY_IN];
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

static lrt_input trial_input(trial *t) {
  return (lrt_input){.plain = t->plain[0], .split = t->split, .stride = TRY_IN, .bytes = t->bytes[0], .scales = t->scales,
                     .begin = t->begin, .in = TRY_IN, .tile = SIDE};
}

/* Whether outputs of the product are sums of `twice` the input by the weights, which lie as lrt4j.h says. */
static int try_product(lrt_product *product, int dtype, const void *weight, int twice, trial *t) {
  lrt_input x = trial_input(t);
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
  lrt_input x = trial_input(&t);
  for (int r = 0; r < TRY_ROWS; r++) {
    for (int k = 0; k < TRY_IN; k++) {
      int block = (r * TRY_IN + k) / LRT_BLOCK;
      uint16_t *pair = in_tiles(&x, r, k / GROUP * GROUP) + k % GROUP;
      pair[0] = pair[SIDE * TRY_IN] = try_bf16((float)try_input(r, k));
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
