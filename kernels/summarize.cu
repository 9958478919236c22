// What greedy decoding wants to know of a row of logits.
#include "lrt.cuh"

struct Summary {
  int argmax; // the lowest on ties
  float max, second, sumExp; // of exp(logit - max)
};

struct Best {
  int index;
  float max, second;

  __device__ __forceinline__ void add(int i, float value) {
    if (value > max || (value == max && i < index)) {
      second = max;
      max = value;
      index = i;
    } else if (value > second) {
      second = value;
    }
  }
  __device__ __forceinline__ void add(const Best &other) {
    add(other.index, other.max);
    second = fmaxf(second, other.second);
  }
};

// A block for a row. A row without a number (all NaN or -infinity) has argmax 0.
extern "C" __global__ void summarize(const float *logits, int n, Summary *summary) {
  logits += (size_t)blockIdx.x * n;
  __shared__ Best bests[32];
  __shared__ float sums[32];
  Best best{INT32_MAX, -INFINITY, -INFINITY};
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    best.add(i, logits[i]);
  }
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    Best other;
    other.index = __shfl_xor_sync(ALL_LANES, best.index, lanes);
    other.max = __shfl_xor_sync(ALL_LANES, best.max, lanes);
    other.second = __shfl_xor_sync(ALL_LANES, best.second, lanes);
    best.add(other);
  }
  if (threadIdx.x % 32 == 0) {
    bests[threadIdx.x / 32] = best;
  }
  __syncthreads();
  best = bests[0];
  for (unsigned i = 1; i < blockDim.x / 32; i++) {
    best.add(bests[i]);
  }
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) {
    sum += expf(logits[i] - best.max);
  }
  sum = blockSum(sum, sums);
  if (threadIdx.x == 0) {
    summary[blockIdx.x] = {best.index == INT32_MAX ? 0 : best.index, best.max, best.second, sum};
  }
}
LRT_KERNEL(summarize)
