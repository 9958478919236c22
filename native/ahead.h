/*
 * Products wait for memory. Few rows read a weight in one run, and ask for what comes BYTES_AHEAD, or in several: without AVX-512
 * they ask RUN_AHEAD, with it in each of four runs, and in two for nothing, as the processor follows them by itself, and faster,
 * unless it is Intel's.
 * With more rows the next panels are asked for while these are multiplied, by each tile of rows its share, so that memory is read
 * all the time and evenly. Asking touches nothing, so there need not be any.
 */
#ifndef AHEAD_H
#define AHEAD_H

#include "vectors.h"

#define WIDE_PANELS (LRT_WIDE / LRT_PANEL)

/* Few rows wait for memory, and take what lies side by side at once, even if many would not have the registers. */
#define FEW_ROWS 2
#define FEW_PANELS (W == 16 || W == 8 || NEON ? WIDE_PANELS : TILE_PANELS)

#define BYTES_AHEAD 4096

/* Into the second cache: of the first, so many lines on their way take the place of what is read now. */
INLINE void ask_for(const int lines, const void *from) {
  UNROLL for (int i = 0; i < lines; i++) { __builtin_prefetch((const char *)from + i * LINE, 0, 2); }
}

/* Of one of several runs that are read by turns, less is on its way, and the first cache has room. */
#define RUN_AHEAD 1536

INLINE void ask_in_run(const int lines, const void *from) {
  UNROLL for (int i = 0; i < lines; i++) { __builtin_prefetch((const char *)from + RUN_AHEAD + i * LINE); }
}

/*
 * What is asked for instead of a line, so that of four pages of 4 KB lines are asked for by turns, if `asks`, or else the line:
 * Intel's processors read several pages at once faster.
 */
#define PAGES_BYTES (4 * 4096)
INLINE const char *line_by_turns(int asks, const char *from) {
  const int shift = 2 * asks;
  const int64_t of = (int64_t)(uintptr_t)from / LINE & ((64 << shift) - 1);
  return from + ((of & ((1 << shift) - 1)) * 64 + (of >> shift) - of) * LINE;
}

/*
 * What comes when all rows have passed is asked for meanwhile: one of `tiles` tiles of rows asks for so much of it, in
 * one run from `next` to `end` (or by turns), a line in every step of k, or in some of 32 steps, so that memory is read evenly.
 */
typedef struct {
  int tile;
  int tiles;
  uint32_t when; /* as bits */
  int asks;      /* as in lrt_kernels */
} turn;

typedef struct {
  const char *next;
  const char *end;
  const turn *turn;
} coming;

/* The turn of the first tile, if a step reads so many lines. */
INLINE turn first_turn(const int lines, int tiles, int asks) {
  uint32_t when = 0;
  int due = tiles - 1;
  for (int k = 0; k < 32 && tiles > 1; k++) {
    due += lines;
    if (due >= tiles) {
      due = due - tiles < lines ? due - tiles : 0; /* one at a time */
      when |= UINT32_C(1) << k;
    }
  }
  return (turn){0, tiles, when, asks};
}

INLINE coming what_comes(const char *from, int64_t bytes, const turn *t) {
  const char *next = from + bytes * t->tile / t->tiles / LINE * LINE;
  return (coming){next, from + bytes * (t->tile + 1) / t->tiles / LINE * LINE, t};
}

/* In step k, which has so many lines. */
INLINE void ask_for_coming(const int lines, int k, coming *c) {
  if (c->turn->tiles == 1) {
    ask_for(lines, c->next);
    c->next += lines * LINE;
  } else if (c->turn->when >> (k & 31) & 1 && c->next < c->end) {
    ask_for(1, line_by_turns(c->turn->asks, c->next));
    c->next += LINE;
  }
}

/*
 * Where a tile's panels are in a weight of a plain type that has `line` bytes of each for a step of k: their first step,
 * and how far it is from one to the next.
 */
typedef struct {
  const char *first;
  int step;
  coming coming;
} tile_place;

INLINE tile_place place_of_tile(const lrt_part *part, const int panels, int panel, int line, int steps,
                                const turn *t) {
  const int step = WIDE_PANELS * line;
  const int64_t size = (int64_t)steps * step;
  const char *wide = (const char *)part->weight + panel / WIDE_PANELS * size;
  const int lane = panel % WIDE_PANELS;
  const int64_t share = size / WIDE_PANELS;
  return (tile_place){wide + lane * line, step, what_comes(wide + size + share * lane, share * panels, t)};
}

/* Asks for what comes behind lines of the one run that is read, BYTES_AHEAD, or by turns of pages. */
INLINE void ask_behind(const int lines, int asks, const char *from) {
  if (!asks) {
    ask_for(lines, from + BYTES_AHEAD);
    return;
  }
  UNROLL for (int i = 0; i < lines; i++) { ask_for(1, line_by_turns(1, from + i * LINE) + PAGES_BYTES); }
}

/* Goes from step k to the next, and asks for lines: those behind, if rows are few, or what comes. */
INLINE void go_on(const int rows, int row, const int lines, int k, tile_place *w) {
  if (FEW_PANELS > 1 && rows <= FEW_ROWS && row == 0) {
    ask_behind(lines, w->coming.turn->asks, w->first);
  } else {
    ask_for_coming(lines, k, &w->coming);
  }
  w->first += w->step;
}

#endif
