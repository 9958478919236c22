// Causal attention of every row over its sequence, with a running maximum (Milakov and Gimelshein, 2018).
//
// A row's positions are taken in spans of 128. A block computes a span for up to four query heads that share a key head, so
// that keys and values are read once for them; spans are then folded together in their order. Whether one block goes through
// all spans of a row (attend) or each has a block of its own (attend_spans, then attend_fold): the same bits come out.
#include "attention.cuh"

constexpr int WARPS = 4, SPAN = 32 * WARPS, HEADS = 4;
constexpr int LARGEST = 256; // elements of a head
constexpr int CHUNKS = LARGEST / 32, KEPT = HEADS * LARGEST / SPAN;

// What a block has in shared memory: its queries, and each warp's part of a span.
struct Shared {
  float query[HEADS][LARGEST];
  float mixed[WARPS][HEADS][LARGEST];
  alignas(16) float weights[WARPS][32][HEADS];
  float max[WARPS][HEADS], sum[WARPS][HEADS];
};

// Which heads of which row a block is for; blocks are [kvHeads * groups, rows, …].
struct Task {
  Row row;
  Cache cache;
  int kvHead, firstHead, heads; // of the queries
  int start, end;               // of the positions

  __device__ __forceinline__ Task(const Attention &a) {
    int shared = a.heads / a.kvHeads, groups = (shared + HEADS - 1) / HEADS;
    int group = blockIdx.x % groups;
    row = a.rows[blockIdx.y];
    cache = {a.table + row.blocks, a.layer, a.kvHeads, a.length, a.dim};
    kvHead = blockIdx.x / groups;
    firstHead = kvHead * shared + group * HEADS;
    heads = min(HEADS, shared - group * HEADS);
    end = row.position + 1;
    start = max(0, end - a.window);
  }
  __device__ __forceinline__ int firstSpan() const { return start / SPAN; }
  __device__ __forceinline__ int spans() const { return (end - 1) / SPAN + 1 - firstSpan(); }
};

__device__ __forceinline__ void loadQueries(const Attention &a, const Task &t, Shared &s) {
  float scale = 1 / sqrtf(float(a.dim));
  for (int i = threadIdx.x; i < HEADS * a.dim; i += SPAN) {
    int h = i / a.dim, c = i % a.dim;
    s.query[h][c] = h < t.heads ? a.qkv[blockIdx.y * a.stride + (t.firstHead + h) * a.dim + c] * scale : 0;
  }
}

// One span: first a lane's scores of one position, then some elements of all values. Ends with a barrier.
__device__ __forceinline__ void attendSpan(const Task &t, int span, int dim, Shared &s) {
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  int from = span * SPAN + warp * 32, p = from + lane;
  bool there = p >= t.start && p < t.end;
  float scores[HEADS] = {}, mixed[HEADS][CHUNKS] = {};
  if (there) {
    const float *key = t.cache.key(t.kvHead, p);
    int c = 0;
    if (dim % 4 == 0) {
      for (; c < dim; c += 4) {
        float4 k = *reinterpret_cast<const float4 *>(key + c);
#pragma unroll
        for (int h = 0; h < HEADS; h++) {
          const float *q = s.query[h] + c;
          scores[h] = mad(q[3], k.w, mad(q[2], k.z, mad(q[1], k.y, mad(q[0], k.x, scores[h]))));
        }
      }
    }
    for (; c < dim; c++) {
#pragma unroll
      for (int h = 0; h < HEADS; h++) {
        scores[h] = mad(s.query[h][c], key[c], scores[h]);
      }
    }
  }
  float maxima[HEADS], sums[HEADS];
#pragma unroll
  for (int h = 0; h < HEADS; h++) {
    maxima[h] = there ? scores[h] : -INFINITY;
  }
  warpMaxima(maxima);
#pragma unroll
  for (int h = 0; h < HEADS; h++) {
    sums[h] = s.weights[warp][lane][h] = there ? expf(scores[h] - maxima[h]) : 0;
  }
  warpSums(sums);
  if (lane == 0) {
#pragma unroll
    for (int h = 0; h < HEADS; h++) {
      s.max[warp][h] = maxima[h];
      s.sum[warp][h] = sums[h];
    }
  }
  __syncwarp();
  for (int j = max(0, t.start - from); j < min(32, t.end - from); j++) {
    const float *value = t.cache.value(t.kvHead, from + j);
    float v[CHUNKS];
#pragma unroll
    for (int i = 0; i < CHUNKS; i++) {
      v[i] = lane + 32 * i < dim ? value[lane + 32 * i] : 0;
    }
#pragma unroll
    for (int h = 0; h < HEADS; h++) {
      float w = s.weights[warp][j][h];
#pragma unroll
      for (int i = 0; i < CHUNKS; i++) {
        mixed[h][i] = mad(w, v[i], mixed[h][i]);
      }
    }
  }
#pragma unroll
  for (int h = 0; h < HEADS; h++) {
#pragma unroll
    for (int i = 0; i < CHUNKS; i++) {
      s.mixed[warp][h][lane + 32 * i] = mixed[h][i];
    }
  }
  __syncthreads();
}

// A sum of exp(score - max) and of values with that weight; one over nothing has the maximum -infinity.
struct Part {
  float max, sum;
};

// The sum over a span's warps for head h.
__device__ __forceinline__ Part whole(const Shared &s, int h) {
  Part part{-INFINITY, 0};
  for (int w = 0; w < WARPS; w++) {
    part.max = fmaxf(part.max, s.max[w][h]);
  }
  for (int w = 0; w < WARPS; w++) {
    part.sum = mad(s.sum[w][h], share(s.max[w][h], part.max), part.sum);
  }
  return part;
}
__device__ __forceinline__ float mixedOf(const Shared &s, int h, int c, float max) {
  float v = 0;
  for (int w = 0; w < WARPS; w++) {
    v = mad(s.mixed[w][h][c], share(s.max[w][h], max), v);
  }
  return v;
}

// One more span for what was folded so far.
struct Fold {
  float before, after; // the weights of the two

  __device__ __forceinline__ Fold(Part &all, const Part &next) {
    float max = fmaxf(all.max, next.max);
    before = share(all.max, max);
    after = share(next.max, max);
    all = {max, mad(all.sum, before, next.sum * after)};
  }
  __device__ __forceinline__ float operator()(float all, float next) const { return mad(all, before, next * after); }
};

// out[row, h, :] = softmax(q k^T / sqrt(dim)) v over the last `window` positions.
extern "C" __global__ void __launch_bounds__(SPAN) attend(ATTENTION, float *out) {
  __shared__ Shared s;
  Attention a THIS_ATTENTION;
  Task t(a);
  loadQueries(a, t, s);
  __syncthreads();
  float mixed[KEPT] = {};
  Part all[HEADS];
#pragma unroll
  for (int h = 0; h < HEADS; h++) {
    all[h] = {-INFINITY, 0};
  }
  for (int span = 0; span < t.spans(); span++) {
    attendSpan(t, t.firstSpan() + span, dim, s);
#pragma unroll
    for (int h = 0; h < HEADS; h++) {
      Part next = whole(s, h);
      Fold fold(all[h], next);
#pragma unroll
      for (int i = 0; i < LARGEST / SPAN; i++) {
        int c = threadIdx.x + SPAN * i, at = h * (LARGEST / SPAN) + i;
        mixed[at] = fold(mixed[at], c < dim ? mixedOf(s, h, c, next.max) : 0);
      }
    }
    __syncthreads();
  }
#pragma unroll
  for (int h = 0; h < HEADS; h++) {
#pragma unroll
    for (int i = 0; i < LARGEST / SPAN; i++) {
      int c = threadIdx.x + SPAN * i;
      if (h < t.heads && c < dim) {
        out[(int64_t(blockIdx.y) * heads + t.firstHead + h) * dim + c] = mixed[h * (LARGEST / SPAN) + i] / all[h].sum;
      }
    }
  }
}
LRT_KERNEL(attend)

// parts[row, h, span, :] = {max, sum, mixed values} of one span; blocks are […, …, most].
extern "C" __global__ void __launch_bounds__(SPAN) attend_spans(ATTENTION, float *parts, int most) {
  __shared__ Shared s;
  Attention a THIS_ATTENTION;
  Task t(a);
  int span = blockIdx.z;
  if (span >= t.spans()) {
    return;
  }
  loadQueries(a, t, s);
  __syncthreads();
  attendSpan(t, t.firstSpan() + span, dim, s);
  for (int h = 0; h < t.heads; h++) {
    float *to = parts + ((int64_t(blockIdx.y) * heads + t.firstHead + h) * most + span) * (dim + 2);
    Part part = whole(s, h);
    if (threadIdx.x == 0) {
      to[0] = part.max;
      to[1] = part.sum;
    }
    for (int c = threadIdx.x; c < dim; c += SPAN) {
      to[2 + c] = mixedOf(s, h, c, part.max);
    }
  }
}
LRT_KERNEL(attend_spans)

// The end of it, for spans of `length` positions; blocks are [heads, rows].
extern "C" __global__ void __launch_bounds__(SPAN)
    attend_fold(const float *parts, int most, int length, int heads, int dim, int window, const Row *rows, float *out) {
  int end = rows[blockIdx.y].position + 1, start = max(0, end - window);
  int spans = (end - 1) / length + 1 - start / length;
  int64_t head = int64_t(blockIdx.y) * heads + blockIdx.x;
  const float *from = parts + head * most * (dim + 2);
  Part all{-INFINITY, 0};
  float mixed[LARGEST / SPAN] = {};
  for (int span = 0; span < spans; span++, from += dim + 2) {
    Fold fold(all, {from[0], from[1]});
#pragma unroll
    for (int i = 0; i < LARGEST / SPAN; i++) {
      int c = threadIdx.x + SPAN * i;
      mixed[i] = fold(mixed[i], c < dim ? from[2 + c] : 0);
    }
  }
#pragma unroll
  for (int i = 0; i < LARGEST / SPAN; i++) {
    int c = threadIdx.x + SPAN * i;
    if (c < dim) {
      out[head * dim + c] = mixed[i] / all.sum;
    }
  }
}
LRT_KERNEL(attend_fold)
