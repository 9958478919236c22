// What the emulated driver (libcuda.so.1) and the kernels that were compiled for it agree on.
#pragma once
#include <cstddef>
#include <cstdint>

struct EmulatedIndex {
  unsigned x, y, z;
};

// One thread of a block.
struct EmulatedThread {
  EmulatedIndex threadIdx;
  unsigned lane;
};

enum class WarpOperation { Shuffle, Ballot };

// What the driver gives to kernels. Blocks run one at a time, on one host thread.
struct Emulator {
  EmulatedThread *thread; // that is running
  EmulatedIndex blockIdx, blockDim, gridDim;
  char *dynamicShared;
  void (*syncThreads)();
  // Waits for all lanes of the mask; a shuffle gives the value of lane `source`, a ballot those lanes whose value is not 0.
  uint64_t (*exchange)(unsigned mask, WarpOperation operation, uint64_t value, unsigned source);
};

// One kernel of a module, exported as emulated_NAME.
struct EmulatedKernel {
  void (*invoke)(void **parameters);
  unsigned count; // of parameters
  const size_t *sizes;
};

// Every module exports emulated_module.
struct EmulatedModule {
  const Emulator **emulator; // to be set by the driver
  char *shared, *sharedEnd;  // its __shared__ variables
};
