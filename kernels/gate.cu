// The gate of an MLP whose gate and up projections are not one product (see gate_up).
#include "lrt.cuh"

// s[row, c] = silu(s[row, c]) * s[row, width + c], c < width; blocks are [width / threads, rows].
extern "C" __global__ void gate(float *s, int width) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c < width) {
    float *row = s + int64_t(blockIdx.y) * 2 * width;
    row[c] = silu(row[c]) * row[width + c];
  }
}
LRT_KERNEL(gate)
