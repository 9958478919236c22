// CUDA C++ for g++: included before a kernel's source, it makes of the source a part of a module for the emulated driver.
#pragma once
#include "emulator.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <iterator>
#include <type_traits>
#include <utility>

inline const Emulator *lrtEmulator;

#define __global__
#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __launch_bounds__(...)
#define __align__(n) alignas(n)
// Those of a module lie together, so that the driver can poison them before every block.
#define __shared__ static __attribute__((section("lrt_shared")))

#define threadIdx (lrtEmulator->thread->threadIdx)
#define blockIdx (lrtEmulator->blockIdx)
#define blockDim (lrtEmulator->blockDim)
#define gridDim (lrtEmulator->gridDim)
#define warpSize 32

struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(8) float2 {
  float x, y;
};

inline void __syncthreads() { lrtEmulator->syncThreads(); }
inline void __syncwarp(unsigned mask = 0xFFFFFFFFu) { lrtEmulator->exchange(mask, WarpOperation::Ballot, 0, 0); }

template <class T> inline T lrtExchange(unsigned mask, T value, unsigned source) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = lrtEmulator->exchange(mask, WarpOperation::Shuffle, bits, source);
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
// The same for N values at once: lanes tell each other where they are, and wait until they have been read.
template <int N> inline void lrtExchange(unsigned mask, const float (&values)[N], unsigned source, float (&to)[N]) {
  std::memcpy(to, lrtExchange(mask, &values[0], source), sizeof to);
  __syncwarp(mask);
}
template <class T> inline T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  unsigned lane = lrtEmulator->thread->lane;
  return lrtExchange(mask, value, (lane & ~(width - 1)) | (source & (width - 1)));
}
template <class T> inline T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32) {
  unsigned lane = lrtEmulator->thread->lane;
  unsigned source = lane ^ lanes;
  return lrtExchange(mask, value, (source & ~(width - 1)) == (lane & ~(width - 1)) ? source : lane);
}
template <class T> inline T __shfl_down_sync(unsigned mask, T value, unsigned by, int width = 32) {
  unsigned lane = lrtEmulator->thread->lane;
  return lrtExchange(mask, value, (lane & (width - 1)) + by < (unsigned)width ? lane + by : lane);
}
inline unsigned __ballot_sync(unsigned mask, int predicate) {
  return (unsigned)lrtEmulator->exchange(mask, WarpOperation::Ballot, predicate != 0, 0);
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }
inline int __all_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) == mask; }

inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float __uint_as_float(unsigned x) { return std::bit_cast<float>(x); }
inline double __dmul_rn(double a, double b) { return a * b; }
inline double __dadd_rn(double a, double b) { return a + b; }
inline float __fdividef(float a, float b) { return a / b; }
inline float __expf(float x) { return std::exp(x); }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }
template <class T> inline T __ldg(const T *p) { return *p; }
template <class T> inline T min(T a, T b) { return b < a ? b : a; }
template <class T> inline T max(T a, T b) { return a < b ? b : a; }
// Threads of a block take turns only where they wait for each other, and blocks run one after another.
template <class T> inline T atomicAdd(T *p, T value) {
  T old = *p;
  *p = old + value;
  return old;
}
inline void __threadfence() {}

template <auto Kernel> struct LrtDescribe;
template <class... A, void (*Kernel)(A...)> struct LrtDescribe<Kernel> {
  static constexpr size_t sizes[] = {sizeof(A)...};
  template <size_t... I> static void call(void **p, std::index_sequence<I...>) {
    Kernel(*static_cast<std::remove_const_t<A> *>(p[I])...);
  }
  static void invoke(void **p) { call(p, std::index_sequence_for<A...>()); }
};
// After the definition of a kernel: makes it known by its name.
#define LRT_KERNEL(name)                                                                           \
  extern "C" __attribute__((visibility("default"))) const EmulatedKernel emulated_##name = {       \
      LrtDescribe<name>::invoke, std::size(LrtDescribe<name>::sizes), LrtDescribe<name>::sizes};
