package io.lrt4j.compute.cpu;

import io.lrt4j.compute.PackedBatch;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend.Heads;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** Attention over a packed batch in plain Java, forward and back: row by row, head by head. */
final class ScalarTrainingAttention {
  private ScalarTrainingAttention() {}

  static void forward(
      Tensor qkv,
      @Nullable Tensor prefix,
      PackedBatch batch,
      Heads heads,
      int window,
      int @Nullable [] wanted,
      Tensor out,
      Tensor logSumExp) {
    int dim = heads.headDim();
    float[][] rows = ScalarTraining.matrix(qkv, batch.rows());
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

  static void backward(
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
    float[][] rows = ScalarTraining.matrix(qkv, batch.rows());
    float[][] before = matrix(prefix);
    int count = wanted == null ? batch.rows() : wanted.length;
    float[][] g = ScalarTraining.matrix(dOut, count);
    float[][] y = ScalarTraining.matrix(out, count);
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
      CpuTraining.put(ScalarTraining.rounded(d[i]), dqkv, i);
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
    return x == null ? new float[0][] : ScalarTraining.matrix(x, x.rows());
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
}
