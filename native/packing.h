/* Weights as they are stored into panels. */
#ifndef PACKING_H
#define PACKING_H

#include "squares.h"

/* How blocks of a type lie: the bytes of one in a row, its scale first; flip makes signed bytes unsigned. */
typedef struct {
  int bytes;
  uint32_t flip;
  int count; /* of them in a row */
} block_form;

static block_form form_of(int dtype, int in) {
  int q8 = dtype == LRT_DTYPE_Q8;
  return (block_form){q8 ? LRT_Q8_BYTES : LRT_Q4_BYTES, q8 ? 0x80808080 : 0, in / LRT_BLOCK};
}

/* How many elements of an output stay together in a packed weight of a plain type. */
static int pair_of(int dtype) { return dtype == LRT_DTYPE_F32 || dtype == LRT_DTYPE_F16 ? 1 : 2; }

/* Where the first number of an output is there. */
static int64_t place_of_number(int pair, int in, int output) {
  int64_t steps = (in + pair - 1) / pair;
  return (output / LRT_WIDE * steps * LRT_WIDE + output % LRT_WIDE) * pair;
}

/* Where an output's bytes and its scale are: those of its first block, from which on blocks are `step` apart. */
typedef struct {
  uint8_t *bytes;
  uint8_t *scale;
  int64_t step;
} output_place;

static output_place place_of(const block_form *form, int output, uint8_t *weight) {
  int lane = output % LRT_WIDE;
  int64_t step = (int64_t)form->bytes * LRT_WIDE;
  uint8_t *panel = weight + output / LRT_WIDE * form->count * step;
  return (output_place){panel + lane * 4, panel + (int64_t)(form->bytes - 2) * LRT_WIDE + lane * 2, step};
}

static void pack_block(const block_form *form, const output_place *to, int block, const uint8_t *from) {
  memcpy(to->scale + block * to->step, from, 2);
  uint8_t *at = to->bytes + block * to->step;
  for (int k = 0; k < form->bytes - 2; k += 4) {
    uint32_t four;
    memcpy(&four, from + 2 + k, sizeof four);
    four ^= form->flip;
    memcpy(at + k * LRT_WIDE, &four, sizeof four);
  }
}

/* The block's elements of `lanes` rows, side by side; other lanes are zero. */
static void load_lanes(int dtype, int lanes, int in, int block, const char *from, float x[LRT_BLOCK][LRT_PANEL]) {
  memset(x, 0, sizeof(float) * LRT_BLOCK * LRT_PANEL);
  int size = dtype == LRT_DTYPE_F32 ? 4 : 2;
  for (int lane = 0; lane < lanes; lane++) {
    const char *row = from + ((int64_t)lane * in + (int64_t)block * LRT_BLOCK) * size;
    float numbers[LRT_BLOCK];
    if (dtype == LRT_DTYPE_F32) {
      memcpy(numbers, row, sizeof numbers);
    } else {
      uint16_t aligned[LRT_BLOCK]; /* rows need not be */
      memcpy(aligned, row, sizeof aligned);
      if (dtype == LRT_DTYPE_F16) {
        widen(LRT_DTYPE_F16, aligned, 0, LRT_BLOCK, numbers);
      } else {
        for (int k = 0; k < LRT_BLOCK; k++) {
          uint32_t bits = (uint32_t)aligned[k] << 16;
          memcpy(numbers + k, &bits, sizeof bits);
        }
      }
    }
    for (int k = 0; k < LRT_BLOCK; k++) {
      x[k][lane] = numbers[k];
    }
  }
}

/* Likewise, those of a whole panel transposed in registers. */
static void load_block(int dtype, int lanes, int in, int block, const char *from, float x[LRT_BLOCK][LRT_PANEL]) {
#if SQUARES
  if (lanes == LRT_PANEL) {
    int64_t size = dtype == LRT_DTYPE_F32 ? 4 : 2;
    const int some = (int)(32 / size); /* elements that are transposed at a time */
    for (int first = 0; first < LRT_PANEL; first += W) {
      const char *rows = from + (first * (int64_t)in + (int64_t)block * LRT_BLOCK) * size;
      for (int part = 0; part < LRT_BLOCK; part += some) {
        ivec fours[8];
        transpose_fours(rows + part * size, in * size, fours);
        UNROLL for (int i = 0; i < 8; i++) {
          if (dtype == LRT_DTYPE_F32) {
            store(x[part + i] + first, (vec)fours[i]);
          } else {
            vec one, two;
            if (dtype == LRT_DTYPE_F16) {
              widen_two(fours[i], &one, &two);
            } else {
              one = (vec)(fours[i] << 16);
              two = (vec)(fours[i] & (int32_t)0xFFFF0000);
            }
            store(x[part + 2 * i] + first, one);
            store(x[part + 2 * i + 1] + first, two);
          }
        }
      }
    }
    return;
  }
#endif
  load_lanes(dtype, lanes, in, block, from, x);
}

INLINE void store_halves(void *to, vec v) {
  float lanes[W];
  store(lanes, v);
  uint16_t half[W];
  narrow_halves(0, lanes, W, half);
  memcpy(to, half, sizeof half);
}

/* v rounded to f16. */
INLINE vec as_halves(vec v) {
  uint16_t half[W];
  store_halves(half, v);
  return halves(half);
}

typedef double dvec __attribute__((vector_size(8 * W)));
typedef int64_t lvec __attribute__((vector_size(8 * W)));

/* What numbers are multiplied by to divide them by scales: 0, which makes 0 of them, for a scale of 0. */
INLINE vec inverse_of(vec scale) { return choose(scale == 0, all(0), all(1) / scale); }

/* To the nearest of the whole numbers from -8 to 7. */
INLINE vec to_q4(vec n) {
  const vec magic = all(12582912.f); /* as in to_bytes */
  return lesser(all(7), larger(all(-8), n)) + magic - magic;
}

/*
 * Whole numbers from -8 to 7 times `scale` make x best: x / scale rounded twice; 0 for NaN and a scale of 0.
 * The quotient is what division makes of it wherever that matters, next to n + 1/2: a scale has 11 bits, so that x is
 * (n + 1/2) scale itself or more than half an ulp of the quotient away (Markstein, IBM J. Res. Dev. 34, 1990).
 */
INLINE vec round_q4(vec x, vec scale, vec inverse) {
#if W >= 8 || NEON
  vec n = x * inverse;
  n = fused(fused(-n, scale, x), inverse, n);
#else
  vec n = x / choose(inverse == 0, all(INFINITY), scale); /* nothing is fused there */
#endif
  return choose(n != n, all(0), to_q4(n));
}

#define Q4_SCALES 9 /* that are tried: the largest number becomes -7 to -9, by quarters */

/* Which of the scales makes the least squared error, the first of equals: as Q4.java finds it, to the bit. */
static vec best_scale(const float x[LRT_BLOCK][LRT_PANEL], int first, const vec scales[Q4_SCALES]) {
  vec best = all(NAN);
  dvec least = (dvec){0} + (double)INFINITY;
  for (int s = 0; s < Q4_SCALES; s++) {
    vec inverse = inverse_of(scales[s]);
    dvec error = {0};
    for (int k = 0; k < LRT_BLOCK; k++) {
      vec v = load(x[k] + first);
      dvec off = __builtin_convertvector(v - scales[s] * round_q4(v, scales[s], inverse), dvec);
      error += off * off;
    }
    lvec less = error < least;
    best = choose(__builtin_convertvector(less, ivec), scales[s], best);
    least = (dvec)((less & (lvec)error) | (~less & (lvec)least));
  }
  return best;
}

/*
 * The scales of W blocks, whole numbers times which come next to x. Errors are summed up in floats, of products with inverses: they
 * are off by less than 2^-16 of them, of which 2^-17 comes from numbers that are rounded the other way next to n + 1/2; what is
 * too small for floats is as wrong with any scale. Where two are closer than 2^-14 they are told apart as Q4.java does.
 */
INLINE vec scales_q4(const float x[LRT_BLOCK][LRT_PANEL], int first) {
  vec largest = all(0); /* with its sign */
  ivec wrong = {0};
  for (int k = 0; k < LRT_BLOCK; k++) {
    vec v = load(x[k] + first);
    wrong |= v != v;
    largest = choose(magnitude(v) > magnitude(largest), v, largest);
  }
  vec scales[Q4_SCALES], errors[Q4_SCALES];
  vec least = all(INFINITY);
  vec best = all(NAN); /* what is infinite, or too large for f16's scales, has none */
  for (int s = 0; s < Q4_SCALES; s += 3) {
    vec inverse[3], error[3];
    UNROLL for (int i = 0; i < 3; i++) {
      scales[s + i] = as_halves(largest * all(-4) / all((float)(28 + s + i)));
      inverse[i] = inverse_of(scales[s + i]);
      error[i] = all(0);
    }
    for (int k = 0; k < LRT_BLOCK; k++) {
      vec v = load(x[k] + first);
      UNROLL for (int i = 0; i < 3; i++) {
        vec off = fused(-scales[s + i], to_q4(v * inverse[i]), v);
        error[i] = fused(off, off, error[i]);
      }
    }
    UNROLL for (int i = 0; i < 3; i++) {
      errors[s + i] = error[i];
      ivec less = error[i] < least;
      best = choose(less, scales[s + i], best);
      least = choose(less, error[i], least);
    }
  }
  ivec doubt = {0};
  for (int s = 0; s < Q4_SCALES; s++) {
    doubt |= (errors[s] <= least * all(1 + 0x1p-14f)) & (scales[s] != best);
  }
  doubt &= (largest != 0) & ~wrong;
  if (any(doubt)) {
    best = choose(doubt, best_scale(x, first, scales), best);
  }
  return choose(wrong, all(NAN), choose(largest == 0, all(0), best));
}

/* Likewise Q8.java. */
INLINE vec scales_q8(const float x[LRT_BLOCK][LRT_PANEL], int first) {
  vec largest = all(0);
  ivec wrong = {0};
  for (int k = 0; k < LRT_BLOCK; k++) {
    vec v = load(x[k] + first);
    wrong |= v != v;
    largest = larger(magnitude(v), largest);
  }
  return choose(wrong, all(NAN), as_halves(largest / 127));
}

/* `lanes` rows of a plain type as q8 or q4, outputs from `output` on: rounded, and packed at once. */
INLINE void round_panel(const int dtype, int stored, int lanes, int in, const char *from, int output, uint8_t *weight) {
  block_form form = form_of(dtype, in);
  int numbers = form.bytes - 2;
  for (int block = 0; block < form.count; block++) {
    float x[LRT_BLOCK][LRT_PANEL];
    load_block(stored, lanes, in, block, from, x);
    for (int first = 0; first < LRT_PANEL; first += W) {
      ivec there;
      for (int lane = 0; lane < W; lane++) {
        there[lane] = first + lane < lanes ? -1 : 0;
      }
      vec scale = dtype == LRT_DTYPE_Q4 ? scales_q4(x, first) : scales_q8(x, first);
      vec inverse = inverse_of(scale);
      output_place to = place_of(&form, output + first, weight);
      store_halves(to.scale + block * to.step, (vec)((ivec)scale & there));
      for (int k = 0; k < numbers; k += 4) {
        ivec four = {0};
        for (int i = 0; i < 4; i++) {
          vec v = load(x[k + i] + first);
          ivec byte;
          if (dtype == LRT_DTYPE_Q4) {
            vec high = load(x[k + i + LRT_BLOCK / 2] + first);
            byte = to_bytes(round_q4(v, scale, inverse)) + 8 + ((to_bytes(round_q4(high, scale, inverse)) + 8) << 4);
          } else {
            v *= inverse;
            byte = to_clamped_bytes(choose(v == v, v, all(0))) + 128;
          }
          four |= byte << 8 * i;
        }
        four &= there;
        memcpy(to.bytes + block * to.step + k * LRT_WIDE, &four, sizeof four);
      }
    }
  }
}

/* Whether the scales of a panel are finite numbers; those of outputs that it lacks are zero. */
static int finite_scales(int dtype, int in, int output, uint8_t *weight) {
  block_form form = form_of(dtype, in);
  output_place from = place_of(&form, output, weight);
  int wrong = 0;
  for (int block = 0; block < form.count; block++) {
    uint16_t half[LRT_PANEL];
    memcpy(half, from.scale + block * from.step, sizeof half);
    for (int lane = 0; lane < LRT_PANEL; lane++) {
      wrong |= (half[lane] & 0x7C00) == 0x7C00;
    }
  }
  return !wrong;
}

#if SQUARES
/* A panel of rows of `words`, each a number of f32 or a pair of bf16, transposed in registers. */
static void pack_words(int words, const float *from, float *to) {
  const int width = square_width(LRT_DTYPE_F32);
  for (int first = 0; first < LRT_PANEL; first += W) {
    const float *rows = from + (int64_t)first * words;
    int k = 0;
    for (; k + width <= words; k += width) {
      vec columns[16];
      transpose_square(rows + k, words, columns);
      UNROLL for (int i = 0; i < width; i++) { store(to + (int64_t)(k + i) * LRT_WIDE + first, columns[i]); }
    }
    for (; k < words; k++) {
      for (int lane = 0; lane < W; lane++) {
        memcpy(to + (int64_t)k * LRT_WIDE + first + lane, (const char *)rows + ((int64_t)lane * words + k) * 4, 4);
      }
    }
  }
}
#endif

static int pack(int stored, int dtype, int out, int in, const void *from, void *to, int panel) {
  int first = panel * LRT_PANEL;
  int lanes = out - first < LRT_PANEL ? out - first : LRT_PANEL;
  if (dtype == LRT_DTYPE_Q8 || dtype == LRT_DTYPE_Q4) {
    block_form form = form_of(dtype, in);
    if (stored != dtype) {
      const char *rows = (const char *)from + (int64_t)first * in * (stored == LRT_DTYPE_F32 ? 4 : 2);
      if (dtype == LRT_DTYPE_Q8) {
        round_panel(LRT_DTYPE_Q8, stored, lanes, in, rows, first, to);
      } else {
        round_panel(LRT_DTYPE_Q4, stored, lanes, in, rows, first, to);
      }
      return finite_scales(dtype, in, first, to);
    }
    for (int output = first; output < first + lanes; output++) {
      output_place place = place_of(&form, output, to);
      for (int block = 0; block < form.count; block++) {
        pack_block(&form, &place, block, (const uint8_t *)from + ((int64_t)output * form.count + block) * form.bytes);
      }
    }
    return 1;
  }
  const int size = dtype == LRT_DTYPE_F32 ? 4 : 2;
  const int pair = pair_of(dtype);
#if SQUARES
  if (pair * size == 4 && in % pair == 0 && lanes == LRT_PANEL) {
    pack_words(in / pair, (const float *)from + (int64_t)first * (in / pair),
               (float *)to + place_of_number(pair, in, first) / pair);
    return 1;
  }
#endif
  for (int output = first; output < first + lanes; output++) {
    const char *row = (const char *)from + (int64_t)output * in * size;
    char *column = (char *)to + size * place_of_number(pair, in, output);
    int k = 0;
    for (; k + pair <= in; k += pair) {
      memcpy(column, row + (int64_t)k * size, pair * size == 4 ? 4 : 2);
      column += pair * size * LRT_WIDE;
    }
    if (k < in) {
      memcpy(column, row + (int64_t)k * size, 2);
    }
  }
  return 1;
}

#endif
