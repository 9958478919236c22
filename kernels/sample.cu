// Chooses a token of a row of logits as io.lrt4j.decode.Sampler does: penalties, temperature, top-k, top-p, min-p, then a
// draw with the same counter-based random number. Probabilities are double, and added as integers, so that the same comes
// out in whatever order.
#include "lrt.cuh"

constexpr int DRAWING = 512, BINS = 2048; // threads, bins
constexpr float BINS_PER_UNIT = 32;
constexpr double UNIT = 0x1p43; // of a probability as an integer: 2^19 of them fit into a long
constexpr int ALL = INT32_MAX;

typedef unsigned long long Mass;

// As Java's Sampling sends it. Distinct ids follow: `seen` that the penalty holds down, `written` from which something is
// subtracted, and that, f32.
struct Settings {
  uint64_t seed, position, stream;
  float temperature, topP, minP, penalty; // temperature 0: the largest
  int topK, seen, written, unused;
};

struct Drawn {
  int token; // -1: the logits are no numbers, or the temperature is too low to divide by
  float logit;
};

// Philox4x32-10 (Salmon et al., 2011): a multiple of 2^-24 in [0, 1).
__device__ __forceinline__ double uniform(const Settings &s) {
  uint32_t c0 = uint32_t(s.position), c1 = uint32_t(s.position >> 32), c2 = uint32_t(s.stream), c3 = uint32_t(s.stream >> 32);
  uint32_t k0 = uint32_t(s.seed), k1 = uint32_t(s.seed >> 32);
  for (int round = 0; round < 10; round++) {
    uint64_t p0 = 0xD2511F53ull * c0, p1 = 0xCD9E8D57ull * c2;
    c0 = uint32_t(p1 >> 32) ^ c1 ^ k0;
    c1 = uint32_t(p1);
    c2 = uint32_t(p0 >> 32) ^ c3 ^ k1;
    c3 = uint32_t(p0);
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return (c0 >> 8) * 0x1p-24;
}

// Orders as the scores do, which are never -0.
__device__ __forceinline__ unsigned key(float score) {
  unsigned bits = __float_as_uint(score);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
__device__ __forceinline__ int bin(float score, float largest) {
  float distance = (largest - score) * BINS_PER_UNIT;
  return distance < BINS - 1 ? int(distance) : BINS - 1;
}

// p y + c, not fused.
__device__ __forceinline__ double then(double p, double y, double c) { return __dadd_rn(__dmul_rn(p, y), c); }

// Which tokens are kept: those with a larger key, and of those with this one the first `ties`.
struct Cut {
  unsigned least;
  int ties;
};

struct Scores {
  const float *scores;
  int n;
  float largest;

  // exp(score - largest), operation by operation as in io.lrt4j.decode.Mass, so that both have the same whole numbers.
  __device__ __forceinline__ Mass massOf(float score) const {
    constexpr double WHOLE = 0x1.8p52;
    double y = fmax(double(score) - double(largest), -32.0) * 0x1p-8;
    double p = then(1.0 / 362880, y, 1.0 / 40320);
    p = then(then(then(p, y, 1.0 / 5040), y, 1.0 / 720), y, 1.0 / 120);
    p = then(then(then(p, y, 1.0 / 24), y, 1.0 / 6), y, 0.5);
    p = then(then(p, y, 1), y, 1);
    for (int i = 0; i < 8; i++) {
      p *= p;
    }
    return Mass(__dadd_rn(then(p, UNIT, WHOLE), -WHOLE));
  }
};

// What a token counts: one, or its probability relative to the best one's, as an integer.
template <bool COUNTS> __device__ __forceinline__ Mass mass(const Scores &row, int i, unsigned least) {
  if (key(row.scores[i]) < least) {
    return 0;
  }
  return COUNTS ? 1 : row.massOf(row.scores[i]);
}

// What the threads of a block share while they look for a place in sums.
struct Search {
  Mass bins[BINS], sums[DRAWING], above;
  int found;
};

// sums[t] = the sum of all threads' values up to that of t. All threads of the block come here.
__device__ __forceinline__ void addUp(Mass value, Mass *sums) {
  int t = threadIdx.x;
  sums[t] = value;
  for (int distance = 1; distance < DRAWING; distance *= 2) {
    __syncthreads();
    Mass before = t >= distance ? sums[t - distance] : 0;
    __syncthreads();
    sums[t] += before;
  }
  __syncthreads();
}

// The same of bins, `each` side by side for a thread, up to bin `last`.
__device__ __forceinline__ void addUpBins(Search &s, int each, int last) {
  Mass sum = 0;
  for (int b = each * threadIdx.x; b < each * (int(threadIdx.x) + 1) && b <= last; b++) {
    sum += s.bins[b];
  }
  addUp(sum, s.sums);
}

// The bin with which what is above and the bins up to it reach the target, the last if none does; what is before it is then
// above too.
__device__ __forceinline__ int find(Search &s, int each, int last, Mass target, Mass &above) {
  int t = threadIdx.x, b = each * t, end = min(b + each - 1, last);
  Mass before = above + (t == 0 ? 0 : s.sums[t - 1]);
  if (b <= last && (t == 0 || before < target) && (end == last || above + s.sums[t] >= target)) {
    while (b < end && before + s.bins[b] < target) {
      before += s.bins[b++];
    }
    s.found = b;
    s.above = before;
  }
  __syncthreads();
  above = s.above;
  return s.found;
}

// The key of the token at which masses of those with at least `least`, added from the best down, reach `share` of all (or
// `share` itself, of counts); how many of its equals that takes. All threads of the block come here.
template <bool COUNTS> __device__ __forceinline__ Cut cut(const Scores &row, double share, unsigned least, Search &s) {
  for (int b = threadIdx.x; b < BINS; b += DRAWING) {
    s.bins[b] = 0;
  }
  __syncthreads();
  for (int i = threadIdx.x; i < row.n; i += DRAWING) {
    int b = bin(row.scores[i], row.largest);
    if (b < BINS - 1) { // what is left is in the last, and has no probability to speak of
      Mass m = mass<COUNTS>(row, i, least);
      if (m > 0) {
        atomicAdd(s.bins + b, m);
      }
    }
  }
  __syncthreads();
  addUpBins(s, BINS / DRAWING, BINS - 1);
  Mass target = Mass(COUNTS ? share : ceil(share * double(s.sums[DRAWING - 1])));
  Mass above = 0, there = 0;
  int crossing = find(s, BINS / DRAWING, BINS - 1, target, above);
  // Within the bin, eight bits of the key at a time, the largest first.
  unsigned found = 0, known = 0;
  for (int shift = 24; shift >= 0; shift -= 8) {
    __syncthreads();
    if (threadIdx.x < 256) {
      s.bins[threadIdx.x] = 0;
    }
    __syncthreads();
    for (int i = threadIdx.x; i < row.n; i += DRAWING) {
      unsigned k = key(row.scores[i]);
      if ((k & known) == found && bin(row.scores[i], row.largest) == crossing) {
        Mass m = mass<COUNTS>(row, i, least);
        if (m > 0) {
          atomicAdd(s.bins + (255 - (k >> shift & 255)), m);
        }
      }
    }
    __syncthreads();
    addUpBins(s, 1, 255);
    int b = find(s, 1, 255, target, above);
    there = s.bins[b];
    found |= unsigned(255 - b) << shift;
    known |= 255u << shift;
  }
  __syncthreads();
  if (COUNTS || there == 0) {
    return {found, ALL};
  }
  float score = __uint_as_float(found & 0x80000000u ? found & 0x7FFFFFFFu : ~found);
  Mass each = row.massOf(score), missing = target > above ? (target - above + each - 1) / each : 1;
  return {found, int(missing)};
}

// Whether a token is kept; ties counts those with the least key that have come.
__device__ __forceinline__ bool kept(const Scores &row, int i, const Cut &c, int &ties) {
  unsigned k = key(row.scores[i]);
  return row.scores[i] > -INFINITY && (k > c.least || (k == c.least && ties++ < c.ties));
}

// One block. scores: [n], scratch.
extern "C" __global__ void __launch_bounds__(DRAWING)
    sample(const float *logits, int n, const Settings *settings, float *scores, Drawn *drawn) {
  __shared__ Search search;
  __shared__ int indices[DRAWING], counts[DRAWING];
  __shared__ float maxima[DRAWING];
  Settings s = *settings;
  const int *ids = reinterpret_cast<const int *>(settings + 1);
  int t = threadIdx.x;

  for (int i = t; i < n; i += DRAWING) {
    scores[i] = logits[i];
  }
  __syncthreads();
  for (int j = t; j < s.seen; j += DRAWING) {
    if (ids[j] < n) {
      float logit = scores[ids[j]];
      scores[ids[j]] = logit < 0 ? logit * s.penalty : logit / s.penalty;
    }
  }
  __syncthreads();
  ids += s.seen;
  for (int j = t; j < s.written; j += DRAWING) {
    if (ids[j] < n) {
      scores[ids[j]] -= __uint_as_float(ids[s.written + j]);
    }
  }
  __syncthreads();

  // The largest, the first of equals; how many there are at all.
  int index = ALL, count = 0;
  float max = -INFINITY, temperature = s.temperature == 0 ? 1 : s.temperature;
  for (int i = t; i < n; i += DRAWING) {
    float score = scores[i] = scores[i] / temperature + 0.0f; // -0 ranks as 0
    count += score > -INFINITY;
    if (score > max || score != score) {
      max = score == score ? score : INFINITY; // found broken below
      index = i;
    }
  }
  maxima[t] = max;
  indices[t] = index;
  counts[t] = count;
  for (int half = DRAWING / 2; half > 0; half /= 2) {
    __syncthreads();
    if (t < half) {
      counts[t] += counts[t + half];
      if (maxima[t + half] > maxima[t] || (maxima[t + half] == maxima[t] && indices[t + half] < indices[t])) {
        maxima[t] = maxima[t + half];
        indices[t] = indices[t + half];
      }
    }
  }
  __syncthreads();
  Scores row{scores, n, maxima[0]};
  int best = indices[0];
  if (row.largest == INFINITY || row.largest == -INFINITY || s.temperature == 0) {
    if (t == 0) {
      bool broken = row.largest == INFINITY || row.largest == -INFINITY;
      *drawn = {broken ? -1 : best, broken ? 0 : logits[best]};
    }
    return;
  }

  Cut c{0, ALL};
  if (s.topK > 0 && s.topK < counts[0]) {
    c = cut<true>(row, s.topK, 0, search);
  }
  if (s.topP < 1) {
    c = cut<false>(row, s.topP, c.least, search);
  }

  // Each thread adds some ids side by side.
  int each = (n + DRAWING - 1) / DRAWING, from = min(n, t * each), to = min(n, from + each);
  int before = 0;
  if (c.ties != ALL) {
    int ties = 0;
    for (int i = from; i < to; i++) {
      ties += key(scores[i]) == c.least;
    }
    addUp(ties, search.sums);
    before = t == 0 ? 0 : int(search.sums[t - 1]);
    __syncthreads();
  }
  int ties = before;
  double least = double(s.minP) * UNIT;
  Mass sum = 0;
  for (int i = from; i < to; i++) {
    if (kept(row, i, c, ties) && double(row.massOf(scores[i])) >= least) {
      sum += row.massOf(scores[i]);
    }
  }
  addUp(sum, search.sums);
  Mass target = Mass(uniform(s) * double(search.sums[DRAWING - 1]));
  Mass cumulative = t == 0 ? 0 : search.sums[t - 1];
  if (search.sums[t] > target && cumulative <= target) { // one thread alone
    ties = before;
    for (int i = from; i < to; i++) {
      if (kept(row, i, c, ties) && double(row.massOf(scores[i])) >= least) {
        cumulative += row.massOf(scores[i]);
        if (cumulative > target) {
          *drawn = {i, logits[i]};
          return;
        }
      }
    }
  }
}
LRT_KERNEL(sample)
