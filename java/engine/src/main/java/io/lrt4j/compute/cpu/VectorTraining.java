package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.concurrent.locks.ReentrantLock;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/**
 * Training with the Vector API. Operations take turns with the backend's own, each with the whole
 * crew of {@link Workers}. Projections are products of {@link Gemm}; every other part of the
 * transformer that is more than moving rows has a class of its own, forward and back.
 */
final class VectorTraining extends CpuTraining {
  private final ReentrantLock turn;
  private final RowBlocks blocks;
  private final Gemm gemm;
  private final VectorTrainingNorm norm;
  private final VectorTrainingRope rope;
  private final VectorTrainingAttention attention;
  private final VectorTrainingGate gate;
  private final VectorTrainingLoss loss;
  private final VectorOptimizer optimizer;
  private final VectorMuon muon;

  VectorTraining(VectorBackend backend, ReentrantLock turn, Workers workers) {
    super(backend);
    this.turn = turn;
    var buffers = new WorkerBuffers(workers, 4);
    blocks = new RowBlocks(workers);
    gemm = new Gemm(workers);
    norm = new VectorTrainingNorm(blocks, buffers);
    rope = new VectorTrainingRope(blocks, buffers);
    attention = new VectorTrainingAttention(workers);
    gate = new VectorTrainingGate(blocks);
    loss = new VectorTrainingLoss(workers, buffers);
    optimizer = new VectorOptimizer(workers, buffers);
    muon = new VectorMuon(workers);
  }

  private void inTurn(Runnable operation) {
    turn.lock();
    try {
      operation.run();
    } finally {
      turn.unlock();
    }
  }

  // --- linear ---------------------------------------------------------------------------------

  @Override
  public void project(
      Tensor x, int rows, Tensor w, @Nullable Tensor bias, @Nullable Tensor plus, Tensor y) {
    inTurn(
        () ->
            gemm.run(
                CpuTensor.of(x),
                CpuTensor.of(w),
                true,
                rows,
                w.cols(),
                w.rows(),
                bias == null ? null : CpuTensor.of(bias),
                plus == null ? null : CpuTensor.of(plus),
                CpuTensor.of(y)));
  }

  @Override
  public void projectInput(Tensor dy, int rows, Tensor w, boolean add, Tensor dx) {
    inTurn(
        () ->
            gemm.run(
                CpuTensor.of(dy),
                CpuTensor.of(w),
                false,
                rows,
                w.rows(),
                w.cols(),
                null,
                add ? CpuTensor.of(dx) : null,
                CpuTensor.of(dx)));
  }

  @Override
  public void projectWeights(Tensor dy, Tensor x, int rows, Tensor dw, @Nullable Tensor dBias) {
    inTurn(
        () -> {
          gemm.addTransposed(
              CpuTensor.of(dy), CpuTensor.of(x), dw.rows(), rows, dw.cols(), CpuTensor.of(dw));
          if (dBias != null) {
            blocks.addRows(CpuTensor.of(dy), rows, CpuTensor.of(dBias));
          }
        });
  }

  // --- norm -----------------------------------------------------------------------------------

  @Override
  public void norm(Tensor x, int rows, Tensor w, float eps, Tensor y) {
    inTurn(() -> norm.forward(x, rows, w, eps, y));
  }

  @Override
  public void normBackward(
      Tensor dy,
      Tensor x,
      int rows,
      Tensor w,
      float eps,
      boolean add,
      Tensor dx,
      @Nullable Tensor dw) {
    inTurn(() -> norm.backward(dy, x, rows, w, eps, add, dx, dw));
  }

  // --- attention ------------------------------------------------------------------------------

  @Override
  public void rotate(
      Tensor raw,
      PackedBatch batch,
      Heads heads,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope,
      Tensor qkv) {
    inTurn(() -> this.rope.forward(raw, batch, heads, queryNorm, keyNorm, eps, rope, qkv));
  }

  @Override
  public void rotateBackward(
      Tensor dqkv,
      Tensor raw,
      PackedBatch batch,
      Heads heads,
      @Nullable Tensor queryNorm,
      @Nullable Tensor keyNorm,
      float eps,
      Tensor rope,
      @Nullable Tensor dQueryNorm,
      @Nullable Tensor dKeyNorm) {
    inTurn(
        () ->
            this.rope.backward(
                dqkv, raw, batch, heads, queryNorm, keyNorm, eps, rope, dQueryNorm, dKeyNorm));
  }

  @Override
  public void attend(
      Tensor qkv,
      @Nullable Tensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      int @Nullable [] wanted,
      Tensor out,
      Tensor logSumExp) {
    inTurn(
        () ->
            attention.forward(
                CpuTensor.of(qkv),
                prefix == null ? null : CpuTensor.of(prefix),
                batch,
                heads,
                window,
                wanted,
                CpuTensor.of(out),
                CpuTensor.of(logSumExp)));
  }

  @Override
  public void attendBackward(
      Tensor dOut,
      Tensor qkv,
      @Nullable Tensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      int @Nullable [] wanted,
      Tensor out,
      Tensor logSumExp,
      Tensor dqkv) {
    inTurn(
        () ->
            attention.backward(
                CpuTensor.of(dOut),
                CpuTensor.of(qkv),
                prefix == null ? null : CpuTensor.of(prefix),
                batch,
                heads,
                window,
                wanted,
                CpuTensor.of(logSumExp),
                CpuTensor.of(dqkv)));
  }

  // --- gated MLP ------------------------------------------------------------------------------

  @Override
  public void gate(Tensor gateUp, int rows, Tensor hidden) {
    inTurn(() -> gate.forward(gateUp, rows, hidden));
  }

  @Override
  public void gateBackward(Tensor dHidden, Tensor gateUp, int rows, Tensor dGateUp) {
    inTurn(() -> gate.backward(dHidden, gateUp, rows, dGateUp));
  }

  // --- rows -----------------------------------------------------------------------------------

  @Override
  public void scatterAdd(Tensor from, int[] at, int offset, int rows, Tensor to) {
    CpuTensor source = CpuTensor.of(from);
    CpuTensor target = CpuTensor.of(to);
    for (int i = 0; i < rows; i++) {
      add(source.data(), source.row(i), target.data(), target.row(at[offset + i]), source.cols());
    }
  }

  @Override
  public void addRows(Tensor from, int fromRow, Tensor to, int toRow, int rows) {
    CpuTensor source = CpuTensor.of(from);
    CpuTensor target = CpuTensor.of(to);
    add(source.data(), source.row(fromRow), target.data(), target.row(toRow), rows * source.cols());
  }

  /** n floats at {@code toAt} += those at {@code fromAt}. */
  private static void add(MemorySegment from, long fromAt, MemorySegment to, long toAt, int n) {
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector.fromMemorySegment(F, from, fromAt + c * 4L, LE)
          .add(FloatVector.fromMemorySegment(F, to, toAt + c * 4L, LE))
          .intoMemorySegment(to, toAt + c * 4L, LE);
    }
    for (int c = body; c < n; c++) {
      to.set(FLOAT, toAt + c * 4L, to.get(FLOAT, toAt + c * 4L) + from.get(FLOAT, fromAt + c * 4L));
    }
  }

  // --- loss -----------------------------------------------------------------------------------

  @Override
  public void logProbabilities(
      Tensor logits,
      int rows,
      int[] targets,
      int offset,
      float[] logprobs,
      float[] logSumExp,
      float @Nullable [] entropies) {
    inTurn(() -> loss.forward(logits, rows, targets, offset, logprobs, logSumExp, entropies));
  }

  @Override
  public void logProbabilitiesBackward(
      Tensor logits, int rows, int[] targets, int offset, float[] logSumExp, float[] coefficients) {
    inTurn(() -> loss.backward(logits, rows, targets, offset, logSumExp, coefficients));
  }

  // --- optimiser ------------------------------------------------------------------------------

  @Override
  public double sumOfSquares(Tensor x) {
    turn.lock();
    try {
      return optimizer.sumOfSquares(x);
    } finally {
      turn.unlock();
    }
  }

  @Override
  public void adamw(
      Tensor p,
      Tensor g,
      Tensor m,
      Tensor v,
      AdamW settings,
      float learningRate,
      float gradientScale,
      int step) {
    inTurn(() -> optimizer.adamw(p, g, m, v, settings, learningRate, gradientScale, step));
  }

  @Override
  public void muon(List<Matrix> matrices, Muon settings, float learningRate, float gradientScale) {
    inTurn(() -> muon.step(matrices, settings, learningRate, gradientScale));
  }

  @Override
  public void roundToBf16(Tensor from, Tensor to) {
    inTurn(() -> optimizer.roundToBf16(from, to));
  }
}
