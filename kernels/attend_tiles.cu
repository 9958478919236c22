// Causal attention of rows that are read, by tensor cores (FlashAttention-2, Dao, 2023). Not timed yet: there was no GPU.
//
// A block has 64 queries, heads of consecutive rows that share a key head, 16 to a warp, and goes through positions 32 at a
// time: scores, a running maximum, values. Keys, values, queries and weights are sums of two bf16 numbers each, and three of
// the four products are taken, so that 16 bits of their mantissas count. Positions are taken in spans of 1024, a block
// each, which attend_fold puts together. A row's result is the same whatever tile it is in: it depends on chunks at fixed
// places, and those in which it has no position change nothing.
#include "attention.cuh"

constexpr int QUERIES = 64, CHUNK = 32, LONG_SPAN = 1024;

// Positions of a chunk as pairs of bf16, the first parts and the second: of a key two elements that lie together, of values
// the same element of two positions. Strides are such that no two lanes meet in a bank.
template <int DIM> struct alignas(16) Chunk {
  unsigned keys[2][CHUNK][DIM / 2 + 4];
  unsigned values[2][CHUNK / 2][DIM + 8];
};

// N registers of a matrix of pairs.
template <int N> struct Split {
  unsigned high[N], low[N];
};

// Two numbers rounded to bf16, the first in the lower half.
__device__ __forceinline__ unsigned pairOf(float a, float b) {
#ifdef LRT_EMULATED
  return toBF16(a) | unsigned(toBF16(b)) << 16;
#else
  unsigned pair;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(b), "f"(a));
  return pair;
#endif
}
__device__ __forceinline__ void split(float a, float b, unsigned &high, unsigned &low) {
  high = pairOf(a, b);
  low = pairOf(a - __uint_as_float(high << 16), b - __uint_as_float(high & 0xFFFF0000u));
}

#ifdef LRT_EMULATED
__device__ __forceinline__ void multiply(float (&c)[4], const unsigned (*const (&a)[32])[4], const unsigned (*const (&b)[32])[2]) {
  int row = threadIdx.x % 32 / 4, column = 2 * (threadIdx.x % 4);
  for (int i = 0; i < 4; i++) {
    for (int k = 0; k < 8; k++) {
      float x[2], y[2];
      BF16::pair((*a[4 * row + k % 4])[k / 4 * 2 + i / 2], x);
      BF16::pair((*b[4 * (column + i % 2) + k % 4])[k / 4], y);
      c[i] += x[0] * y[0] + x[1] * y[1];
    }
  }
}
#else
__device__ __forceinline__ void multiply(float (&c)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
#endif

// c [16, 8] += a [16, 16] b [8, 16]^T, all lanes of a warp together. Lane l = 4 g + t has of c rows g and g + 8, columns 2 t
// and 2 t + 1; of a these rows, columns 2 t and 2 t + 1, then 2 t + 8 and 2 t + 9; of b row g, the same columns.
__device__ __forceinline__ void multiply(float (&c)[4], const Split<4> &a, const Split<2> &b) {
#ifdef LRT_EMULATED
  static const unsigned(*high[QUERIES / 16][32])[4], (*low[QUERIES / 16][32])[4]; // where each lane has its part of a
  static const unsigned(*highB[QUERIES / 16][32])[2], (*lowB[QUERIES / 16][32])[2];
  int warp = threadIdx.x / 32, lane = threadIdx.x % 32;
  high[warp][lane] = &a.high, low[warp][lane] = &a.low;
  highB[warp][lane] = &b.high, lowB[warp][lane] = &b.low;
  __syncwarp();
  multiply(c, high[warp], highB[warp]);
  multiply(c, high[warp], lowB[warp]);
  multiply(c, low[warp], highB[warp]);
  __syncwarp();
#else
  multiply(c, a.high, b.high);
  multiply(c, a.high, b.low);
  multiply(c, a.low, b.high);
#endif
}

// Four elements of a row of `dim`, or zeros.
__device__ __forceinline__ void four(const float *row, int c, int dim, bool there, float (&to)[4]) {
  if (there && dim % 4 == 0 && c < dim) {
    float4 v = *reinterpret_cast<const float4 *>(row + c);
    to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; i++) {
    to[i] = there && c + i < dim ? row[c + i] : 0;
  }
}

// Positions from `first` on; zeros where they are not in [from, to).
template <int DIM>
__device__ __forceinline__ void load(const Cache &cache, int kvHead, int first, int from, int to, Chunk<DIM> &s) {
  for (int i = threadIdx.x; i < CHUNK / 2 * (DIM / 4); i += 2 * QUERIES) {
    int pair = i / (DIM / 4), c = i % (DIM / 4) * 4;
    float v[2][4];
#pragma unroll
    for (int j = 0; j < 2; j++) {
      int p = first + 2 * pair + j;
      bool there = p >= from && p < to;
      const float *key = there ? cache.key(kvHead, p) : nullptr;
      float k[4];
      four(key, c, cache.dim, there, k);
      four(there ? cache.value(kvHead, p) : nullptr, c, cache.dim, there, v[j]);
      uint2 high, low;
      split(k[0], k[1], high.x, low.x);
      split(k[2], k[3], high.y, low.y);
      *reinterpret_cast<uint2 *>(&s.keys[0][2 * pair + j][c / 2]) = high;
      *reinterpret_cast<uint2 *>(&s.keys[1][2 * pair + j][c / 2]) = low;
    }
    uint4 high, low;
    split(v[0][0], v[1][0], high.x, low.x);
    split(v[0][1], v[1][1], high.y, low.y);
    split(v[0][2], v[1][2], high.z, low.z);
    split(v[0][3], v[1][3], high.w, low.w);
    *reinterpret_cast<uint4 *>(&s.values[0][pair][c]) = high;
    *reinterpret_cast<uint4 *>(&s.values[1][pair][c]) = low;
  }
}

// Of the four lanes that have parts of the same queries.
__device__ __forceinline__ void fourMaxima(float (&v)[2]) {
  for (int lanes = 1; lanes <= 2; lanes *= 2) {
    float theirs[2];
    shuffleXor(v, lanes, theirs);
    v[0] = fmaxf(v[0], theirs[0]), v[1] = fmaxf(v[1], theirs[1]);
  }
}
__device__ __forceinline__ void fourSums(float (&v)[2]) {
  for (int lanes = 1; lanes <= 2; lanes *= 2) {
    float theirs[2];
    shuffleXor(v, lanes, theirs);
    v[0] += theirs[0], v[1] += theirs[1];
  }
}

// Rows from `written` on. With `most` 1, out[row, h, :] is the result; else parts[row - written, h, span, :] = {max, sum, mixed
// values} of one span, for attend_fold. Blocks are [kvHeads, rows, spans]; those of rows with which no tile begins end at once.
template <int DIM>
__device__ __forceinline__ void attendTile(const Attention &a, int written, float *out, float *parts, int most, Chunk<DIM> &s) {
  int shared = a.heads / a.kvHeads, tileRows = QUERIES / shared;
  int row = written + blockIdx.y, kvHead = blockIdx.x;
  Row first = a.rows[row];
  if ((row - first.firstRow) % tileRows != 0) {
    return;
  }
  int rows = min(tileRows, first.rows - (row - first.firstRow));
  int start = max(0, first.position + 1 - a.window), end = first.position + rows;
  int span = start / LONG_SPAN + blockIdx.z;
  int from = max(start, span * LONG_SPAN), to = min(end, (span + 1) * LONG_SPAN);
  if (from >= to) {
    return;
  }
  Cache cache{a.table + first.blocks, a.layer, a.kvHeads, a.length, a.dim};

  // The two queries of this lane, and the positions that they see.
  int warp = threadIdx.x / 32, g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  int queryRow[2], head[2], begins[2], ends[2];
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int m = 16 * warp + g + 8 * half;
    queryRow[half] = m / shared;
    head[half] = kvHead * shared + m % shared;
    ends[half] = queryRow[half] < rows ? first.position + queryRow[half] + 1 : 0;
    begins[half] = max(0, ends[half] - a.window);
  }
  // And those that any of its warp sees.
  int warpBegin = max(0, first.position + 16 * warp / shared + 1 - a.window);
  int warpEnd = 16 * warp < rows * shared ? first.position + min(rows - 1, (16 * warp + 15) / shared) + 1 : 0;

  float scale = 1 / sqrtf(float(a.dim));
  Split<4> queries[DIM / 16];
#pragma unroll
  for (int k = 0; k < DIM / 16; k++) {
#pragma unroll
    for (int i = 0; i < 4; i++) {
      int half = i % 2, c = 16 * k + 8 * (i / 2) + 2 * t;
      const float *q = a.qkv + (row + queryRow[half]) * a.stride + head[half] * a.dim + c;
      bool there = queryRow[half] < rows;
      split(there && c < a.dim ? q[0] * scale : 0, there && c + 1 < a.dim ? q[1] * scale : 0, queries[k].high[i], queries[k].low[i]);
    }
  }

  float maxima[2] = {-INFINITY, -INFINITY}, sums[2] = {}, mixed[DIM / 8][4] = {};
  for (int chunk = from / CHUNK * CHUNK; chunk < to; chunk += CHUNK) {
    __syncthreads();
    load(cache, kvHead, chunk, from, to, s);
    __syncthreads();
    if (chunk >= warpEnd || chunk + CHUNK <= warpBegin) {
      continue;
    }
    float weights[CHUNK / 8][4] = {};
#pragma unroll
    for (int k = 0; k < DIM / 16; k++) {
      if (16 * k < a.dim) {
#pragma unroll
        for (int n = 0; n < CHUNK / 8; n++) {
          const unsigned *high = s.keys[0][8 * n + g] + 8 * k + t, *low = s.keys[1][8 * n + g] + 8 * k + t;
          multiply(weights[n], queries[k], Split<2>{{high[0], high[4]}, {low[0], low[4]}});
        }
      }
    }
    float largest[2] = {maxima[0], maxima[1]};
#pragma unroll
    for (int n = 0; n < CHUNK / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        int p = chunk + 8 * n + 2 * t + i % 2;
        weights[n][i] = p >= begins[i / 2] && p < ends[i / 2] ? weights[n][i] : -INFINITY;
        largest[i / 2] = fmaxf(largest[i / 2], weights[n][i]);
      }
    }
    fourMaxima(largest);
    float before[2];
#pragma unroll
    for (int half = 0; half < 2; half++) {
      before[half] = share(maxima[half], largest[half]);
      maxima[half] = largest[half];
      sums[half] *= before[half];
    }
#pragma unroll
    for (int n = 0; n < CHUNK / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        weights[n][i] = share(weights[n][i], maxima[i / 2]);
        sums[i / 2] += weights[n][i];
      }
    }
#pragma unroll
    for (int n = 0; n < DIM / 8; n++) {
#pragma unroll
      for (int i = 0; i < 4; i++) {
        mixed[n][i] *= before[i / 2];
      }
    }
#pragma unroll
    for (int k = 0; k < CHUNK / 16; k++) {
      Split<4> w;
#pragma unroll
      for (int i = 0; i < 4; i++) {
        const float *pair = weights[2 * k + i / 2] + 2 * (i % 2);
        split(pair[0], pair[1], w.high[i], w.low[i]);
      }
#pragma unroll
      for (int n = 0; n < DIM / 8; n++) {
        if (8 * n < a.dim) {
          const unsigned(*high)[DIM + 8] = s.values[0] + 8 * k + t, (*low)[DIM + 8] = s.values[1] + 8 * k + t;
          int c = 8 * n + g;
          multiply(mixed[n], w, Split<2>{{high[0][c], high[4][c]}, {low[0][c], low[4][c]}});
        }
      }
    }
  }

  fourSums(sums);
#pragma unroll
  for (int half = 0; half < 2; half++) {
    int index = span - begins[half] / LONG_SPAN;
    if (queryRow[half] >= rows || index < 0 || span * LONG_SPAN >= ends[half]) {
      continue;
    }
    int64_t result = int64_t(row + queryRow[half]) * a.heads + head[half];
    float divisor = most == 1 ? sums[half] : 1, *values = out + result * a.dim;
    if (most > 1) {
      values = parts + ((result - int64_t(written) * a.heads) * most + index) * (a.dim + 2);
      if (t == 0) {
        values[0] = maxima[half];
        values[1] = sums[half];
      }
      values += 2;
    }
#pragma unroll
    for (int n = 0; n < DIM / 8; n++) {
#pragma unroll
      for (int i = 0; i < 2; i++) {
        int c = 8 * n + 2 * t + i;
        if (c < a.dim) {
          values[c] = mixed[n][2 * half + i] / divisor;
        }
      }
    }
  }
}

#define ATTEND_TILES(DIM)                                                                                             \
  extern "C" __global__ void __launch_bounds__(2 * QUERIES)                                                           \
      attend_tiles_##DIM(ATTENTION, int written, float *out, float *parts, int most) {                               \
    __shared__ Chunk<DIM> s;                                                                                          \
    Attention a THIS_ATTENTION;                                                                                       \
    attendTile(a, written, out, parts, most, s);                                                                      \
  }                                                                                                                   \
  LRT_KERNEL(attend_tiles_##DIM)

ATTEND_TILES(64)
ATTEND_TILES(128)
