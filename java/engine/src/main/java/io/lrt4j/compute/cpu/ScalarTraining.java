package io.lrt4j.compute.cpu;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The readable truth of training: every operation in plain Java, in the order of its formula, sums
 * in f64.
 */
final class ScalarTraining extends CpuTraining {
  ScalarTraining(Backend backend) {
    super(backend);
  }

  static float[] rounded(double[] values) {
    float[] rounded = new float[values.length];
    for (int i = 0; i < values.length; i++) {
      rounded[i] = (float) values[i];
    }
    return rounded;
  }

  /** The first rows. */
  static float[][] matrix(Tensor x, int rows) {
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
    ScalarTrainingAttention.forward(qkv, prefix, batch, heads, window, wanted, out, logSumExp);
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
    ScalarTrainingAttention.backward(
        dOut, qkv, prefix, batch, heads, window, wanted, out, logSumExp, dqkv);
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
      ScalarMuon.step(matrix, settings, learningRate, gradientScale);
    }
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
