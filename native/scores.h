/* Scores of few queries: squares of keys go from registers into sums, without being stored as columns. */
#ifndef SCORES_H
#define SCORES_H

#include "ahead.h"
#include "squares.h"

/* Queries that read keys and values as they lie, at most, and how many of them keys are turned for at once. */
#define MOST_FEW (W == 16 ? 2 * TILE_ROWS : TILE_ROWS)
#define AT_ONCE (W == 16 ? 8 : TILE_ROWS)
#define MOST_SQUARES (W == 16 ? 2 : 4) /* below */
#define VALUES_ASKED 4 /* lines of values for one that is asked for while few queries' scores are added up */

/*
 * Asks for what is read next: f32 into the second cache, as products do; of f16 and q8, which take longer to
 * widen, less is on its way at a time, and the first has room.
 */
INLINE void ask_soon(const int dtype, const char *line) {
  if (dtype == LRT_DTYPE_F32) {
    __builtin_prefetch(line, 0, 2);
  } else {
    __builtin_prefetch(line);
  }
}

/* What is read when all keys, or all values, have been, and whether lines are asked for by turns of pages. */
typedef struct {
  const char *from;
  int by_turns; /* never of q8 without AVX-512 */
} following;

INLINE int asked_by_turns(const int dtype, const following *then) {
  return (W == 16 || dtype != LRT_DTYPE_Q8) && then->by_turns;
}

/* What is asked for instead of a line, by turns of pages: far behind it, and behind `end` what follows. */
INLINE const char *far_behind(const char *line, const char *end, const following *then) {
  const char *at = line_by_turns(1, line) + PAGES_BYTES;
  return at < end ? at : then->from + (at - end);
}

/* Asks for four lines, one of each page, instead of those from `four` on. */
INLINE void ask_for_four(const char *four, const char *end, const following *then) {
  const char *at = far_behind(four, end, then);
  UNROLL for (int page = 0; page < 4; page++) { __builtin_prefetch(at + page * (PAGES_BYTES / 4)); }
}

/* Asks by turns of pages while `bytes` bytes are read: for as many fours of lines as begin there. */
INLINE void ask_by_turns(const int bytes, const char *from, const char *end, const following *then) {
  const int four = 4 * LINE;
  if (bytes == LINE) {
    __builtin_prefetch(far_behind(from, end, then));
    return;
  }
  const char *first = (const char *)(((uintptr_t)from + four - 1) / four * four);
  UNROLL for (int i = 0; i < bytes / four; i++) { ask_for_four(first + i * four, end, then); }
  if (bytes % four && first + bytes / four * four < from + bytes) {
    ask_for_four(first + bytes / four * four, end, then);
  }
}

#if SQUARES
/*
 * Numbers of queries. With AVX-512 every square reads them for itself, as an operand: kept for the next one, they would take
 * registers from columns.
 */
INLINE const float *numbers(const float *a) {
#if W == 16
  __asm__("" : "+r"(a));
#endif
  return a;
}

#if W == 16
/* Asks for what a square of f32 has beside its columns, into the first cache: from the second, it takes longer than to add. */
INLINE void ask_beside(const char *square, int64_t step) {
  UNROLL for (int i = 0; i < W; i += 4) {
    const char *four = counted_from(square + i * step + LINE);
    UNROLL for (int j = 0; j < 4; j++) { __builtin_prefetch(four + j * step); }
  }
}
#endif

/* Adds the products of queries and a square's columns, which are elements c, c + 1, … of W rows `from` on. */
INLINE void add_square(const int dtype, const int squares, int queries, const float *const *x, const char *from,
                       int c, int dim, vec sums[AT_ONCE]) {
#if W == 8
  (void)squares;
  const int64_t step = lrt_bytes(dtype, dim);
  const char *square = from + lrt_bytes(dtype, c);
  const vec scales = dtype == LRT_DTYPE_Q8 ? scales_of(square, step) : all(0);
  const vec less = less_of(scales);
  const int in_four = dtype == LRT_DTYPE_Q8 ? 4 : dtype == LRT_DTYPE_F16 ? 2 : 1; /* columns */
  UNROLL for (int half = 0; half < 2; half++) { /* 16 registers hold no whole square and sums */
    ivec fours[4];
    transpose_half(square + (dtype == LRT_DTYPE_Q8 ? 2 : 0) + half * 16, step, fours);
    UNROLL for (int i = 0; i < 4; i++) {
      vec column[4];
      if (dtype == LRT_DTYPE_F16) {
        widen_two(fours[i], &column[0], &column[1]);
      }
      UNROLL for (int j = 0; j < in_four; j++) {
        if (dtype == LRT_DTYPE_F32) {
          column[j] = (vec)fours[i];
        } else if (dtype == LRT_DTYPE_Q8) {
          column[j] = widen_byte(fours[i], j, scales, less);
        }
        int at = c + (half * 4 + i) * in_four + j;
        UNROLL_TWO for (int q = 0; q < queries; q++) { add_product(&sums[q], all(x[q][at]), column[j]); }
      }
    }
  }
#else
  square of;
  begin_square(dtype, from, c, dim, &of);
  UNROLL for (int part = 0; part < square_width(dtype) / 16; part++) {
    vec column[16];
    widen_columns(dtype, &of, part, from, c, dim, column);
    int at = c + part * 16;
    if (dtype != LRT_DTYPE_F32 && squares > 1) { /* one or two queries: columns are used up as they come */
      const float *a[AT_ONCE];
      UNROLL_TWO for (int q = 0; q < queries; q++) { a[q] = numbers(x[q] + at); }
      UNROLL for (int i = 0; i < 16; i++) {
        UNROLL_TWO for (int q = 0; q < queries; q++) { add_product(&sums[q], all(a[q][i]), column[i]); }
      }
    } else {
      UNROLL_TWO for (int q = 0; q < queries; q++) {
        const float *a = numbers(x[q] + at);
        UNROLL for (int i = 0; i < 16; i++) { add_product(&sums[q], all(a[i]), column[i]); }
      }
    }
  }
#endif
}

#if W == 16
/* Adds the columns of two squares of q8 by turns: one's are widened while the other's sums are waited for. */
INLINE void add_two_squares(int queries, const float *const *x, const char *from, int c, int dim, vec sums[2][AT_ONCE]) {
  square of[2];
  UNROLL for (int s = 0; s < 2; s++) { begin_square(LRT_DTYPE_Q8, from + lrt_bytes(LRT_DTYPE_Q8, s * W * (int64_t)dim), c, dim, &of[s]); }
  UNROLL for (int i = 0; i < 8; i++) {
    UNROLL for (int s = 0; s < 2; s++) {
      UNROLL for (int j = 0; j < 4; j++) {
        vec column = widen_byte(of[s].fours[i], j, of[s].scales, of[s].less);
        UNROLL_TWO for (int q = 0; q < queries; q++) { add_product(&sums[s][q], all(x[q][c + i * 4 + j]), column); }
      }
    }
  }
}
#endif

/*
 * Scores of few queries with `squares` times W positions, rows [n, dim]: columns go from registers
 * into sums, which add in the same order as those of many queries. A sum waits for itself, so that
 * several squares take hardly longer than one. `next` is what is read then, and `then` what follows the `end` of all keys. Where
 * lines are not asked for by turns, sums take longer than memory, which can bring `values` meanwhile: all of them where one square
 * at a time is for more queries, else a line of some, whose neighbours come faster then.
 */
INLINE void score_squares(const int dtype, const int squares, int queries, const float *const *x,
                          const char *rows, const char *next, const char *values, const char *end,
                          const following *then, int dim, int some, float *scores) {
  const int width = square_width(dtype);
  const int bytes = (int)lrt_bytes(dtype, W * width); /* of a square */
  const int two = W == 16 && squares == 2 && dtype == LRT_DTYPE_Q8; /* at once; others wait less for their sums */
  vec sums[MOST_SQUARES][AT_ONCE];
  UNROLL for (int s = 0; s < squares; s++) {
    UNROLL_TWO for (int q = 0; q < queries; q++) { sums[s][q] = all(0); }
  }
  for (int c = 0; c < dim; c += width) {
    UNROLL for (int s = 0; s < squares; s++) {
      int64_t lines = (int64_t)(c / width * squares + s) * bytes; /* as they lie, and behind what is read now */
      if (asked_by_turns(dtype, then)) {
        ask_by_turns(bytes, rows + lines, end, then);
      } else {
        UNROLL for (int i = 0; i < bytes; i += LINE) {
          ask_soon(dtype, next + lines + i);
          if (squares == 1 || i % (VALUES_ASKED * LINE) == 0) {
            __builtin_prefetch(values + lines + i, 0, 2);
          }
        }
      }
      const char *square = rows + lrt_bytes(dtype, s * W * (int64_t)dim);
#if W == 16
      if (dtype == LRT_DTYPE_F32) {
        ask_beside(square + lrt_bytes(dtype, c), lrt_bytes(dtype, dim));
      }
#endif
      if (!two) {
        add_square(dtype, squares, queries, x, square, c, dim, sums[s]);
      }
    }
#if W == 16
    if (two) {
      add_two_squares(queries, x, rows, c, dim, sums);
    }
#endif
  }
  UNROLL for (int s = 0; s < squares; s++) {
    UNROLL_TWO for (int q = 0; q < queries; q++) { store_some(scores + q * CHUNK + s * W, sums[s][q], some); }
  }
}

/* Likewise with n positions. `room` holds W rows. */
INLINE void score_rows(const int dtype, const int squares, int queries, const float *const *x,
                       const char *rows, const following *then, const char *values, int n, int dim,
                       float *scores, char *room) {
  const char *end = rows + lrt_bytes(dtype, n * (int64_t)dim);
  int p = 0;
  for (int more = W * squares; p + more <= n; p += more) {
    const char *from = rows + lrt_bytes(dtype, p * (int64_t)dim);
    const char *next = p + more < n ? from + lrt_bytes(dtype, more * (int64_t)dim) : then->from;
    score_squares(dtype, squares, queries, x, from, next, values + (from - rows), end, then, dim, W, scores + p);
  }
  for (; p < n; p += W) {
    int some = n - p < W ? n - p : W;
    const char *from = rows + lrt_bytes(dtype, p * (int64_t)dim);
    const char *next = p + W < n ? from + lrt_bytes(dtype, W * (int64_t)dim) : then->from;
    const char *value = values + (from - rows);
    following last = *then;
    if (some < W) { /* what is behind them need not be readable */
      memcpy(room, from, (size_t)lrt_bytes(dtype, (int64_t)some * dim));
      from = room;
      last.by_turns = 0; /* it tells places from where they lie */
    }
    score_squares(dtype, 1, queries, x, from, next, value, end, &last, dim, some, scores + p);
  }
}

INLINE void score_few(const int dtype, int queries, const float *const *x, const char *rows,
                      const following *then, const char *values, int n, int dim, float *scores, char *room) {
  if (queries == 1) {
    score_rows(dtype, MOST_SQUARES, 1, x, rows, then, values, n, dim, scores, room);
  } else if (queries == 2) {
    score_rows(dtype, 2, 2, x, rows, then, values, n, dim, scores, room);
  } else { /* that many sums do not wait */
    score_rows(dtype, 1, queries, x, rows, then, values, n, dim, scores, room);
  }
}
#endif

#endif
