package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.LE;
import static io.lrt4j.compute.cpu.Lanes.N;
import static io.lrt4j.compute.cpu.RowBlocks.BLOCK;

import io.lrt4j.compute.Tensor;
import java.lang.foreign.MemorySegment;
import jdk.incubator.vector.FloatVector;

/** The gate of an MLP, silu(gate) up, forward and back. */
final class VectorTrainingGate {
  private final RowBlocks blocks;

  VectorTrainingGate(RowBlocks blocks) {
    this.blocks = blocks;
  }

  void forward(Tensor gateUp, int rows, Tensor hidden) {
    CpuTensor in = CpuTensor.of(gateUp);
    CpuTensor out = CpuTensor.of(hidden);
    int n = out.cols();
    blocks.run(
        (block, worker) -> {
          int first = block * BLOCK;
          for (int i = first; i < Math.min(rows, first + BLOCK); i++) {
            forward(in.data(), in.row(i), n, out.data(), out.row(i));
          }
        },
        rows);
  }

  private static void forward(MemorySegment gateUp, long at, int n, MemorySegment hidden, long to) {
    long up = at + n * 4L;
    int body = F.loopBound(n);
    for (int c = 0; c < body; c += N) {
      FloatVector g = FloatVector.fromMemorySegment(F, gateUp, at + c * 4L, LE);
      FloatVector u = FloatVector.fromMemorySegment(F, gateUp, up + c * 4L, LE);
      g.div(Lanes.exp(g.neg()).add(1)).mul(u).intoMemorySegment(hidden, to + c * 4L, LE);
    }
    for (int c = body; c < n; c++) {
      float g = gateUp.get(FLOAT, at + c * 4L);
      float h = g / (Lanes.exp(-g) + 1) * gateUp.get(FLOAT, up + c * 4L);
      hidden.set(FLOAT, to + c * 4L, h);
    }
  }

  void backward(Tensor dHidden, Tensor gateUp, int rows, Tensor dGateUp) {
    CpuTensor dOut = CpuTensor.of(dHidden);
    CpuTensor in = CpuTensor.of(gateUp);
    CpuTensor dIn = CpuTensor.of(dGateUp);
    int n = dOut.cols();
    blocks.run(
        (block, worker) -> {
          int first = block * BLOCK;
          for (int i = first; i < Math.min(rows, first + BLOCK); i++) {
            backward(dOut.data(), dOut.row(i), in.data(), in.row(i), n, dIn.data(), dIn.row(i));
          }
        },
        rows);
  }

  private static void backward(
      MemorySegment d,
      long dAt,
      MemorySegment gateUp,
      long at,
      int n,
      MemorySegment to,
      long toAt) {
    long up = at + n * 4L;
    long toUp = toAt + n * 4L;
    int body = F.loopBound(n);
    FloatVector one = FloatVector.broadcast(F, 1);
    for (int c = 0; c < body; c += N) {
      FloatVector g = FloatVector.fromMemorySegment(F, gateUp, at + c * 4L, LE);
      FloatVector u = FloatVector.fromMemorySegment(F, gateUp, up + c * 4L, LE);
      FloatVector dh = FloatVector.fromMemorySegment(F, d, dAt + c * 4L, LE);
      FloatVector s = one.div(Lanes.exp(g.neg()).add(1));
      FloatVector ds = dh.mul(s);
      ds.mul(g).intoMemorySegment(to, toUp + c * 4L, LE);
      ds.mul(u).mul(one.sub(s).mul(g).add(1)).intoMemorySegment(to, toAt + c * 4L, LE);
    }
    for (int c = body; c < n; c++) {
      float g = gateUp.get(FLOAT, at + c * 4L);
      float s = 1 / (Lanes.exp(-g) + 1);
      float ds = d.get(FLOAT, dAt + c * 4L) * s;
      float dGate = ds * gateUp.get(FLOAT, up + c * 4L) * ((1 - s) * g + 1);
      to.set(FLOAT, toUp + c * 4L, ds * g);
      to.set(FLOAT, toAt + c * 4L, dGate);
    }
  }
}
