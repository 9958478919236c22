// Runs the blocks of a launch: one after another, each thread a fiber.
#pragma once
#include "emulator.h"
#include <string>

struct Launch {
  EmulatedIndex grid, block;
  size_t dynamicShared;
  const EmulatedKernel *kernel;
  void **parameters;
  const EmulatedModule *module;
};

// Runs one launch; what went wrong, or nothing. order: 0 runs blocks and threads as they are numbered, others shuffle both.
std::string runLaunch(const Launch &launch, uint64_t order);

const Emulator *emulator();

// Bytes of shared memory a block can have.
constexpr size_t MAX_SHARED = 227 << 10;
