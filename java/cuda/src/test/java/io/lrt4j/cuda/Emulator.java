package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/** What the emulated driver lets tests see and do; see {@code native/cuda-emulator}. */
@SuppressWarnings("restricted") // the build enables native access for tests
final class Emulator {
  private static final SymbolLookup LIBRARY = library();

  private Emulator() {}

  private static SymbolLookup library() {
    try {
      return SymbolLookup.libraryLookup("libcuda.so.1", Arena.global());
    } catch (IllegalArgumentException e) {
      throw new IllegalStateException(
          "the emulated CUDA driver was not built, and nothing of the CUDA backend is tested"
              + " without it: the build said why (g++ is needed)",
          e);
    }
  }

  private static Object call(String name, FunctionDescriptor type, Object... arguments) {
    MethodHandle function = Linker.nativeLinker().downcallHandle(LIBRARY.findOrThrow(name), type);
    try {
      return function.invokeWithArguments(arguments);
    } catch (Throwable e) {
      throw new IllegalStateException(e);
    }
  }

  private static long number(String name) {
    return (long) call(name, FunctionDescriptor.of(ValueLayout.JAVA_LONG));
  }

  /** Bytes allocated on the device. */
  static long used() {
    return number("emulator_used");
  }

  /** Bytes of pinned host memory. */
  static long pinned() {
    return number("emulator_pinned");
  }

  static long launches() {
    return number("emulator_launches");
  }

  /** How much memory the device has. */
  static void memory(long bytes) {
    call("emulator_memory", FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG), bytes);
  }

  /** Blocks and threads take turns in an order drawn with this seed; 0 is as they are numbered. */
  static void order(long seed) {
    call("emulator_order", FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG), seed);
  }

  /** Lets a function of the driver fail once, with this code, after so many more calls. */
  static void fail(String function, int calls, int code) {
    try (var arena = Arena.ofConfined()) {
      call(
          "emulator_fail",
          FunctionDescriptor.ofVoid(
              ValueLayout.ADDRESS, ValueLayout.JAVA_INT, ValueLayout.JAVA_INT),
          arena.allocateFrom(function),
          calls,
          code);
    }
  }

  /** Forgets what went wrong, and failures that are still to come. */
  static void reset() {
    call("emulator_reset", FunctionDescriptor.ofVoid());
  }

  /** No kernel did anything wrong, and nothing was written around any allocation. */
  static void check(String what) {
    var fault = (MemorySegment) call("emulator_fault", FunctionDescriptor.of(ValueLayout.ADDRESS));
    assertEquals("", fault.reinterpret(Long.MAX_VALUE).getString(0), what);
  }
}
