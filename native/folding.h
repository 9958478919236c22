/* bf16 weights as they are folded: see folded.h. */
#ifndef FOLDING_H
#define FOLDING_H

#include "folded.h"
#include "squares.h"

/* 16 pairs from `pair` on of the outputs of a panel, pair by pair; zeros where there are none. */
INLINE void load_pairs(int out, int in, const uint16_t *from, int output, int pair, vec pairs[W]) {
  if (in % 2 == 0 && output + W <= out && 2 * (pair + W) <= in) {
    transpose_square((const float *)(from + (int64_t)output * in + 2 * pair), in / 2, pairs);
    return;
  }
  uint16_t rows[W][2 * W] = {{0}};
  int there = in - 2 * pair < 2 * W ? in - 2 * pair : 2 * W;
  for (int i = 0; i < W && output + i < out; i++) {
    memcpy(rows[i], from + (int64_t)(output + i) * in + 2 * pair, (size_t)there * sizeof(uint16_t));
  }
  transpose_square((const float *)rows, W, pairs);
}

/* Upper bytes without signs. */
#define BYTES 128
#define KEPT (CODES / 2)
#define TABLES 8

/* The upper bytes that most weights of a group have, going by every fourth output. */
static void most_frequent(int out, int in, const uint16_t *from, int group, uint8_t kept[KEPT]) {
  int counts[TABLES][BYTES] = {{0}}; /* by turns: an addition waits for the one before it to the same place */
  for (int i = group * LRT_FOLDED; i < out && i < (group + 1) * LRT_FOLDED; i += 4) {
    const uint16_t *row = from + (int64_t)i * in;
    int k = 0;
    for (; k + TABLES <= in; k += TABLES) {
      uint16_t bits[TABLES]; /* rows need not be aligned */
      memcpy(bits, row + k, sizeof bits);
      UNROLL for (int j = 0; j < TABLES; j++) { counts[j][bits[j] >> 8 & (BYTES - 1)]++; }
    }
    for (; k < in; k++) {
      uint16_t bits;
      memcpy(&bits, row + k, sizeof bits);
      counts[0][bits >> 8 & (BYTES - 1)]++;
    }
  }
  int count[BYTES] = {0};
  for (int byte = 0; byte < BYTES; byte++) {
    for (int j = 0; j < TABLES; j++) {
      count[byte] += counts[j][byte];
    }
  }
  for (int i = 0; i < KEPT; i++) {
    int most = 0;
    for (int byte = 1; byte < BYTES; byte++) {
      most = count[byte] > count[most] ? byte : most;
    }
    kept[i] = (uint8_t)most;
    count[most] = -1;
  }
}

/* The codes of upper bytes, without signs; KEPT for others. */
INLINE __m512i codes_of(const uint8_t codes[BYTES], __m512i bytes) {
  const __m512i rows = _mm512_set1_epi8(0x70);
  __m512i code = _mm512_setzero_si512();
  UNROLL for (int row = 0; row < BYTES / 16; row++) {
    __m512i table = _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)(codes + 16 * row)));
    __mmask64 here = _mm512_cmpeq_epi8_mask(_mm512_and_si512(bytes, rows), _mm512_set1_epi8((char)(16 * row)));
    code = _mm512_mask_shuffle_epi8(code, here, table, _mm512_and_si512(bytes, _mm512_set1_epi8(15)));
  }
  return code;
}

/* Bytes of two panels' 16-bit numbers, those of a panel in the lower half of each 128 bits; as unpacking takes them apart. */
INLINE __m512i low_bytes(const __m512i two[2]) {
  const __m512i mask = _mm512_set1_epi16(255);
  return _mm512_packus_epi16(_mm512_and_si512(two[0], mask), _mm512_and_si512(two[1], mask));
}

INLINE __m512i high_bytes(const __m512i two[2]) {
  return _mm512_packus_epi16(_mm512_srli_epi16(two[0], 8), _mm512_srli_epi16(two[1], 8));
}

/* Output and element of a byte of low_bytes and high_bytes, as a place: 16 j + 8 p + i is number 8 j + i of panel p. */
static int place_of_byte(int half, int byte) { return (2 * half + byte / 8 % 2) * 2 * W + byte / 16 * 8 + byte % 8; }

/*
 * Folds a group into `to`, which lists the others in `others` (there is room for as many as there are) and ends that.
 * Returns how many it lists, with the end; without `to` it only counts.
 */
static int64_t fold(int out, int in, const void *weights, int group, void *to, void *list) {
  const uint16_t *from = weights;
  folded_other *others = list;
  uint8_t kept[KEPT];
  most_frequent(out, in, from, group, kept);
  uint8_t codes_of_bytes[BYTES];
  memset(codes_of_bytes, KEPT, sizeof codes_of_bytes);
  for (int i = 0; i < KEPT; i++) {
    codes_of_bytes[kept[i]] = (uint8_t)i;
  }
  __mmask64 there[2] = {0}; /* outputs */
  for (int i = 0; i < 2 * LRT_FOLDED; i++) {
    int there_is = group * LRT_FOLDED + place_of_byte(i / 64, i % 64) / 2 < out;
    there[i / 64] |= (__mmask64)there_is << i % 64;
  }
  const int steps = (in + 1) / 2;
  folded_group *head = to;
  char *step_at = (char *)to + sizeof *head;
  int64_t count = 0;
  if (to) {
    head->list = (char *)list - (char *)to;
    for (int i = 0; i < KEPT; i++) {
      head->table[i] = kept[i];
      head->table[KEPT + i] = kept[i] | 0x80;
    }
  }
  for (int step = 0; step < steps; step += W) {
    vec pairs[FOLDED_PANELS][W];
    for (int p = 0; p < FOLDED_PANELS; p++) {
      load_pairs(out, in, from, group * LRT_FOLDED + p * LRT_PANEL, step, pairs[p]);
    }
    for (int i = 0; i < W && step + i < steps; i++) {
      __m512i codes[2];
      for (int h = 0; h < 2; h++) {
        const __m512i two[2] = {(__m512i)pairs[2 * h][i], (__m512i)pairs[2 * h + 1][i]};
        __m512i high = high_bytes(two);
        __m512i code = codes_of(codes_of_bytes, high);
        const __mmask64 inputs = 2 * (step + i) + 1 < in ? ~UINT64_C(0) : UINT64_C(0x5555555555555555);
        __mmask64 listed = _mm512_mask_cmpeq_epi8_mask(there[h] & inputs, code, _mm512_set1_epi8(KEPT));
        __mmask64 minus = _mm512_movepi8_mask(high);
        codes[h] = _mm512_or_si512(code, _mm512_maskz_set1_epi8(minus, KEPT)); /* of others never mind */
        if (!to) {
          count += __builtin_popcountll(listed);
          continue;
        }
        _mm512_storeu_si512(step_at + (1 + h) * LINE, low_bytes(two));
        uint16_t numbers[2 * 2 * W];
        memcpy(numbers, two, sizeof numbers);
        for (; listed; listed &= listed - 1) {
          int place = place_of_byte(h, __builtin_ctzll(listed));
          others[count++] = (folded_other){(uint16_t)(step + i), (uint16_t)place, numbers[place % (4 * W)], 0};
        }
      }
      if (to) {
        _mm512_storeu_si512(step_at, _mm512_or_si512(codes[0], _mm512_slli_epi16(codes[1], 4)));
        step_at += STEP_BYTES;
      }
    }
  }
  if (to) {
    others[count] = (folded_other){NO_STEP, 0, 0, 0};
  }
  return count + 1;
}

#endif
