// Linked into every module for the emulated driver.
#include "emulated.h"
#undef threadIdx
#undef blockIdx
#undef blockDim
#undef gridDim

extern "C" __attribute__((visibility("hidden"))) char __start_lrt_shared[], __stop_lrt_shared[];

namespace {
[[gnu::used]] __shared__ char always[16]; // so that the section is there
}

extern "C" __attribute__((visibility("default"))) const EmulatedModule emulated_module = {&lrtEmulator, __start_lrt_shared, __stop_lrt_shared};
