// libcublas.so.12 and .13 for the emulated driver: the functions that lrt4j calls, and no others. As cuBLAS may, it takes
// another order of summation for another shape or alignment, so that whoever counts on the same bits must ask for the same.
#include "work.h"

#include <bit>
#include <cstring>
#include <vector>

#ifndef VERSION
#error "VERSION is 12 or 13"
#endif

namespace {
enum Status {
  SUCCESS = 0,
  NOT_INITIALIZED = 1,
  ALLOC_FAILED = 3,
  INVALID_VALUE = 7,
  EXECUTION_FAILED = 13,
  NOT_SUPPORTED = 15,
};
constexpr int BF16 = 14, F32 = 0, COMPUTE_F32 = 68, NO_TRANSPOSE = 0, TRANSPOSE = 1, NO_REDUCED_PRECISION = 16;

struct Handle {
  void *stream = nullptr;
  void *workspace = nullptr;
  size_t bytes = 0;
  int mode = 0;
};

float widened(uint16_t bits) { return std::bit_cast<float>(uint32_t(bits) << 16); }

// The codes of the driver that a test may let it fail with, in those of cuBLAS.
int status(int code) {
  switch (code) {
  case 0: return SUCCESS;
  case 2: return ALLOC_FAILED;
  case 201: return NOT_INITIALIZED;
  default: return EXECUTION_FAILED;
  }
}

// A dot product in `pieces` strided sums.
float dot(const float *a, const float *b, int k, int pieces) {
  float total = 0;
  for (int p = 0; p < pieces; p++) {
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int i = k * p / pieces; i < k * (p + 1) / pieces; i++) {
      sum += a[i] * b[i];
    }
    total += sum;
  }
  return total;
}
} // namespace

EMULATED int cublasCreate_v2(Handle **handle) {
  int failed = emulator_enter(__func__);
  if (failed == 0) {
    *handle = new Handle;
  }
  return status(failed);
}
EMULATED int cublasDestroy_v2(Handle *handle) {
  delete handle;
  return SUCCESS;
}
EMULATED int cublasGetVersion_v2(Handle *, int *version) {
  *version = VERSION * 10000 + 302;
  return SUCCESS;
}
EMULATED int cublasSetMathMode(Handle *handle, int mode) {
  handle->mode = mode;
  return status(emulator_enter(__func__));
}
EMULATED int cublasSetStream_v2(Handle *handle, void *stream) {
  *handle = {stream, nullptr, 0, handle->mode}; // with a workspace of its own
  return status(emulator_enter(__func__));
}
EMULATED int cublasSetWorkspace_v2(Handle *handle, void *workspace, size_t bytes) {
  if (!emulator_allocated(workspace, bytes)) {
    return INVALID_VALUE;
  }
  handle->workspace = workspace;
  handle->bytes = bytes;
  return status(emulator_enter(__func__));
}
EMULATED int cublasGemmEx(Handle *handle, int transA, int transB, int m, int n, int k, const float *alpha, const uint16_t *a, int typeA,
                          int lda, const uint16_t *b, int typeB, int ldb, const float *beta, float *c, int typeC, int ldc,
                          int compute, int algorithm) {
  if (int failed = emulator_enter(__func__)) {
    return status(failed);
  }
  if (transA != TRANSPOSE || transB != NO_TRANSPOSE || typeA != BF16 || typeB != BF16 || typeC != F32 || compute != COMPUTE_F32 ||
      algorithm != -1 || *alpha != 1 || *beta != 0 || handle->mode != NO_REDUCED_PRECISION) {
    return NOT_SUPPORTED; // for want of somebody who needs it
  }
  if (m < 1 || n < 1 || k < 1 || lda < k || ldb < k || ldc < m) {
    return INVALID_VALUE;
  }
  if (emulator_capturing() && handle->workspace == nullptr) {
    return NOT_SUPPORTED; // it would allocate one
  }
  std::function<int()> work = [=] {
    if (!emulator_allocated(a, (size_t(m - 1) * lda + k) * 2) || !emulator_allocated(b, (size_t(n - 1) * ldb + k) * 2) ||
        !emulator_allocated(c, (size_t(n - 1) * ldc + m) * 4)) {
      return emulator_broken("a matrix product outside of what is allocated");
    }
    auto aligned = uintptr_t(a) | uintptr_t(b) | uintptr_t(c);
    int pieces = 1 + (m + n + k) % 3 + (aligned % 256 != 0);
    std::vector<float> row(k), columns(size_t(n) * k);
    for (int j = 0; j < n; j++) {
      for (int i = 0; i < k; i++) {
        columns[size_t(j) * k + i] = widened(b[size_t(j) * ldb + i]);
      }
    }
    for (int o = 0; o < m; o++) {
      for (int i = 0; i < k; i++) {
        row[i] = widened(a[size_t(o) * lda + i]);
      }
      for (int j = 0; j < n; j++) {
        c[size_t(j) * ldc + o] = dot(row.data(), &columns[size_t(j) * k], k, pieces);
      }
    }
    return 0;
  };
  return status(emulator_enqueue(handle->stream, &work));
}
