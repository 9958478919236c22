package io.lrt4j.compute.cpu.nativ;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/**
 * The functions of lrt4j.h, by their names there. Memory is handed over as segments, which stay
 * alive during the call: freed ones are refused. All go through one function of C, as Java takes
 * milliseconds to link each signature.
 */
final class NativeCalls {
  // as in lrt4j.h
  private static final int LEVELS = 0;
  private static final int OPEN = 1;
  private static final int CLOSE = 2;
  private static final int ALLOCATE = 3;
  private static final int FREE = 4;
  private static final int PACKED_BYTES = 5;
  private static final int PACK = 6;
  private static final int PROJECT = 7;
  private static final int NORM = 8;
  private static final int ROPE = 9;
  private static final int ATTEND = 10;
  private static final int SUMMARIZE = 11;
  private static final int READ = 12;
  private static final int FOLDS = 13;
  private static final int FOLDED_BYTES = 14;
  private static final int FOLD = 15;
  private static final int LAYERS = 16;
  private static final int BEST_LEVEL = 17;

  private static final MemorySegment NONE = MemorySegment.NULL;

  private static final MethodHandle CALL = link();

  private NativeCalls() {}

  @SuppressWarnings("restricted") // this is what --enable-native-access allows
  private static MethodHandle link() {
    MemorySegment symbol = NativeLibrary.symbols().findOrThrow("lrt_call");
    var type =
        FunctionDescriptor.of(
            JAVA_LONG,
            JAVA_INT, // which function
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            ADDRESS,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_LONG,
            JAVA_FLOAT);
    return Linker.nativeLinker().downcallHandle(symbol, type);
  }

  /** A function's pointers and its whole numbers, each in its order. */
  private static long call(
      int function,
      MemorySegment p0,
      MemorySegment p1,
      MemorySegment p2,
      MemorySegment p3,
      MemorySegment p4,
      MemorySegment p5,
      long n0,
      long n1,
      long n2,
      long n3,
      long n4,
      float eps) {
    try {
      return (long) CALL.invokeExact(function, p0, p1, p2, p3, p4, p5, n0, n1, n2, n3, n4, eps);
    } catch (RuntimeException | Error e) {
      throw e; // a refusal by Java
    } catch (Throwable t) {
      throw new IllegalStateException(t); // C throws nothing
    }
  }

  /** Of one that takes numbers only. */
  private static long call(int function, long n0, long n1, long n2) {
    return call(function, NONE, NONE, NONE, NONE, NONE, NONE, n0, n1, n2, 0, 0, 0);
  }

  /** Those that this processor and its system run, as bits. */
  static int levels() {
    return (int) call(LEVELS, 0, 0, 0);
  }

  /** The fastest of them, on this processor. */
  static int bestLevel() {
    return (int) call(BEST_LEVEL, 0, 0, 0);
  }

  static MemorySegment open(int threads, int level) {
    return MemorySegment.ofAddress(call(OPEN, threads, level, 0));
  }

  static void close(MemorySegment context) {
    call(CLOSE, context, NONE, NONE, NONE, NONE, NONE, 0, 0, 0, 0, 0, 0);
  }

  static MemorySegment allocate(long bytes) {
    return MemorySegment.ofAddress(call(ALLOCATE, bytes, 0, 0));
  }

  static void free(MemorySegment data, long bytes) {
    call(FREE, data, NONE, NONE, NONE, NONE, NONE, bytes, 0, 0, 0, 0, 0);
  }

  static long packedBytes(int dtype, int out, int in) {
    return call(PACKED_BYTES, dtype, out, in);
  }

  static boolean pack(
      MemorySegment context,
      int stored,
      int dtype,
      int out,
      int in,
      MemorySegment from,
      MemorySegment to) {
    return call(PACK, context, from, to, NONE, NONE, NONE, stored, dtype, out, in, 0, 0) != 0;
  }

  static boolean folds(MemorySegment context) {
    return call(FOLDS, context, NONE, NONE, NONE, NONE, NONE, 0, 0, 0, 0, 0, 0) != 0;
  }

  static long foldedBytes(int out, int in) {
    return call(FOLDED_BYTES, out, in, 0);
  }

  static long fold(
      MemorySegment context,
      int out,
      int in,
      MemorySegment from,
      MemorySegment to,
      MemorySegment list,
      MemorySegment lists,
      long before) {
    return call(FOLD, context, from, to, list, lists, NONE, out, in, before, 0, 0, 0);
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
    long failed = call(PROJECT, context, x, norm, parts, y, NONE, rows, in, gated, count, add, eps);
    return failed == 0;
  }

  static void norm(
      MemorySegment context,
      MemorySegment x,
      int rows,
      int n,
      MemorySegment weight,
      float eps,
      MemorySegment out) {
    call(NORM, context, x, weight, out, NONE, NONE, rows, n, 0, 0, 0, eps);
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
    call(ROPE, context, qkv, queryNorm, keyNorm, rope, runs, heads, kvHeads, dim, count, 0, eps);
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
    long failed =
        call(ATTEND, context, qkv, runs, out, NONE, NONE, heads, kvHeads, dim, window, count, 0);
    return failed == 0;
  }

  /**
   * All decoder layers.
   *
   * @param x the residual stream; C has it from {@code activations}, but while Java hands it over
   *     nobody can free the memory that all activations lie in
   * @param parts of the first projection, likewise: of weights that were packed as they were read
   */
  static boolean layers(
      MemorySegment context,
      MemorySegment layers,
      int layerCount,
      MemorySegment activations,
      MemorySegment runs,
      int count,
      MemorySegment x,
      MemorySegment parts) {
    long failed =
        call(LAYERS, context, layers, activations, runs, x, parts, layerCount, count, 0, 0, 0, 0);
    return failed == 0;
  }

  static void summarize(
      MemorySegment context, MemorySegment x, long at, int rows, int n, MemorySegment summaries) {
    call(SUMMARIZE, context, x, summaries, NONE, NONE, NONE, at, rows, n, 0, 0, 0);
  }

  static long read(MemorySegment context, MemorySegment data, long bytes, int streams, int ahead) {
    return call(READ, context, data, NONE, NONE, NONE, NONE, bytes, streams, ahead, 0, 0, 0);
  }
}
