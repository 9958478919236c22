package io.lrt4j.compute.cpu;

import io.lrt4j.compute.TrainingBackend.Matrix;
import io.lrt4j.compute.TrainingBackend.Muon;

/** A step of Muon on one matrix in plain Java, in f64. */
final class ScalarMuon {
  private ScalarMuon() {}

  static void step(Matrix matrix, Muon settings, float learningRate, float scale) {
    int rows = matrix.p().rows();
    int cols = matrix.p().cols();
    double beta = settings.momentum();
    double[][] x = new double[rows][cols];
    double norm = 0;
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < cols; j++) {
        double g = (1 - beta) * scale * CpuTensor.of(matrix.g()).get(i, j);
        double m = beta * CpuTensor.of(matrix.m()).get(i, j) + g;
        CpuTensor.of(matrix.m()).set(i, j, (float) m);
        x[i][j] = beta * m + g;
        norm += x[i][j] * x[i][j];
      }
    }
    double size = Math.sqrt(norm) + Muon.EPS;
    x = polynomial(1 / size, x, 0, x);
    for (int i = 0; i < Muon.ITERATIONS; i++) {
      double[][] gram = product(x, transposed(x));
      gram = polynomial(Muon.B, gram, Muon.C, product(gram, gram));
      x = polynomial(Muon.A, x, 1, product(gram, x));
    }
    double rate = learningRate * Math.sqrt(Math.max(1, (double) rows / cols));
    double keep = 1 - (double) learningRate * settings.decay();
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < cols; j++) {
        double p = CpuTensor.of(matrix.p()).get(i, j) * keep - rate * x[i][j];
        CpuTensor.of(matrix.p()).set(i, j, (float) p);
      }
    }
  }

  /** a x + b y. */
  private static double[][] polynomial(double a, double[][] x, double b, double[][] y) {
    double[][] sum = new double[x.length][x[0].length];
    for (int i = 0; i < sum.length; i++) {
      for (int j = 0; j < sum[0].length; j++) {
        sum[i][j] = a * x[i][j] + b * y[i][j];
      }
    }
    return sum;
  }

  private static double[][] transposed(double[][] x) {
    double[][] y = new double[x[0].length][x.length];
    for (int i = 0; i < x.length; i++) {
      for (int j = 0; j < y.length; j++) {
        y[j][i] = x[i][j];
      }
    }
    return y;
  }

  private static double[][] product(double[][] a, double[][] b) {
    double[][] c = new double[a.length][b[0].length];
    for (int i = 0; i < a.length; i++) {
      for (int k = 0; k < b.length; k++) {
        for (int j = 0; j < c[0].length; j++) {
          c[i][j] += a[i][k] * b[k][j];
        }
      }
    }
    return c;
  }
}
