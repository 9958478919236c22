// What comes before and after products through cuBLAS (io.lrt4j.cuda.Tiles). Rows go there in tiles of 128, full or not, so
// that every call has the same shape. Each row is rounded to bf16, or taken apart into a sum of two bf16 numbers, which
// keeps 16 bits of its mantissas: its second parts are 128 more rows of the tile, for which no weight is read again.
#include "lrt.cuh"

constexpr int TILE = 128;

// Where the first part of a row is, in rows.
__device__ __forceinline__ int64_t rowOfTile(int row, int parts) { return int64_t(row / TILE) * parts * TILE + row % TILE; }

// to: [tiles, parts, 128, padded] bf16 = x[row, :], normalised first if there is a norm, zeros from column `in` on. A block a
// row; rows of x are `stride` floats apart.
extern "C" __global__ void __launch_bounds__(256)
    to_tiles(const float *x, int64_t stride, const float *norm, float eps, int in, uint16_t *to, int padded, int parts) {
  __shared__ float sums[32];
  const float *from = x + blockIdx.x * stride;
  float scale = 1;
  if (norm != nullptr) {
    float squares = 0;
    for (int c = threadIdx.x; c < in; c += blockDim.x) {
      squares = mad(from[c], from[c], squares);
    }
    scale = 1 / sqrtf(blockSum(squares, sums) / in + eps);
  }
  to += rowOfTile(blockIdx.x, parts) * padded;
  for (int c = threadIdx.x; c < padded; c += blockDim.x) {
    float v = c < in ? from[c] : 0;
    if (norm != nullptr && c < in) {
      v *= scale * norm[c];
    }
    for (int p = 0; p < parts; p++) {
      uint16_t part = toBF16(v);
      to[int64_t(p) * TILE * padded + c] = part;
      v -= BF16::one(&part);
    }
  }
}
LRT_KERNEL(to_tiles)

// sums: [tiles, parts, 128, out].
__device__ __forceinline__ float sumOf(const float *sums, int parts, int out, int row, int o) {
  const float *from = sums + rowOfTile(row, parts) * out + o;
  return parts == 1 ? from[0] : from[0] + from[int64_t(TILE) * out];
}

// y[row, o] (+)= sum + bias[o]; blocks are [outputs / threads, rows].
extern "C" __global__ void __launch_bounds__(256)
    from_tiles(const float *sums, int parts, int out, const float *bias, float *y, int64_t yStride, int add) {
  int o = blockIdx.x * blockDim.x + threadIdx.x;
  if (o < out) {
    float sum = sumOf(sums, parts, out, blockIdx.y, o) + (bias == nullptr ? 0 : bias[o]);
    float *to = y + blockIdx.y * yStride + o;
    *to = add ? *to + sum : sum;
  }
}
LRT_KERNEL(from_tiles)

// y[row, i] = silu(g) * u with g and u outputs i and width + i, y: [rows, width]; blocks are [width / threads, rows].
extern "C" __global__ void __launch_bounds__(256)
    gate_from_tiles(const float *sums, int parts, int width, const float *bias, float *y) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < width) {
    float gate = sumOf(sums, parts, 2 * width, blockIdx.y, i), up = sumOf(sums, parts, 2 * width, blockIdx.y, width + i);
    if (bias != nullptr) {
      gate += bias[i], up += bias[width + i];
    }
    y[int64_t(blockIdx.y) * width + i] = silu(gate) * up;
  }
}
LRT_KERNEL(gate_from_tiles)
