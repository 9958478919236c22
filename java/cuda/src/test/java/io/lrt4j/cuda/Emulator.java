package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;

/**
 * What the emulated driver lets tests see and do; see {@code native/cuda-emulator}. On a real one
 * (see {@code bench/gpu/run.sh}), which has nothing of that, nothing is seen or done.
 */
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

  /** Whether the driver is the emulated one. */
  static boolean isThere() {
    return LIBRARY.find("emulator_used").isPresent();
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
    return !isThere() ? 0 : (long) call(name, FunctionDescriptor.of(ValueLayout.JAVA_LONG));
  }

  private static void act(String name, FunctionDescriptor type, Object... arguments) {
    if (isThere()) {
      call(name, type, arguments);
    }
  }

  /** Bytes allocated on the device. */
  static long used() {
    return number("emulator_used");
  }

  /** Bytes of pinned host memory. */
  static long pinned() {
    return number("emulator_pinned");
  }

  static long graphLaunches() {
    return number("emulator_graph_launches");
  }

  /** How much memory the device has. */
  static void memory(long bytes) {
    act("emulator_memory", FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG), bytes);
  }

  /** Blocks and threads take turns in an order drawn with this seed; 0 is as they are numbered. */
  static void order(long seed) {
    act("emulator_order", FunctionDescriptor.ofVoid(ValueLayout.JAVA_LONG), seed);
  }

  /** Lets a function of the driver fail once, with this code, after so many more calls. */
  static void fail(String function, int calls, int code) {
    try (var arena = Arena.ofConfined()) {
      act(
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
    act("emulator_reset", FunctionDescriptor.ofVoid());
  }

  /** No kernel did anything wrong, and nothing was written around any allocation. */
  static void check(String what) {
    if (isThere()) {
      var fault =
          (MemorySegment) call("emulator_fault", FunctionDescriptor.of(ValueLayout.ADDRESS));
      assertEquals("", fault.reinterpret(Long.MAX_VALUE).getString(0), what);
    }
  }
}
