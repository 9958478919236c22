// What the kernels share: types of weights, sums over warps and blocks, and where a sequence's keys and values lie.
//
// Every kernel is plain CUDA C++ that also runs on the emulated device (native/cuda-emulator); what only a GPU knows
// stands behind LRT_EMULATED, beside a plain twin. Shared memory is declared outside of templates. A row's result
// depends on nothing but that row: sums are taken in an order that the number of rows does not change.
#pragma once
#include <cstdint>

#ifndef LRT_EMULATED
#include <cuda_fp16.h>
#define LRT_KERNEL(name) // the emulated device wants to be told of every kernel
#endif

constexpr unsigned ALL_LANES = 0xFFFFFFFFu;

// a * b + c, rounded once on a GPU; nothing else is (build.sh).
__device__ __forceinline__ float mad(float a, float b, float c) {
#ifdef LRT_EMULATED
  return a * b + c;
#else
  return fmaf(a, b, c);
#endif
}

__device__ __forceinline__ float fromF16(uint16_t bits) {
#ifdef LRT_EMULATED
  unsigned sign = (bits & 0x8000u) << 16, exponent = bits >> 10 & 31, fraction = bits & 0x3FF;
  if (exponent == 0) { // zero or subnormal: fraction units of 2^-24
    return __uint_as_float(sign | __float_as_uint(float(fraction) * 0x1p-24f));
  }
  return __uint_as_float(sign | (exponent == 31 ? 255 : exponent + 112) << 23 | fraction << 13);
#else
  return __half2float(__ushort_as_half(bits));
#endif
}

// The nearest bf16, the even one of two; NaN stays NaN.
__device__ __forceinline__ uint16_t toBF16(float v) {
  unsigned bits = __float_as_uint(v);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
    return uint16_t(bits >> 16 | 0x40);
  }
  return uint16_t((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}

// x times its logistic function.
__device__ __forceinline__ float silu(float x) { return x / (1 + expf(-x)); }

// 16 bytes that are read once: past the first cache.
__device__ __forceinline__ uint4 streamed(const void *p) {
#ifdef LRT_EMULATED
  return *static_cast<const uint4 *>(p);
#else
  return __ldcs(static_cast<const uint4 *>(p));
#endif
}

// Types of weights: one element, and eight that lie together at a multiple of 16 bytes.
struct F32 {
  typedef float Stored;
  static __device__ __forceinline__ float one(const float *p) { return *p; }
  struct Eight {
    uint4 low, high;
  };
  static __device__ __forceinline__ Eight load(const float *p) { return {streamed(p), streamed(p + 4)}; }
  static __device__ __forceinline__ void widen(const Eight &e, float *to) {
    to[0] = __uint_as_float(e.low.x), to[1] = __uint_as_float(e.low.y);
    to[2] = __uint_as_float(e.low.z), to[3] = __uint_as_float(e.low.w);
    to[4] = __uint_as_float(e.high.x), to[5] = __uint_as_float(e.high.y);
    to[6] = __uint_as_float(e.high.z), to[7] = __uint_as_float(e.high.w);
  }
};
struct BF16 {
  typedef uint16_t Stored;
  static __device__ __forceinline__ float one(const uint16_t *p) { return __uint_as_float(unsigned(*p) << 16); }
  typedef uint4 Eight;
  static __device__ __forceinline__ Eight load(const uint16_t *p) { return streamed(p); }
  static __device__ __forceinline__ void pair(unsigned bits, float *to) {
    to[0] = __uint_as_float(bits << 16), to[1] = __uint_as_float(bits & 0xFFFF0000u);
  }
  static __device__ __forceinline__ void widen(const Eight &e, float *to) {
    pair(e.x, to), pair(e.y, to + 2), pair(e.z, to + 4), pair(e.w, to + 6);
  }
};
struct F16 {
  typedef uint16_t Stored;
  static __device__ __forceinline__ float one(const uint16_t *p) { return fromF16(*p); }
  typedef uint4 Eight;
  static __device__ __forceinline__ Eight load(const uint16_t *p) { return streamed(p); }
  static __device__ __forceinline__ void pair(unsigned bits, float *to) {
    to[0] = fromF16(uint16_t(bits)), to[1] = fromF16(uint16_t(bits >> 16));
  }
  static __device__ __forceinline__ void widen(const Eight &e, float *to) {
    pair(e.x, to), pair(e.y, to + 2), pair(e.z, to + 4), pair(e.w, to + 6);
  }
};

// Of each of N values, that of the lane whose number differs in these bits: as many shuffles, but for the emulated device one.
template <int N> __device__ __forceinline__ void shuffleXor(const float (&values)[N], int lanes, float (&theirs)[N]) {
#ifdef LRT_EMULATED
  if constexpr (N > 1) {
    lrtExchange(ALL_LANES, values, (threadIdx.x % 32) ^ lanes, theirs);
    return;
  }
#endif
#pragma unroll
  for (int i = 0; i < N; i++) {
    theirs[i] = __shfl_xor_sync(ALL_LANES, values[i], lanes);
  }
}

// Sums and maxima over the lanes of a warp, for all of them; of N values at once.
template <int N> __device__ __forceinline__ void warpSums(float (&v)[N]) {
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    float theirs[N];
    shuffleXor(v, lanes, theirs);
#pragma unroll
    for (int i = 0; i < N; i++) {
      v[i] += theirs[i];
    }
  }
}
template <int N> __device__ __forceinline__ void warpMaxima(float (&v)[N]) {
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    float theirs[N];
    shuffleXor(v, lanes, theirs);
#pragma unroll
    for (int i = 0; i < N; i++) {
      v[i] = fmaxf(v[i], theirs[i]);
    }
  }
}
__device__ __forceinline__ float warpSum(float v) {
  float values[1] = {v};
  warpSums(values);
  return values[0];
}

// The sum over a block of whole warps, for all its threads. All of them must come here. sums is shared, [32], and the
// kernel's: shared variables of a static function have the path of its file in their names, and so in the binary.
__device__ __forceinline__ float blockSum(float v, float *sums) {
  v = warpSum(v);
  __syncthreads(); // the sums of the call before have been read
  if (threadIdx.x % 32 == 0) {
    sums[threadIdx.x / 32] = v;
  }
  __syncthreads();
  float sum = 0;
  for (unsigned i = 0; i < blockDim.x / 32; i++) {
    sum += sums[i];
  }
  return sum;
}

// Where one row of a batch stands: its position in its sequence, and where the sequence's blocks begin in the table of
// block addresses; of its run, the first row and how many there are.
struct Row {
  int position, blocks, firstRow, rows;
};

// Keys and values: blocks of `length` positions, [2 layers kvHeads length, dim] each, keys of a layer before values.
struct Cache {
  const uint64_t *table; // of a sequence
  int layer, kvHeads, length, dim;

  __device__ __forceinline__ float *at(int position, int headOfLayer) const {
    auto *block = reinterpret_cast<float *>(table[position / length]);
    int64_t row = (2ll * layer * kvHeads + headOfLayer) * length + position % length;
    return block + row * dim;
  }
  __device__ __forceinline__ float *key(int head, int position) const { return at(position, head); }
  __device__ __forceinline__ float *value(int head, int position) const { return at(position, kvHeads + head); }
};
