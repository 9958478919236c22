// Products with weights, y = x W^T + b: every weight is read once for up to eight rows, 16 bytes at a time.
#include "lrt.cuh"

constexpr int OUTPUTS = 4; // of a warp: as many loads are in flight, and x is read once for all of them

// Adds up N values, a power of two, over the lanes of a warp: each lane is left with the sum of value lane / (32 / N).
// The order is that of warpSum, whatever N is.
template <int N> __device__ __forceinline__ float sumOver(float *v) {
  unsigned lane = threadIdx.x % 32;
  int lanes = 16;
#pragma unroll
  for (int n = N; n > 1; n /= 2, lanes /= 2) {
    bool upper = lane & lanes;
#pragma unroll
    for (int i = 0; i < n / 2; i++) {
      float mine = upper ? v[n / 2 + i] : v[i];
      float given = upper ? v[i] : v[n / 2 + i];
      v[i] = mine + __shfl_xor_sync(ALL_LANES, given, lanes);
    }
  }
  for (; lanes > 0; lanes /= 2) {
    v[0] += __shfl_xor_sync(ALL_LANES, v[0], lanes);
  }
  return v[0];
}

// y[row, o] (+)= x[row, :] · w[o, :] + bias[o]. Weights have rows of `padded` elements, a multiple of eight, zeros at the
// end. Blocks are [outputs / (OUTPUTS * warps), rows / ROWS].
template <class W, int ROWS>
__device__ __forceinline__ void project(const float *x, int64_t xStride, int rows, int in, const typename W::Stored *w,
                                        int padded, const float *bias, int out, float *y, int64_t yStride, int add) {
  int lane = threadIdx.x % 32;
  int first = (blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32) * OUTPUTS;
  int row = blockIdx.y * ROWS;
  if (first >= out) {
    return;
  }
  const typename W::Stored *weights[OUTPUTS];
#pragma unroll
  for (int o = 0; o < OUTPUTS; o++) {
    weights[o] = w + int64_t(min(first + o, out - 1)) * padded;
  }
  bool aligned = xStride % 4 == 0;
  float sums[OUTPUTS * ROWS] = {};
  for (int k = lane * 8; k < in; k += 32 * 8) {
    typename W::Eight loaded[OUTPUTS];
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
      loaded[o] = W::load(weights[o] + k);
    }
    float wide[OUTPUTS][8];
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
      W::widen(loaded[o], wide[o]);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      const float *from = x + min(row + r, rows - 1) * xStride + k;
      float part[8];
      if (aligned && k + 8 <= in) {
        float4 low = *reinterpret_cast<const float4 *>(from), high = *reinterpret_cast<const float4 *>(from + 4);
        part[0] = low.x, part[1] = low.y, part[2] = low.z, part[3] = low.w;
        part[4] = high.x, part[5] = high.y, part[6] = high.z, part[7] = high.w;
      } else {
#pragma unroll
        for (int j = 0; j < 8; j++) {
          part[j] = k + j < in ? from[j] : 0;
        }
      }
#pragma unroll
      for (int o = 0; o < OUTPUTS; o++) {
#pragma unroll
        for (int j = 0; j < 8; j++) {
          sums[o * ROWS + r] = mad(part[j], wide[o][j], sums[o * ROWS + r]);
        }
      }
    }
  }
  constexpr int SUMS = OUTPUTS * ROWS;
  float sum = sumOver<SUMS>(sums);
  int o = first + lane / (32 / SUMS) / ROWS, r = row + lane / (32 / SUMS) % ROWS;
  if (lane % (32 / SUMS) == 0 && o < out && r < rows) {
    float *to = y + r * yStride + o;
    sum += bias == nullptr ? 0 : bias[o];
    *to = add ? *to + sum : sum;
  }
}

#define PROJECT(type, W, ROWS)                                                                                      \
  extern "C" __global__ void __launch_bounds__(256) project_##type##_##ROWS(                                        \
      const float *x, int64_t xStride, int rows, int in, const W::Stored *w, int padded, const float *bias, int out, \
      float *y, int64_t yStride, int add) {                                                                         \
    project<W, ROWS>(x, xStride, rows, in, w, padded, bias, out, y, yStride, add);                                  \
  }                                                                                                                 \
  LRT_KERNEL(project_##type##_##ROWS)
#define PROJECTS(type, W) PROJECT(type, W, 1) PROJECT(type, W, 2) PROJECT(type, W, 4) PROJECT(type, W, 8)
PROJECTS(f32, F32)
PROJECTS(bf16, BF16)
PROJECTS(f16, F16)
