package io.lrt4j.training;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Muon (Jordan et al., 2024) for the matrices of decoder layers: the Nesterov momentum of the
 * gradient, U, is replaced by the nearest matrix with all singular values near 1, which five
 * Newton–Schulz steps approach from U / |U|: X = a X + (b A + c A²) X with A = X X^T and (a, b, c)
 * = (3.4445, -4.7750, 2.0315). The update is that times sqrt(max(1, rows / columns)).
 */
final class Muon {
  private static final float MOMENTUM = 0.95f;
  private static final int ITERATIONS = 5;
  private static final float A = 3.4445f;
  private static final float B = -4.7750f;
  private static final float C = 2.0315f;
  private static final double EPS = 1e-7;

  /** A matrix, its gradient and its momentum. */
  private record Matrix(Tensor value, Tensor gradient, Tensor momentum, Scratch scratch) {}

  /** What all matrices of one shape share. */
  private record Scratch(Tensor x, Tensor next, Tensor gram, Tensor square) {}

  private final TrainingBackend ops;
  private final Memory memory;
  private final List<Matrix> matrices = new ArrayList<>();

  /** For these parameters, whose momentum is kept where AdamW would keep its first moments. */
  Muon(Parameters parameters, List<String> names, Backend backend) {
    ops = backend.training();
    memory = parameters.memory();
    Map<List<Integer>, Scratch> shapes = new HashMap<>();
    for (String name : names) {
      Tensor value = parameters.view(parameters.master(), name);
      Scratch scratch =
          shapes.computeIfAbsent(
              List.of(value.rows(), value.cols()), shape -> scratch(shape.get(0), shape.get(1)));
      matrices.add(
          new Matrix(
              value,
              parameters.gradient(name),
              parameters.view(parameters.firstMoments(), name),
              scratch));
    }
  }

  private Scratch scratch(int rows, int cols) {
    int small = Math.min(rows, cols);
    return new Scratch(
        memory.allocate(rows, cols),
        memory.allocate(rows, cols),
        memory.allocate(small, small),
        memory.allocate(small, small));
  }

  /** Whether a parameter is one of Muon's: a matrix of a decoder layer. */
  static boolean owns(String name, Parameters.Part part) {
    return part.shape().size() == 2 && name.contains(".layers.");
  }

  /** One update of all matrices, with decoupled weight decay. */
  void step(double learningRate, float decay, float gradientScale) {
    for (Matrix m : matrices) {
      ops.combine((1 - MOMENTUM) * gradientScale, m.gradient, MOMENTUM, m.momentum);
      Tensor x = m.scratch.x;
      ops.combine((1 - MOMENTUM) * gradientScale, m.gradient, 0, x);
      ops.combine(MOMENTUM, m.momentum, 1, x);
      orthogonalize(m.scratch);
      double shape = Math.sqrt(Math.max(1, (double) x.rows() / x.cols()));
      ops.combine((float) (-learningRate * shape), x, (float) (1 - learningRate * decay), m.value);
    }
  }

  /** Brings all singular values of {@code s.x} near 1. */
  private void orthogonalize(Scratch s) {
    Tensor x = s.x;
    boolean wide = x.rows() <= x.cols();
    int small = s.gram.rows();
    ops.combine((float) (1 / (Math.sqrt(ops.sumOfSquares(x)) + EPS)), x, 0, x);
    for (int i = 0; i < ITERATIONS; i++) {
      if (wide) {
        ops.project(x, small, x, null, null, s.gram); // X X^T
      } else {
        ops.zero(s.gram, small);
        ops.projectWeights(x, x, x.rows(), s.gram, null); // X^T X
      }
      ops.project(s.gram, small, s.gram, null, null, s.square); // it is symmetric
      ops.combine(B, s.gram, C, s.square);
      if (wide) {
        ops.projectInput(s.square, small, x, false, s.next);
      } else {
        ops.project(x, x.rows(), s.square, null, null, s.next);
      }
      ops.combine(1, s.next, A, x);
    }
  }
}
