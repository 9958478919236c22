// Products with weights, y = x W^T + b, with what comes before and after them: every weight is read once for up to eight
// rows, 16 bytes at a time, straight from memory; nothing of x is written in between.
#include "lrt.cuh"

constexpr int OUTPUTS = 4; // of a warp: as many loads are in flight, and x is read once for all of them

// Adds up N values, a power of two, over the lanes of a warp: each lane is left with the sum of value lane / (32 / N).
// The order is that of warpSum, whatever N is.
template <int N, int LANES = 16> __device__ __forceinline__ float sumOver(float *v) {
  if constexpr (N > 1) {
    bool upper = threadIdx.x & LANES;
    float given[N / 2], taken[N / 2];
#pragma unroll
    for (int i = 0; i < N / 2; i++) {
      given[i] = upper ? v[i] : v[N / 2 + i];
    }
    shuffleXor(given, LANES, taken);
#pragma unroll
    for (int i = 0; i < N / 2; i++) {
      v[i] = (upper ? v[N / 2 + i] : v[i]) + taken[i];
    }
    return sumOver<N / 2, LANES / 2>(v);
  } else {
    for (int lanes = LANES; lanes > 0; lanes /= 2) {
      v[0] += __shfl_xor_sync(ALL_LANES, v[0], lanes);
    }
    return v[0];
  }
}

// The input: rows `stride` floats apart, multiplied by `norm` and divided by their root mean square unless that is null.
struct Input {
  const float *x;
  int64_t stride;
  int rows, in;
  const float *norm;
  float eps;
};

// Eight floats from p on, zeros from element `left` on.
__device__ __forceinline__ void eight(const float *p, bool aligned, int left, float *to) {
  if (aligned && left >= 8) {
    float4 low = *reinterpret_cast<const float4 *>(p), high = *reinterpret_cast<const float4 *>(p + 4);
    to[0] = low.x, to[1] = low.y, to[2] = low.z, to[3] = low.w;
    to[4] = high.x, to[5] = high.y, to[6] = high.z, to[7] = high.w;
  } else {
#pragma unroll
    for (int j = 0; j < 8; j++) {
      to[j] = j < left ? p[j] : 0;
    }
  }
}

// What a lane is left with by `dots`: which of the warp's outputs, for which of its rows, in how many lanes.
template <int ROWS> struct Place {
  static constexpr int LANES = 32 / (OUTPUTS * ROWS); // that have the same
  int output, row;
  bool writes;

  __device__ __forceinline__ Place() {
    int lane = threadIdx.x % 32;
    output = lane / LANES / ROWS;
    row = lane / LANES % ROWS;
    writes = lane % LANES == 0;
  }
};

// The products of a warp's weights (rows of `in` elements, zeros up to the next multiple of eight) with rows from `row` on.
template <class W, int ROWS>
__device__ __forceinline__ float dots(const Input &input, int row, const typename W::Stored *const *weights) {
  int lane = threadIdx.x % 32;
  bool aligned = input.stride % 4 == 0;
  float sums[OUTPUTS * ROWS] = {}, squares[ROWS] = {};
  for (int k = lane * 8; k < input.in; k += 32 * 8) {
    typename W::Eight loaded[OUTPUTS];
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
      loaded[o] = W::load(weights[o] + k);
    }
    float scales[8];
    if (input.norm != nullptr) {
      eight(input.norm + k, true, input.in - k, scales);
    }
    float wide[OUTPUTS][8];
#pragma unroll
    for (int o = 0; o < OUTPUTS; o++) {
      W::widen(loaded[o], wide[o]);
    }
#pragma unroll
    for (int r = 0; r < ROWS; r++) {
      float part[8];
      eight(input.x + min(row + r, input.rows - 1) * input.stride + k, aligned, input.in - k, part);
      if (input.norm != nullptr) {
#pragma unroll
        for (int j = 0; j < 8; j++) {
          squares[r] = mad(part[j], part[j], squares[r]);
          part[j] *= scales[j];
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
  float sum = sumOver<OUTPUTS * ROWS>(sums);
  if (input.norm != nullptr) {
    float square = __shfl_sync(ALL_LANES, sumOver<ROWS>(squares), Place<ROWS>().row * (32 / ROWS));
    sum *= 1 / sqrtf(square / input.in + input.eps);
  }
  return sum;
}

// y[row, o] (+)= x[row, :] · w[o, :] + bias[o]. Weights have rows of `padded` elements, a multiple of eight. Blocks are
// [rows / ROWS, outputs / (OUTPUTS * warps)]: those that read the same weights run side by side.
template <class W, int ROWS>
__device__ __forceinline__ void project(const Input &input, const typename W::Stored *w, int padded, const float *bias,
                                        int out, float *y, int64_t yStride, int add) {
  int first = (blockIdx.y * (blockDim.x / 32) + threadIdx.x / 32) * OUTPUTS;
  if (first >= out) {
    return;
  }
  const typename W::Stored *weights[OUTPUTS];
#pragma unroll
  for (int o = 0; o < OUTPUTS; o++) {
    weights[o] = w + int64_t(min(first + o, out - 1)) * padded;
  }
  float sum = dots<W, ROWS>(input, blockIdx.x * ROWS, weights);
  Place<ROWS> place;
  int o = first + place.output, row = blockIdx.x * ROWS + place.row;
  if (place.writes && o < out && row < input.rows) {
    float *to = y + row * yStride + o;
    sum += bias == nullptr ? 0 : bias[o];
    *to = add ? *to + sum : sum;
  }
}

// y[row, i] = silu(g) * u with g and u outputs i and width + i of such a product, y: [rows, width]. Blocks are
// [rows / ROWS, width / (OUTPUTS / 2 * warps)].
template <class W, int ROWS>
__device__ __forceinline__ void gateUp(const Input &input, const typename W::Stored *w, int padded, const float *bias,
                                       int width, float *y) {
  constexpr int PAIRS = OUTPUTS / 2;
  int first = (blockIdx.y * (blockDim.x / 32) + threadIdx.x / 32) * PAIRS;
  if (first >= width) {
    return;
  }
  const typename W::Stored *weights[OUTPUTS];
#pragma unroll
  for (int o = 0; o < OUTPUTS; o++) {
    weights[o] = w + int64_t(min(first + o % PAIRS, width - 1) + o / PAIRS * width) * padded;
  }
  float sum = dots<W, ROWS>(input, blockIdx.x * ROWS, weights);
  Place<ROWS> place;
  int i = first + place.output % PAIRS, row = blockIdx.x * ROWS + place.row;
  if (bias != nullptr && i < width) {
    sum += bias[place.output / PAIRS * width + i];
  }
  float up = __shfl_xor_sync(ALL_LANES, sum, 16); // the other half of the outputs is in the other half of the lanes
  if (place.writes && place.output < PAIRS && i < width && row < input.rows) {
    y[int64_t(row) * width + i] = silu(sum) * up;
  }
}

#define PROJECT(type, W, ROWS)                                                                                        \
  extern "C" __global__ void __launch_bounds__(256) project_##type##_##ROWS(                                          \
      const float *x, int64_t xStride, int rows, int in, const float *norm, float eps, const W::Stored *w, int padded, \
      const float *bias, int out, float *y, int64_t yStride, int add) {                                               \
    project<W, ROWS>({x, xStride, rows, in, norm, eps}, w, padded, bias, out, y, yStride, add);                       \
  }                                                                                                                   \
  LRT_KERNEL(project_##type##_##ROWS)                                                                                 \
  extern "C" __global__ void __launch_bounds__(256) gate_up_##type##_##ROWS(                                          \
      const float *x, int64_t xStride, int rows, int in, const float *norm, float eps, const W::Stored *w, int padded, \
      const float *bias, int width, float *y) {                                                                       \
    gateUp<W, ROWS>({x, xStride, rows, in, norm, eps}, w, padded, bias, width, y);                                    \
  }                                                                                                                   \
  LRT_KERNEL(gate_up_##type##_##ROWS)
#define PROJECTS(type, W) PROJECT(type, W, 1) PROJECT(type, W, 2) PROJECT(type, W, 4) PROJECT(type, W, 8)
PROJECTS(f32, F32)
PROJECTS(bf16, BF16)
PROJECTS(f16, F16)
