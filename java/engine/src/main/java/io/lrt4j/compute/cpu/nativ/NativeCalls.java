package io.lrt4j.compute.cpu.nativ;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The functions of lrt4j.h, by their names there. Memory is handed over as segments, which stay
 * alive during the call: freed ones are refused.
 */
final class NativeCalls {
  private static final MethodHandle BEST_LEVEL = function("lrt_best_level", JAVA_INT);
  private static final MethodHandle OPEN = function("lrt_open", ADDRESS, JAVA_INT, JAVA_INT);
  private static final MethodHandle CLOSE = procedure("lrt_close", ADDRESS);
  private static final MethodHandle ALLOCATE = function("lrt_allocate", ADDRESS, JAVA_LONG);
  private static final MethodHandle FREE = procedure("lrt_free", ADDRESS, JAVA_LONG);
  private static final MethodHandle PACKED_BYTES =
      function("lrt_packed_bytes", JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT);
  private static final MethodHandle PACK =
      procedure("lrt_pack", ADDRESS, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, ADDRESS, ADDRESS);
  private static final MethodHandle PROJECT =
      function(
          "lrt_project",
          JAVA_INT,
          ADDRESS,
          ADDRESS,
          JAVA_INT,
          JAVA_INT,
          ADDRESS,
          JAVA_FLOAT,
          JAVA_INT,
          ADDRESS,
          JAVA_INT,
          ADDRESS,
          JAVA_INT);
  private static final MethodHandle NORM =
      procedure("lrt_norm", ADDRESS, ADDRESS, JAVA_INT, JAVA_INT, ADDRESS, JAVA_FLOAT, ADDRESS);
  private static final MethodHandle ROPE =
      procedure(
          "lrt_rope",
          ADDRESS,
          ADDRESS,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          ADDRESS,
          ADDRESS,
          JAVA_FLOAT,
          ADDRESS,
          ADDRESS,
          JAVA_INT);
  private static final MethodHandle ATTEND =
      function(
          "lrt_attend",
          JAVA_INT,
          ADDRESS,
          ADDRESS,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          JAVA_INT,
          ADDRESS,
          JAVA_INT,
          ADDRESS);
  private static final MethodHandle SUMMARIZE =
      procedure("lrt_summarize", ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT, ADDRESS);
  private static final MethodHandle READ =
      function("lrt_read", JAVA_LONG, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT);

  private NativeCalls() {}

  private static MethodHandle function(
      String name, MemoryLayout result, MemoryLayout... arguments) {
    return link(name, FunctionDescriptor.of(result, arguments));
  }

  private static MethodHandle procedure(String name, MemoryLayout... arguments) {
    return link(name, FunctionDescriptor.ofVoid(arguments));
  }

  @SuppressWarnings("restricted") // this is what --enable-native-access allows
  private static MethodHandle link(String name, FunctionDescriptor type) {
    MemorySegment symbol = NativeLibrary.symbols().findOrThrow(name);
    return Linker.nativeLinker().downcallHandle(symbol, type);
  }

  /** What a method handle throws is a refusal by Java: C throws nothing. */
  private static RuntimeException thrown(Throwable t) {
    if (t instanceof RuntimeException e) {
      return e;
    }
    if (t instanceof Error e) {
      throw e;
    }
    return new IllegalStateException(t);
  }

  static int bestLevel() {
    try {
      return (int) BEST_LEVEL.invokeExact();
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static MemorySegment open(int threads, int level) {
    try {
      return (MemorySegment) OPEN.invokeExact(threads, level);
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static void close(MemorySegment context) {
    try {
      CLOSE.invokeExact(context);
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static MemorySegment allocate(long bytes) {
    try {
      return (MemorySegment) ALLOCATE.invokeExact(bytes);
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static void free(MemorySegment data, long bytes) {
    try {
      FREE.invokeExact(data, bytes);
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static long packedBytes(int dtype, int out, int in) {
    try {
      return (long) PACKED_BYTES.invokeExact(dtype, out, in);
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static void pack(
      MemorySegment context,
      int stored,
      int dtype,
      int out,
      int in,
      MemorySegment from,
      MemorySegment to) {
    try {
      PACK.invokeExact(context, stored, dtype, out, in, from, to);
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static boolean project(
      MemorySegment context,
      MemorySegment x,
      int rows,
      int in,
      MemorySegment norm,
      float eps,
      int gated,
      MemorySegment parts,
      int count,
      MemorySegment y,
      int add) {
    try {
      int failed =
          (int) PROJECT.invokeExact(context, x, rows, in, norm, eps, gated, parts, count, y, add);
      return failed == 0;
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static void norm(
      MemorySegment context,
      MemorySegment x,
      int rows,
      int n,
      MemorySegment weight,
      float eps,
      MemorySegment out) {
    try {
      NORM.invokeExact(context, x, rows, n, weight, eps, out);
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static void rope(
      MemorySegment context,
      MemorySegment qkv,
      int heads,
      int kvHeads,
      int dim,
      MemorySegment queryNorm,
      MemorySegment keyNorm,
      float eps,
      MemorySegment rope,
      MemorySegment runs,
      int count) {
    try {
      ROPE.invokeExact(
          context, qkv, heads, kvHeads, dim, queryNorm, keyNorm, eps, rope, runs, count);
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static boolean attend(
      MemorySegment context,
      MemorySegment qkv,
      int heads,
      int kvHeads,
      int dim,
      int window,
      MemorySegment runs,
      int count,
      MemorySegment out) {
    try {
      int failed =
          (int) ATTEND.invokeExact(context, qkv, heads, kvHeads, dim, window, runs, count, out);
      return failed == 0;
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static void summarize(
      MemorySegment context, MemorySegment x, long at, int rows, int n, MemorySegment summaries) {
    try {
      SUMMARIZE.invokeExact(context, x, at, rows, n, summaries);
    } catch (Throwable t) {
      throw thrown(t);
    }
  }

  static long read(MemorySegment context, MemorySegment data, long bytes, int streams, int ahead) {
    try {
      return (long) READ.invokeExact(context, data, bytes, streams, ahead);
    } catch (Throwable t) {
      throw thrown(t);
    }
  }
}
