// Moving rows and converting them to f32: one element a thread.
#include "lrt.cuh"

// to[i] = from[i], i < count.
template <class W> __device__ void copy(const typename W::Stored *from, float *to, int64_t count) {
  int64_t i = int64_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count) {
    to[i] = W::one(from + i);
  }
}

// x[row, :] = table[ids[row], :]; blocks are [columns / threads, rows].
template <class W> __device__ void embed(const typename W::Stored *table, const int *ids, float *x, int cols) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c < cols) {
    x[int64_t(blockIdx.y) * cols + c] = W::one(table + int64_t(ids[blockIdx.y]) * cols + c);
  }
}

// out[row, :] = a[:] * b[row, :].
template <class W> __device__ void multiply(const float *a, const typename W::Stored *b, float *out, int cols) {
  int c = blockIdx.x * blockDim.x + threadIdx.x;
  if (c < cols) {
    int64_t i = int64_t(blockIdx.y) * cols + c;
    out[i] = a[c] * W::one(b + i);
  }
}

#define ROWS(type, W)                                                                              \
  extern "C" __global__ void copy_##type(const W::Stored *from, float *to, int64_t count) {        \
    copy<W>(from, to, count);                                                                      \
  }                                                                                                \
  LRT_KERNEL(copy_##type)                                                                          \
  extern "C" __global__ void embed_##type(const W::Stored *table, const int *ids, float *x, int cols) { \
    embed<W>(table, ids, x, cols);                                                                 \
  }                                                                                                \
  LRT_KERNEL(embed_##type)                                                                         \
  extern "C" __global__ void multiply_##type(const float *a, const W::Stored *b, float *out, int cols) { \
    multiply<W>(a, b, out, cols);                                                                  \
  }                                                                                                \
  LRT_KERNEL(multiply_##type)
ROWS(f32, F32)
ROWS(bf16, BF16)
ROWS(f16, F16)
