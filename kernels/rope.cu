// Rotary position embedding (Su et al., 2021) of queries and keys, after their norms, and the write to the cache.
#include "lrt.cuh"

constexpr int PAIRS = 4; // of a lane: heads have at most 256 elements

// qkv: [rows, (heads + 2 kvHeads) dim]; queries stay in place, keys and values go to the cache. A block a row, a warp a
// head. rope: [positions, dim], cosines of all pairs, then sines; pair i is elements i and i + dim / 2.
extern "C" __global__ void rope_and_store(float *qkv, int heads, int kvHeads, int dim, const float *queryNorm, const float *keyNorm, float eps,
                                          const float *rope, const Row *rows, const uint64_t *table, int layer, int length) {
  Row row = rows[blockIdx.x];
  Cache cache{table + row.blocks, layer, kvHeads, length, dim};
  int lane = threadIdx.x % 32;
  int half = dim / 2;
  float *x = qkv + int64_t(blockIdx.x) * (heads + 2 * kvHeads) * dim;
  const float *cos = rope + int64_t(row.position) * dim, *sin = cos + half;
  for (int h = threadIdx.x / 32; h < heads + 2 * kvHeads; h += blockDim.x / 32) {
    const float *from = x + h * dim;
    if (h >= heads + kvHeads) {
      float *to = cache.value(h - heads - kvHeads, row.position);
      for (int c = lane; c < dim; c += 32) {
        to[c] = from[c];
      }
      continue;
    }
    const float *norm = h < heads ? queryNorm : keyNorm;
    float a[PAIRS], b[PAIRS], squares = 0;
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
      int c = lane + 32 * i;
      a[i] = c < half ? from[c] : 0;
      b[i] = c < half ? from[half + c] : 0;
      squares = mad(a[i], a[i], mad(b[i], b[i], squares));
    }
    float scale = norm == nullptr ? 1 : 1 / sqrtf(warpSum(squares) / dim + eps);
    float *to = h < heads ? x + h * dim : cache.key(h - heads, row.position);
#pragma unroll
    for (int i = 0; i < PAIRS; i++) {
      int c = lane + 32 * i;
      if (c < half) {
        float u = norm == nullptr ? a[i] : a[i] * scale * norm[c];
        float v = norm == nullptr ? b[i] : b[i] * scale * norm[half + c];
        to[c] = u * cos[c] - v * sin[c];
        to[half + c] = v * cos[c] + u * sin[c];
      }
    }
  }
}
LRT_KERNEL(rope_and_store)
