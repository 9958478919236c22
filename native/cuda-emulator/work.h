// What the emulated driver gives to the emulated cuBLAS.
#pragma once
#include <cstddef>
#include <cstdint>
#include <functional>

#define EMULATED extern "C" __attribute__((visibility("default")))

// Gives work to a stream, later; an error code.
EMULATED int emulator_enqueue(void *stream, std::function<int()> *work);
// Whether there is a context, and this function need not fail because a test wants it to; an error code.
EMULATED int emulator_enter(const char *function);
// Whether so many bytes are allocated there.
EMULATED bool emulator_allocated(const void *address, size_t bytes);
// Whether a stream is being captured.
EMULATED bool emulator_capturing();
// A kernel went wrong.
EMULATED int emulator_broken(const char *what);
