// The gate of an MLP.
#include "lrt.cuh"

// s[row, c] = silu(s[row, c]) * s[row, width + c], c < width; blocks are [width / threads, rows].
extern "C" __global__ void gate(float *s, int width) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c < width) {
    float *row = s + int64_t(blockIdx.y) * 2 * width;
    float g = row[c];
    row[c] = g / (1 + expf(-g)) * row[width + c];
  }
}
LRT_KERNEL(gate)
