package io.lrt4j.compute.cpu.nativ;

import static java.lang.foreign.ValueLayout.JAVA_DOUBLE;

import io.lrt4j.BackendException;
import io.lrt4j.Quantization;
import io.lrt4j.compute.Activations;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.DecoderLayer;
import io.lrt4j.compute.DecoderLayers;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.LayerShape;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.cpu.CpuBackend;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.locks.ReentrantLock;
import org.jspecify.annotations.Nullable;

/**
 * The C backend: every operation is one call, all decoder layers together too, on a crew of C
 * threads. Those of several sessions take turns, each with the whole crew.
 *
 * <p>Activations are f32. Against bf16 weights, where the processor multiplies bf16 pairs, each is
 * taken as the sum of two bf16 numbers: 16 bits of its mantissa, at the cost of f32 arithmetic but
 * without widening the weights. (That instruction takes subnormal weights as zero.) With AVX-512
 * those weights are kept in 12 bits without loss, see native/folded.h.
 */
public final class NativeBackend extends CpuBackend {
  private static final int SUMMARIES = 64; // of a call

  private final ReentrantLock turn = new ReentrantLock();
  private final Arena arena = Arena.ofShared();
  private final MemorySegment summaries = arena.allocate(JAVA_DOUBLE, 4L * SUMMARIES);
  private final Sequences sequences = new Sequences();
  private final NativeActivations activations = new NativeActivations(arena);
  private final MemorySegment context;
  private final Isa isa;
  private final int threads;
  private boolean closed; // guarded by turn

  /** A backend with its own crew of {@code threads}, the calling thread included. */
  public NativeBackend(int threads) {
    this(threads, Isa.best());
  }

  /**
   * The same, with an instruction set of choice.
   *
   * @throws BackendException if this processor does not have it, or there is no native library here
   */
  public NativeBackend(int threads, Isa isa) {
    if (!Isa.available().contains(isa)) {
      throw new BackendException("this processor does not have " + isa);
    }
    this.isa = isa;
    this.threads = threads;
    context = NativeCalls.open(threads, isa.level());
    if (context.address() == 0) {
      throw new BackendException("no memory or threads for a crew of " + threads);
    }
  }

  /** Why there is none here, if so. */
  public static Optional<String> missing() {
    return NativeLibrary.failure();
  }

  @Override
  public String name() {
    return "native";
  }

  @Override
  public String describe() {
    return "C, " + isa + ", " + threads + (threads == 1 ? " thread" : " threads");
  }

  @Override
  public int rowsPerRead() {
    return 8;
  }

  @Override
  public Memory newMemory() {
    return newMemory(Quantization.NONE);
  }

  @Override
  public Memory newMemory(Quantization quantization) {
    return new NativeMemory(this, quantization);
  }

  private void begin() {
    turn.lock();
    if (closed) {
      turn.unlock();
      throw new IllegalStateException("the backend is closed");
    }
  }

  private static void check(boolean done) {
    if (!done) {
      throw new BackendException("no memory for scratch of the native backend");
    }
  }

  private static MemorySegment data(@Nullable Tensor tensor) {
    return tensor == null ? MemorySegment.NULL : CpuTensor.of(tensor).data();
  }

  /**
   * Packs a weight [out, in] as what it is stored as, or one of a plain type as q8 or q4, into
   * zeroed memory; types are numbered as in lrt4j.h.
   *
   * @return whether all of it could be rounded
   */
  boolean pack(int stored, int dtype, int out, int in, MemorySegment from, MemorySegment to) {
    begin();
    try {
      return NativeCalls.pack(context, stored, dtype, out, in, from, to);
    } finally {
      turn.unlock();
    }
  }

  /** Whether there are products of folded weights on this processor. */
  boolean folds() {
    begin();
    try {
      return NativeCalls.folds(context);
    } finally {
      turn.unlock();
    }
  }

  /**
   * Folds a bf16 weight [out, in], or a piece of one of whole groups of {@link FoldedRows#GROUP}
   * outputs, and lists what does not fit: see lrt4j.h.
   *
   * @param to NULL to find the lists' places, which comes first
   * @param lists a long for each group
   * @param before how many earlier pieces list
   * @return how many they and this one list, if it finds places
   */
  long fold(
      int out,
      int in,
      MemorySegment from,
      MemorySegment to,
      MemorySegment list,
      MemorySegment lists,
      long before) {
    begin();
    try {
      return NativeCalls.fold(context, out, in, from, to, list, lists, before);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void embed(Tensor table, int[] ids, int offset, int rows, Tensor x) {
    for (int i = 0; i < rows; i++) {
      switch (table) {
        case PackedRows packed -> packed.read(ids[offset + i], CpuTensor.of(x), i);
        case FoldedRows folded -> folded.read(ids[offset + i], CpuTensor.of(x), i);
        default -> {
          super.embed(table, ids, offset, rows, x);
          return;
        }
      }
    }
  }

  @Override
  public void norm(Tensor x, int rows, Tensor weight, float eps, Tensor out) {
    begin();
    try {
      NativeCalls.norm(context, data(x), rows, x.cols(), data(weight), eps, data(out));
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void project(Tensor x, int rows, Linear p, Tensor out) {
    project(x, rows, null, 0, p, out, 0);
  }

  @Override
  public void normProject(Tensor x, int rows, Tensor norm, float eps, Linear p, Tensor out) {
    project(x, rows, norm, eps, p, out, 0);
  }

  @Override
  public void projectAdd(Tensor x, int rows, Linear p, Tensor y) {
    project(x, rows, null, 0, p, y, 1);
  }

  private void project(
      Tensor x, int rows, @Nullable Tensor norm, float eps, Linear p, Tensor y, int add) {
    begin();
    try {
      NativeLinear l = NativeLinear.of(p);
      check(
          NativeCalls.project(
              context,
              data(x),
              rows,
              l.in(),
              data(norm),
              eps,
              0,
              l.parts(),
              l.count(),
              data(y),
              add));
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void gatedMlp(
      Tensor x, int rows, Tensor norm, float eps, Linear gateUp, Linear down, Tensor scratch) {
    begin();
    try {
      NativeLinear g = NativeLinear.of(gateUp);
      NativeLinear d = NativeLinear.of(down);
      MemorySegment in = data(x);
      MemorySegment s = data(scratch);
      check(
          NativeCalls.project(
                  context, in, rows, g.in(), data(norm), eps, 0, g.parts(), g.count(), s, 0)
              && NativeCalls.project(
                  context, s, rows, d.in(), MemorySegment.NULL, 0, 1, d.parts(), d.count(), in, 1));
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void ropeAndStore(
      Tensor qkv,
      Batch batch,
      int layer,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope) {
    begin();
    try {
      KvCache first = batch.cache(0);
      int dim = first.headDim();
      int kvHeads = first.kvHeads();
      NativeCalls.rope(
          context,
          data(qkv),
          qkv.cols() / dim - 2 * kvHeads,
          kvHeads,
          dim,
          data(queryNorm),
          data(keyNorm),
          eps,
          data(rope),
          sequences.describe(batch, layer),
          batch.runs());
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void attend(Tensor qkv, Batch batch, int layer, int heads, int window, Tensor out) {
    begin();
    try {
      KvCache first = batch.cache(0);
      check(
          NativeCalls.attend(
              context,
              data(qkv),
              heads,
              first.kvHeads(),
              first.headDim(),
              window,
              sequences.describe(batch, layer),
              batch.runs(),
              data(out)));
    } finally {
      turn.unlock();
    }
  }

  @Override
  public DecoderLayers decoderLayers(
      List<DecoderLayer<Tensor, Linear>> layers, List<LayerShape> shapes) {
    return new NativeLayers(layers, shapes);
  }

  @Override
  public void layers(DecoderLayers all, Batch batch, Tensor rope, Activations a) {
    NativeLayers model = (NativeLayers) all;
    begin();
    try {
      check(
          NativeCalls.layers(
              context,
              model.described(),
              model.layers().size(),
              activations.describe(a, rope),
              sequences.describe(batch, model.shapes().getFirst().index()),
              batch.runs(),
              data(a.x()),
              NativeLinear.of(model.layers().getFirst().qkv()).parts()));
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void summarize(Tensor logits, int from, int rows, LogitSummary[] summaries) {
    begin();
    try {
      int n = logits.cols();
      for (int at = 0; at < rows; at += SUMMARIES) {
        int some = Math.min(SUMMARIES, rows - at);
        long first = (long) (from + at) * n;
        NativeCalls.summarize(context, data(logits), first, some, n, this.summaries);
        for (int i = 0; i < some; i++) {
          fill(summaries[at + i], 4L * i);
        }
      }
    } finally {
      turn.unlock();
    }
  }

  private void fill(LogitSummary summary, long at) {
    summary.argmax = (int) summaries.getAtIndex(JAVA_DOUBLE, at);
    summary.max = (float) summaries.getAtIndex(JAVA_DOUBLE, at + 1);
    summary.second = (float) summaries.getAtIndex(JAVA_DOUBLE, at + 2);
    summary.logSumExp = (float) (summary.max + Math.log(summaries.getAtIndex(JAVA_DOUBLE, at + 3)));
  }

  /**
   * Reads memory and does next to nothing with it, with all threads: how fast that goes is the
   * limit of decoding.
   *
   * @param data whole multiples of 2 KiB
   * @param streams places that a thread reads at once: 1, 2, 4 or 8
   * @param ahead distance of prefetches in bytes; 0 for none
   * @return the sum of all its 64-bit words
   */
  public long read(MemorySegment data, int streams, int ahead) {
    begin();
    try {
      return NativeCalls.read(context, data, data.byteSize(), streams, ahead);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void close() {
    turn.lock();
    try {
      if (!closed) {
        closed = true;
        NativeCalls.close(context);
        sequences.close();
        arena.close();
      }
    } finally {
      turn.unlock();
    }
  }
}
