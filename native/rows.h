/* One row at a time: RoPE, sums of exponentials. */
#ifndef ROWS_H
#define ROWS_H

#include "vectors.h"

/* Rotates the pairs (i, i + dim/2) of one head. */
static void rotate(float *x, int dim, const float *rope) {
  int half = dim / 2;
  for (int i = 0; i < half; i += W) {
    int n = half - i < W ? half - i : W;
    vec cosine = load_some(rope + i, n);
    vec sine = load_some(rope + half + i, n);
    vec a = load_some(x + i, n);
    vec b = load_some(x + half + i, n);
    store_some(x + i, a * cosine - b * sine, n);
    store_some(x + half + i, b * cosine + a * sine, n);
  }
}

static double sum_exp(const float *x, int n, float max) {
  double total = 0; /* f32 sums are kept short: a vocabulary has 150,000 terms */
  for (int from = 0; from < n; from += 64 * W) {
    int to = n - from < 64 * W ? n : from + 64 * W;
    vec sums = all(0);
    int i = from;
    for (; i + W <= to; i += W) {
      sums += exponential(load(x + i) - all(max));
    }
    total += sum(sums);
    for (; i < to; i++) {
      total += exponential(all(x[i] - max))[0];
    }
  }
  return total;
}

static void summarize(const float *x, int n, double summary[4]) {
  vec lane_best = all(-INFINITY);
  vec lane_second = lane_best;
  int body = n / W * W;
  int place = 0; /* of the largest, or some before it */
  float so_far = -INFINITY;
  for (int from = 0; from < body; from += 64 * W) {
    int to = body - from < 64 * W ? body : from + 64 * W;
    for (int i = from; i < to; i += W) {
      vec v = load(x + i);
      lane_second = choose(v > lane_best, lane_best, larger(v, lane_second));
      lane_best = larger(v, lane_best);
    }
    float now = greatest(lane_best);
    place = now > so_far ? from : place;
    so_far = now;
  }
  float some[3 * W]; /* the largest two are among these */
  store(some, lane_best);
  store(some + W, lane_second);
  memcpy(some + 2 * W, x + body, (size_t)(n - body) * sizeof(float));
  float best = -INFINITY;
  float second = -INFINITY;
  for (int i = 0; i < 2 * W + n - body; i++) {
    if (some[i] > best) {
      second = best;
      best = some[i];
    } else if (some[i] > second) {
      second = some[i];
    }
  }
  place = best > so_far ? body : place;
  while (place < n && x[place] != best) {
    place++;
  }
  summary[0] = place < n ? place : 0;
  summary[1] = best;
  summary[2] = second;
  summary[3] = sum_exp(x, n, best);
}

#endif
