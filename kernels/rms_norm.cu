// Root mean square normalisation (Zhang and Sennrich, 2019).
#include "lrt.cuh"

// out[row, :] = x / sqrt(mean(x²) + eps) * weight; a block a row. out may be x.
extern "C" __global__ void rms_norm(const float *x, const float *weight, float *out, int cols, float eps) {
  __shared__ float sums[32];
  const float *in = x + int64_t(blockIdx.x) * cols;
  float squares = 0;
  for (int c = threadIdx.x; c < cols; c += blockDim.x) {
    squares = mad(in[c], in[c], squares);
  }
  float scale = 1 / sqrtf(blockSum(squares, sums) / cols + eps);
  for (int c = threadIdx.x; c < cols; c += blockDim.x) {
    out[int64_t(blockIdx.x) * cols + c] = in[c] * scale * weight[c];
  }
}
LRT_KERNEL(rms_norm)
