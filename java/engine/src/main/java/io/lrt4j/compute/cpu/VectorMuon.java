package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.CpuTensor.FLOAT;
import static io.lrt4j.compute.cpu.Gebp.STRIP;
import static io.lrt4j.compute.cpu.Gebp.WIDTH;
import static io.lrt4j.compute.cpu.Lanes.F;
import static io.lrt4j.compute.cpu.Lanes.N;

import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend.Matrix;
import io.lrt4j.compute.TrainingBackend.Muon;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import jdk.incubator.vector.FloatVector;

/**
 * Muon, one matrix a task: those of a model are many, and each fits the cache of its worker. Of a
 * symmetric product half of the panels are computed and the rest is mirrored.
 */
final class VectorMuon {
  private final Workers workers;
  private final Room[] rooms; // of each worker

  VectorMuon(Workers workers) {
    this.workers = workers;
    rooms = new Room[workers.size()];
    Arrays.setAll(rooms, i -> new Room());
  }

  /** One worker's arrays, for matrices of [small, large] or its transpose. */
  private static final class Room {
    float[] values = {};
    float[] gradient = {};
    float[] momentum = {};
    float[] x = {}; // [small, large], with room for whole strips
    float[] gram = {}; // [small, small], likewise
    float[] square = {};
    float[] panels = {};
    final float[] tile = new float[STRIP * WIDTH];

    void ensure(int small, int large) {
      int size = small * large;
      if (values.length < size) {
        values = new float[size];
        gradient = new float[size];
        momentum = new float[size];
      }
      x = grown(x, (small + STRIP) * large);
      gram = grown(gram, (small + STRIP) * small);
      square = grown(square, small * small);
      panels = grown(panels, Gebp.panelSize(small, large));
      panels = grown(panels, large * WIDTH);
    }

    private static float[] grown(float[] array, int size) {
      return array.length < size ? new float[size] : array;
    }
  }

  void step(List<Matrix> matrices, Muon settings, float learningRate, float gradientScale) {
    workers.run(
        (task, worker) -> step(matrices.get(task), settings, learningRate, gradientScale, worker),
        matrices.size());
  }

  private void step(
      Matrix matrix, Muon settings, float learningRate, float gradientScale, int worker) {
    int rows = matrix.p().rows();
    int cols = matrix.p().cols();
    int size = rows * cols;
    boolean wide = rows <= cols;
    int small = Math.min(rows, cols);
    int large = Math.max(rows, cols);
    Room room = rooms[worker];
    room.ensure(small, large);
    load(matrix.p(), room.values, size);
    load(matrix.g(), room.gradient, size);
    load(matrix.m(), room.momentum, size);
    float keep = settings.momentum();
    combine((1 - keep) * gradientScale, room.gradient, keep, room.momentum, size);
    store(room.momentum, matrix.m(), size);
    combine(keep, room.momentum, (1 - keep) * gradientScale, room.gradient, size);
    float[] update = room.gradient;
    float scale = (float) (1 / (Math.sqrt(VectorOptimizer.sumOfSquares(update, size)) + Muon.EPS));
    turn(update, rows, cols, wide, room.x);
    multiply(room.x, size, scale);
    for (int i = 0; i < Muon.ITERATIONS; i++) {
      iterate(room, small, large);
    }
    turn(room.x, wide ? rows : cols, wide ? cols : rows, wide, update);
    double shape = Math.sqrt(Math.max(1, (double) rows / cols));
    combine(
        (float) (-learningRate * shape),
        update,
        (float) (1 - (double) learningRate * settings.decay()),
        room.values,
        size);
    store(room.values, matrix.p(), size);
  }

  private static void load(Tensor from, float[] to, int size) {
    MemorySegment.copy(CpuTensor.of(from).data(), FLOAT, 0, to, 0, size);
  }

  private static void store(float[] from, Tensor to, int size) {
    MemorySegment.copy(from, 0, CpuTensor.of(to).data(), FLOAT, 0, size);
  }

  /** Copies a matrix, or its transpose. */
  private static void turn(float[] from, int rows, int cols, boolean as, float[] to) {
    if (as) {
      System.arraycopy(from, 0, to, 0, rows * cols);
      return;
    }
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < cols; c++) {
        to[c * rows + r] = from[r * cols + c];
      }
    }
  }

  /** X = a X + (b A + c A²) X with A = X X^T. */
  private static void iterate(Room room, int small, int large) {
    symmetric(room.x, small, large, room.gram, room);
    symmetric(room.gram, small, small, room.square, room);
    combine(Muon.C, room.square, Muon.B, room.gram, small * small);
    Gebp.pack(room.x, 0, small, small, large, room.panels);
    multiply(room.x, small * large, Muon.A);
    Gebp.multiply(
        room.gram,
        0,
        small,
        small,
        room.panels,
        small,
        small,
        large,
        true,
        room.x,
        0,
        large,
        room.tile);
  }

  /** product = x x^T. */
  private static void symmetric(float[] x, int rows, int cols, float[] product, Room room) {
    for (int first = 0; first < rows; first += WIDTH) {
      int width = Math.min(WIDTH, rows - first);
      Gebp.packTransposed(x, first * cols, width, cols, room.panels, 0);
      Gebp.multiply(
          x,
          0,
          cols,
          first + width,
          room.panels,
          cols,
          cols,
          width,
          false,
          product,
          first,
          rows,
          room.tile);
    }
    for (int r = WIDTH; r < rows; r++) {
      for (int c = 0; c < r / WIDTH * WIDTH; c++) {
        product[r * rows + c] = product[c * rows + r];
      }
    }
  }

  private static void multiply(float[] x, int n, float factor) {
    int body = F.loopBound(n);
    for (int i = 0; i < body; i += N) {
      FloatVector.fromArray(F, x, i).mul(factor).intoArray(x, i);
    }
    for (int i = body; i < n; i++) {
      x[i] *= factor;
    }
  }

  /** y = a x + b y. */
  private static void combine(float a, float[] x, float b, float[] y, int n) {
    int body = F.loopBound(n);
    for (int i = 0; i < body; i += N) {
      FloatVector.fromArray(F, x, i)
          .mul(a)
          .add(FloatVector.fromArray(F, y, i).mul(b))
          .intoArray(y, i);
    }
    for (int i = body; i < n; i++) {
      y[i] = a * x[i] + b * y[i];
    }
  }
}
