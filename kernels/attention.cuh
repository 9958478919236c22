// What the kernels of attention share.
#pragma once
#include "lrt.cuh"

struct Attention {
  const float *qkv;
  int64_t stride;
  int heads, kvHeads, dim, window;
  const Row *rows;
  const uint64_t *table;
  int layer, length;
};

#define ATTENTION                                                                                                     \
  const float *qkv, int64_t stride, int heads, int kvHeads, int dim, int window, const Row *rows, const uint64_t *table, \
      int layer, int length
#define THIS_ATTENTION {qkv, stride, heads, kvHeads, dim, window, rows, table, layer, length}

// The weight that something with this maximum has in a sum with that one.
__device__ __forceinline__ float share(float max, float of) { return max == -INFINITY ? 0 : expf(max - of); }
