package io.lrt4j.compute.cpu;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The readable truth of training: every operation in plain Java, in the order of its formula, sums
 * in f64.
 */
final class ScalarTraining implements TrainingBackend {
  private final Backend backend;

  ScalarTraining(Backend backend) {
    this.backend = backend;
  }

  @Override
  public Backend backend() {
    return backend;
  }

  @Override
  public Linear linear(Tensor w, @Nullable Tensor bias) {
    return CpuLinear.of(CpuTensor.of(w), bias == null ? null : CpuTensor.of(bias));
  }

  @Override
  public Tensor view(Tensor of, long at, int rows, int cols) {
    return part(of, at, rows, cols);
  }

  /** A part of a tensor as a matrix of its own. */
  static CpuTensor part(Tensor of, long at, int rows, int cols) {
    CpuTensor whole = CpuTensor.of(of);
    long bytes = whole.dtype().bytes((long) rows * cols);
    return new CpuTensor(
        whole.dtype(), rows, cols, whole.data().asSlice(whole.dtype().bytes(at), bytes));
  }

  private static float[] row(Tensor x, int row) {
    CpuTensor from = CpuTensor.of(x);
    float[] values = new float[from.cols()];
    from.read(row, values, values.length);
    return values;
  }

  private static float[] rounded(double[] values) {
    float[] rounded = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = (float) values[i];
    }
    return rounded;
  }

  private static void put(float[] values, Tensor x, int row) {
    CpuTensor to = CpuTensor.of(x);
    for (int c = 0; c < values.length; c++) {
      to.set(row, c, values[c]);
    }
  }

  private static void add(float[] values, Tensor x, int row) {
    CpuTensor to = CpuTensor.of(x);
    for (int c = 0; c < values.length; c++) {
      to.set(row, c, to.get(row, c) + values[c]);
    }
  }

  private static float[][] matrix(Tensor x, int rows) {
    float[][] values = new float[rows][];
    for (int i = 0; i < rows; i++) {
      values[i] = row(x, i);
    }
    return values;
  }

  @Override
  public void project(
      Tensor x, int rows, Tensor w, @Nullable Tensor bias, @Nullable Tensor plus, Tensor y) {
    float[][] weights = matrix(w, w.rows());
    for (int i = 0; i < rows; i++) {
      float[] in = row(x, i);
      float[] out = bias == null ? new float[w.rows()] : row(bias, 0);
      for (int o = 0; o < w.rows(); o++) {
        double sum = out[o];
        for (int c = 0; c < w.cols(); c++) {
          sum += (double) in[c] * weights[o][c];
        }
        out[o] = (float) sum + (plus == null ? 0 : CpuTensor.of(plus).get(i, o));
      }
      put(out, y, i);
    }
  }

  private static void set(float[] values, boolean add, Tensor x, int row) {
    if (add) {
      add(values, x, row);
    } else {
      put(values, x, row);
    }
  }

  @Override
  public void projectInput(Tensor dy, int rows, Tensor w, boolean add, Tensor dx) {
    float[][] weights = matrix(w, w.rows());
    for (int i = 0; i < rows; i++) {
      float[] dOut = row(dy, i);
      double[] dIn = new double[w.cols()];
      for (int o = 0; o < w.rows(); o++) {
        for (int c = 0; c < w.cols(); c++) {
          dIn[c] += (double) dOut[o] * weights[o][c];
        }
      }
      set(rounded(dIn), add, dx, i);
    }
  }

  @Override
  public void projectWeights(Tensor dy, Tensor x, int rows, Tensor dw, @Nullable Tensor dBias) {
    double[][] sum = new double[dw.rows()][dw.cols()];
    double[] biasSum = new double[dw.rows()];
    for (int i = 0; i < rows; i++) {
      float[] dOut = row(dy, i);
      float[] in = row(x, i);
      for (int o = 0; o < dw.rows(); o++) {
        biasSum[o] += dOut[o];
        for (int c = 0; c < dw.cols(); c++) {
          sum[o][c] += (double) dOut[o] * in[c];
        }
      }
    }
    for (int o = 0; o < dw.rows(); o++) {
      add(rounded(sum[o]), dw, o);
    }
    if (dBias != null) {
      add(rounded(biasSum), dBias, 0);
    }
  }

  @Override
  public void norm(Tensor x, int rows, Tensor w, float eps, Tensor y) {
    float[] weight = row(w, 0);
    for (int i = 0; i < rows; i++) {
      float[] values = row(x, i);
      norm(values, 0, weight, eps);
      put(values, y, i);
    }
  }

  private static float inverseRms(float[] x, int at, int n, float eps) {
    double squares = 0;
    for (int c = 0; c < n; c++) {
      squares += (double) x[at + c] * x[at + c];
    }
    return (float) (1 / Math.sqrt(squares / n + eps));
  }

  private static void norm(float[] x, int at, float[] weight, float eps) {
    float r = inverseRms(x, at, weight.length, eps);
    for (int c = 0; c < weight.length; c++) {
      x[at + c] *= r * weight[c];
    }
  }

  /** Turns dy into dx, in place, and adds to dw. */
  private static void normBackward(
      float[] dy, float[] x, int at, float[] weight, float eps, float[] dw) {
    int n = weight.length;
    float r = inverseRms(x, at, n, eps);
    double dot = 0;
    for (int c = 0; c < n; c++) {
      dot += (double) dy[at + c] * weight[c] * x[at + c];
    }
    float mean = (float) (dot / n);
    for (int c = 0; c < n; c++) {
      dw[c] += dy[at + c] * x[at + c] * r;
      dy[at + c] = r * (dy[at + c] * weight[c] - x[at + c] * r * r * mean);
    }
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
    float[] weight = row(w, 0);
    float[] sum = new float[weight.length];
    for (int i = 0; i < rows; i++) {
      float[] d = row(dy, i);
      normBackward(d, row(x, i), 0, weight, eps, sum);
      set(d, add, dx, i);
    }
    if (dw != null) {
      add(sum, dw, 0);
    }
  }

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
    int dim = heads.headDim();
    for (int i = 0; i < batch.rows(); i++) {
      float[] values = row(raw, i);
      float[] angles = row(rope, batch.position(i));
      for (int h = 0; h < heads.heads() + heads.kvHeads(); h++) {
        Tensor norm = h < heads.heads() ? queryNorm : keyNorm;
        if (norm != null) {
          norm(values, h * dim, row(norm, 0), eps);
        }
        rotate(values, h * dim, dim / 2, angles, 1);
      }
      put(values, qkv, i);
    }
  }

  /** Rotates a head by the angles, or with {@code sign} -1 back. */
  private static void rotate(float[] x, int at, int half, float[] angles, int sign) {
    for (int c = 0; c < half; c++) {
      float cos = angles[c];
      float sin = sign * angles[half + c];
      float a = x[at + c];
      float b = x[at + half + c];
      x[at + c] = a * cos - b * sin;
      x[at + half + c] = b * cos + a * sin;
    }
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
    int dim = heads.headDim();
    float[] querySum = new float[dim];
    float[] keySum = new float[dim];
    for (int i = 0; i < batch.rows(); i++) {
      float[] d = row(dqkv, i);
      float[] x = row(raw, i);
      float[] angles = row(rope, batch.position(i));
      for (int h = 0; h < heads.heads() + heads.kvHeads(); h++) {
        // A rotation's inverse is its transpose: the gradient is turned back.
        rotate(d, h * dim, dim / 2, angles, -1);
        boolean query = h < heads.heads();
        Tensor norm = query ? queryNorm : keyNorm;
        if (norm != null) {
          normBackward(d, x, h * dim, row(norm, 0), eps, query ? querySum : keySum);
        }
      }
      put(d, dqkv, i);
    }
    if (dQueryNorm != null) {
      add(querySum, dQueryNorm, 0);
    }
    if (dKeyNorm != null) {
      add(keySum, dKeyNorm, 0);
    }
  }

  /** The rows that a row of a run attends to, in order; those of the prefix tensor as -1 - row. */
  private static int[] context(PackedBatch batch, int row, int window) {
    int run = batch.runOf(row);
    int own = row - batch.firstRow(run) + 1;
    int[] all = new int[batch.before(run) + own];
    int n = 0;
    for (int i = 0; i < batch.prefixRows(run); i++) {
      all[n++] = -1 - (batch.prefixFrom(run) + i);
    }
    int parent = batch.parent(run);
    for (int i = 0; parent >= 0 && i < batch.length(parent); i++) {
      all[n++] = batch.firstRow(parent) + i;
    }
    for (int i = 0; i < own; i++) {
      all[n++] = batch.firstRow(run) + i;
    }
    return Arrays.copyOfRange(all, Math.max(0, n - Math.min(n, window)), n);
  }

  /** Where {@link #context} says a row is. */
  private static float[] at(float[][] qkv, float[][] prefix, int row) {
    return row < 0 ? prefix[-1 - row] : qkv[row];
  }

  private static float[][] matrix(@Nullable Tensor x) {
    return x == null ? new float[0][] : matrix(x, x.rows());
  }

  /** First column of the keys that query head {@code h} attends to; the values' is further on. */
  private static int keyColumn(Heads heads, int h) {
    return (heads.heads() + h / (heads.heads() / heads.kvHeads())) * heads.headDim();
  }

  private static double score(float[] qkv, float[] other, Heads heads, int h) {
    double dot = 0;
    int query = h * heads.headDim();
    int key = keyColumn(heads, h);
    for (int c = 0; c < heads.headDim(); c++) {
      dot += (double) qkv[query + c] * other[key + c];
    }
    return dot / Math.sqrt(heads.headDim());
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
    int dim = heads.headDim();
    float[][] rows = matrix(qkv, batch.rows());
    float[][] before = matrix(prefix);
    for (int w = 0; w < (wanted == null ? batch.rows() : wanted.length); w++) {
      int i = wanted == null ? w : wanted[w];
      int[] context = context(batch, i, window);
      for (int h = 0; h < heads.heads(); h++) {
        double[] scores = new double[context.length];
        double max = Double.NEGATIVE_INFINITY;
        for (int j = 0; j < context.length; j++) {
          scores[j] = score(rows[i], at(rows, before, context[j]), heads, h);
          max = Math.max(max, scores[j]);
        }
        double sum = 0;
        for (double score : scores) {
          sum += Math.exp(score - max);
        }
        double normaliser = max + Math.log(sum);
        CpuTensor.of(logSumExp).set(w, h, (float) normaliser);
        int value = keyColumn(heads, h) + heads.kvHeads() * dim;
        double[] mixed = new double[dim];
        for (int j = 0; j < context.length; j++) {
          double p = Math.exp(scores[j] - normaliser);
          float[] other = at(rows, before, context[j]);
          for (int c = 0; c < dim; c++) {
            mixed[c] += p * other[value + c];
          }
        }
        for (int c = 0; c < dim; c++) {
          CpuTensor.of(out).set(w, h * dim + c, (float) mixed[c]);
        }
      }
    }
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
    int dim = heads.headDim();
    double[][] d = new double[batch.rows()][heads.columns()];
    double scale = 1 / Math.sqrt(dim);
    float[][] rows = matrix(qkv, batch.rows());
    float[][] before = matrix(prefix);
    int count = wanted == null ? batch.rows() : wanted.length;
    float[][] g = matrix(dOut, count);
    float[][] y = matrix(out, count);
    for (int w = 0; w < count; w++) {
      int i = wanted == null ? w : wanted[w];
      int[] context = context(batch, i, window);
      for (int h = 0; h < heads.heads(); h++) {
        int query = h * dim;
        int key = keyColumn(heads, h);
        int value = key + heads.kvHeads() * dim;
        double delta = 0;
        for (int c = 0; c < dim; c++) {
          delta += (double) g[w][query + c] * y[w][query + c];
        }
        for (int j : context) {
          float[] other = at(rows, before, j);
          double p = Math.exp(score(rows[i], other, heads, h) - CpuTensor.of(logSumExp).get(w, h));
          double dp = 0;
          for (int c = 0; c < dim; c++) {
            dp += (double) g[w][query + c] * other[value + c];
            if (j >= 0) {
              d[j][value + c] += p * g[w][query + c];
            }
          }
          double dScore = p * (dp - delta) * scale;
          for (int c = 0; c < dim; c++) {
            d[i][query + c] += dScore * other[key + c];
            if (j >= 0) {
              d[j][key + c] += dScore * rows[i][query + c];
            }
          }
        }
      }
    }
    for (int i = 0; i < batch.rows(); i++) {
      put(rounded(d[i]), dqkv, i);
    }
  }

  @Override
  public void gate(Tensor gateUp, int rows, Tensor hidden) {
    int n = hidden.cols();
    for (int i = 0; i < rows; i++) {
      float[] in = row(gateUp, i);
      float[] values = new float[n];
      for (int c = 0; c < n; c++) {
        values[c] = in[c] * sigmoid(in[c]) * in[n + c];
      }
      put(values, hidden, i);
    }
  }

  private static float sigmoid(float x) {
    return (float) (1 / (1 + Math.exp(-x)));
  }

  @Override
  public void gateBackward(Tensor dHidden, Tensor gateUp, int rows, Tensor dGateUp) {
    int n = dHidden.cols();
    for (int i = 0; i < rows; i++) {
      float[] in = row(gateUp, i);
      float[] d = row(dHidden, i);
      float[] values = new float[2 * n];
      for (int c = 0; c < n; c++) {
        float s = sigmoid(in[c]);
        values[c] = d[c] * in[n + c] * s * (1 + in[c] * (1 - s));
        values[n + c] = d[c] * in[c] * s;
      }
      put(values, dGateUp, i);
    }
  }

  @Override
  public void embedBackward(Tensor dx, int[] ids, int offset, int rows, Tensor dTable) {
    scatterAdd(dx, ids, offset, rows, dTable);
  }

  @Override
  public void gather(Tensor from, int[] at, int offset, int rows, Tensor to) {
    for (int i = 0; i < rows; i++) {
      put(row(from, at[offset + i]), to, i);
    }
  }

  @Override
  public void scatterAdd(Tensor from, int[] at, int offset, int rows, Tensor to) {
    for (int i = 0; i < rows; i++) {
      add(row(from, i), to, at[offset + i]);
    }
  }

  @Override
  public void addRows(Tensor from, int fromRow, Tensor to, int toRow, int rows) {
    for (int i = 0; i < rows; i++) {
      add(row(from, fromRow + i), to, toRow + i);
    }
  }

  @Override
  public void multiplyRow(Tensor row, int fromRow, Tensor by, int rows, Tensor out, int outRow) {
    float[] factor = row(row, fromRow);
    for (int i = 0; i < rows; i++) {
      float[] values = row(by, i);
      for (int c = 0; c < values.length; c++) {
        values[c] *= factor[c];
      }
      put(values, out, outRow + i);
    }
  }

  @Override
  public void multiplyRowBackward(
      Tensor dOut,
      int outRow,
      Tensor row,
      int fromRow,
      Tensor by,
      int rows,
      Tensor dRow,
      int toRow,
      Tensor dBy) {
    float[] factor = row(row, fromRow);
    float[] sum = new float[factor.length];
    for (int i = 0; i < rows; i++) {
      float[] d = row(dOut, outRow + i);
      float[] other = row(by, i);
      for (int c = 0; c < d.length; c++) {
        sum[c] += d[c] * other[c];
        d[c] *= factor[c];
      }
      add(d, dBy, i);
    }
    put(sum, dRow, toRow);
  }

  @Override
  public void zero(Tensor x, int rows) {
    CpuTensor t = CpuTensor.of(x);
    t.data().asSlice(0, rows * t.stride()).fill((byte) 0);
  }

  @Override
  public void logProbabilities(
      Tensor logits,
      int rows,
      int[] targets,
      int offset,
      float[] logprobs,
      float[] logSumExp,
      float @Nullable [] entropies) {
    for (int i = 0; i < rows; i++) {
      float[] l = row(logits, i);
      float max = Float.NEGATIVE_INFINITY;
      for (float value : l) {
        max = Math.max(max, value);
      }
      double sum = 0;
      double weighted = 0;
      for (float value : l) {
        double e = Math.exp(value - max);
        sum += e;
        weighted += e * (value - max);
      }
      double normaliser = max + Math.log(sum);
      logSumExp[offset + i] = (float) normaliser;
      logprobs[offset + i] = (float) (l[targets[offset + i]] - normaliser);
      if (entropies != null) {
        entropies[offset + i] = (float) (Math.log(sum) - weighted / sum);
      }
    }
  }

  @Override
  public void logProbabilitiesBackward(
      Tensor logits, int rows, int[] targets, int offset, float[] logSumExp, float[] coefficients) {
    for (int i = 0; i < rows; i++) {
      float[] l = row(logits, i);
      float coefficient = coefficients[offset + i];
      for (int c = 0; c < l.length; c++) {
        l[c] = -coefficient * (float) Math.exp(l[c] - logSumExp[offset + i]);
      }
      l[targets[offset + i]] += coefficient;
      put(l, logits, i);
    }
  }

  @Override
  public double sumOfSquares(Tensor x) {
    double sum = 0;
    for (int i = 0; i < x.rows(); i++) {
      for (float value : row(x, i)) {
        sum += (double) value * value;
      }
    }
    return sum;
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
    double correction1 = 1 - Math.pow(settings.beta1(), step);
    double correction2 = 1 - Math.pow(settings.beta2(), step);
    for (int i = 0; i < p.rows(); i++) {
      float[] parameters = row(p, i);
      float[] gradients = row(g, i);
      float[] first = row(m, i);
      float[] second = row(v, i);
      for (int c = 0; c < parameters.length; c++) {
        float d = gradients[c] * gradientScale;
        first[c] = settings.beta1() * first[c] + (1 - settings.beta1()) * d;
        second[c] = settings.beta2() * second[c] + (1 - settings.beta2()) * d * d;
        double direction =
            first[c] / correction1 / (Math.sqrt(second[c] / correction2) + settings.eps());
        parameters[c] =
            (float)
                (parameters[c] * (1 - learningRate * settings.decay()) - learningRate * direction);
      }
      put(parameters, p, i);
      put(first, m, i);
      put(second, v, i);
    }
  }

  @Override
  public void muon(List<Matrix> matrices, Muon settings, float learningRate, float gradientScale) {
    for (Matrix matrix : matrices) {
      muon(matrix, settings, learningRate, gradientScale);
    }
  }

  private static void muon(Matrix matrix, Muon settings, float learningRate, float scale) {
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

  @Override
  public void roundToBf16(Tensor from, Tensor to) {
    for (int i = 0; i < from.rows(); i++) {
      float[] values = row(from, i);
      for (int c = 0; c < values.length; c++) {
        values[c] = Float.intBitsToFloat(bf16(values[c]) << Short.SIZE);
      }
      put(values, to, i);
    }
  }

  /** The upper half of the number, rounded to nearest, ties to even; a NaN stays one. */
  static int bf16(float value) {
    int bits = Float.floatToRawIntBits(value);
    if (Float.isNaN(value)) {
      return (bits >>> 16) | 0x40;
    }
    return (bits + 0x7FFF + ((bits >>> 16) & 1)) >>> 16;
  }
}
