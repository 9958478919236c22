// Causal attention of every row over its sequence, with a running maximum (Milakov and Gimelshein, 2018).
#include "lrt.cuh"

constexpr int WARPS = 4, LARGEST = 256; // elements of a head

// out[row, h, :] = softmax(q k^T / sqrt(dim)) v over the last `window` positions; blocks are [heads, rows]. A warp takes
// every fourth run of 32 positions, a lane one position's score, then some elements of all values.
extern "C" __global__ void __launch_bounds__(32 * WARPS)
    attend(const float *qkv, int64_t stride, int heads, int kvHeads, int dim, int window, const Row *rows,
           const uint64_t *table, int layer, int length, float *out) {
  __shared__ float query[LARGEST];
  __shared__ float mixed[WARPS][LARGEST];
  __shared__ float largest[WARPS], sums[WARPS];
  int h = blockIdx.x, kvHead = h / (heads / kvHeads);
  Row row = rows[blockIdx.y];
  Cache cache{table + row.blocks, layer, kvHeads, length, dim};
  int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
  float scale = 1 / sqrtf(float(dim));
  for (int c = threadIdx.x; c < dim; c += blockDim.x) {
    query[c] = qkv[blockIdx.y * stride + h * dim + c] * scale;
  }
  __syncthreads();

  int end = row.position + 1, start = max(0, end - window);
  float max = -INFINITY, sum = 0, sumsOfValues[LARGEST / 32] = {};
  for (int from = (start / 32 + warp) * 32; from < end; from += 32 * WARPS) {
    int p = from + lane;
    float score = -INFINITY;
    if (p >= start && p < end) {
      const float *key = cache.key(kvHead, p);
      score = 0;
      for (int c = 0; c < dim; c++) {
        score = mad(query[c], key[c], score);
      }
    }
    float larger = fmaxf(max, warpMax(score)); // finite: every run has a position within the window
    float kept = expf(max - larger);
    float weight = expf(score - larger);
    sum = mad(sum, kept, warpSum(weight));
    max = larger;
#pragma unroll
    for (int i = 0; i < LARGEST / 32; i++) {
      sumsOfValues[i] *= kept;
    }
    for (int j = ::max(0, start - from); j < min(32, end - from); j++) {
      const float *value = cache.value(kvHead, from + j);
      float w = __shfl_sync(ALL_LANES, weight, j);
#pragma unroll
      for (int i = 0; i < LARGEST / 32; i++) {
        if (lane + 32 * i < dim) {
          sumsOfValues[i] = mad(w, value[lane + 32 * i], sumsOfValues[i]);
        }
      }
    }
  }
#pragma unroll
  for (int i = 0; i < LARGEST / 32; i++) {
    mixed[warp][lane + 32 * i] = sumsOfValues[i];
  }
  if (lane == 0) {
    largest[warp] = max;
    sums[warp] = sum;
  }
  __syncthreads();

  float most = -INFINITY, total = 0;
  for (int w = 0; w < WARPS; w++) {
    most = fmaxf(most, largest[w]);
  }
  for (int w = 0; w < WARPS; w++) {
    total = mad(sums[w], expf(largest[w] - most), total);
  }
  for (int c = threadIdx.x; c < dim; c += blockDim.x) {
    float v = 0;
    for (int w = 0; w < WARPS; w++) {
      v = mad(mixed[w][c], expf(largest[w] - most), v);
    }
    out[(int64_t(blockIdx.y) * heads + h) * dim + c] = v / total;
  }
}
LRT_KERNEL(attend)
