package io.lrt4j.compute.cpu;

import io.lrt4j.Quantization;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.RoundedRow;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.TrainingBackend;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The readable truth: every operation in plain Java, one thread, in the order of its formula. All
 * others are held against it.
 */
public final class ScalarBackend extends CpuBackend {
  /** Sums that are made at once. */
  private static final int SIDE_BY_SIDE = 4;

  private final ScalarTraining training = new ScalarTraining(this);

  /** A backend without threads of its own. */
  public ScalarBackend() {}

  @Override
  public String name() {
    return "scalar";
  }

  @Override
  public String describe() {
    return "plain Java, 1 thread";
  }

  @Override
  public Memory newMemory() {
    return newMemory(Quantization.NONE);
  }

  @Override
  public Memory newMemory(Quantization quantization) {
    return new CpuMemory(quantization, CpuMemory.Rounded.IN_ROWS);
  }

  @Override
  public void norm(Tensor x, int rows, Tensor weight, float eps, Tensor out) {
    CpuTensor in = CpuTensor.of(x);
    CpuTensor o = CpuTensor.of(out);
    float[] row = new float[in.cols()];
    for (int i = 0; i < rows; i++) {
      read(x, i, row, 1);
      rmsNorm(row, 0, row.length, CpuTensor.of(weight), eps);
      write(row, o, i, 1);
    }
  }

  private static void rmsNorm(float[] x, int from, int n, CpuTensor weight, float eps) {
    float squares = 0;
    for (int c = 0; c < n; c++) {
      squares += x[from + c] * x[from + c];
    }
    float scale = (float) (1 / Math.sqrt(squares / n + eps));
    for (int c = 0; c < n; c++) {
      x[from + c] = x[from + c] * scale * weight.get(0, c);
    }
  }

  @Override
  public void project(Tensor x, int rows, Linear p, Tensor out) {
    project(x, rows, p, out, false);
  }

  @Override
  public void projectAdd(Tensor x, int rows, Linear p, Tensor y) {
    project(x, rows, p, y, true);
  }

  private void project(Tensor x, int rows, Linear p, Tensor out, boolean add) {
    CpuTensor o = CpuTensor.of(out);
    float[][] in = new float[rows][x.cols()];
    for (int i = 0; i < rows; i++) {
      read(x, i, in[i], 1);
    }
    int col = 0;
    for (CpuLinear.Part part : CpuLinear.of(p).parts()) {
      CpuTensor weight = part.weight();
      boolean rounds = RoundedRow.suits(weight.dtype());
      List<RoundedRow> rounded =
          rounds ? Arrays.stream(in).map(RoundedRow::new).toList() : List.of();
      float[][] weights = new float[SIDE_BY_SIDE][weight.cols()];
      float[] sums = new float[SIDE_BY_SIDE];
      for (int first = 0; first < weight.rows(); first += SIDE_BY_SIDE) {
        int count = Math.min(SIDE_BY_SIDE, weight.rows() - first);
        for (int c = 0; c < count && !rounds; c++) {
          weight.read(first + c, weights[c], weights[c].length);
        }
        for (int i = 0; i < rows; i++) {
          if (rounds) {
            for (int c = 0; c < count; c++) {
              sums[c] = rounded.get(i).dot(weight.dtype(), weight.data(), weight.row(first + c));
            }
          } else {
            dots(in[i], 0, weight.cols(), weights, 0, sums);
          }
          for (int c = 0; c < count; c++) {
            float sum = part.bias() == null ? sums[c] : sums[c] + part.bias().get(0, first + c);
            int at = col + first + c;
            o.set(i, at, add ? o.get(i, at) + sum : sum);
          }
        }
      }
      col += weight.rows();
    }
  }

  /**
   * Products with rows from {@code first} on, or the last one again: every sum in the order of its
   * elements, several side by side, as each addition waits for the one before.
   */
  private static void dots(float[] x, int from, int n, float[][] rows, int first, float[] sums) {
    float[] a = rows[first];
    float[] b = rows[Math.min(first + 1, rows.length - 1)];
    float[] c = rows[Math.min(first + 2, rows.length - 1)];
    float[] d = rows[Math.min(first + 3, rows.length - 1)];
    float sumA = 0;
    float sumB = 0;
    float sumC = 0;
    float sumD = 0;
    for (int k = 0; k < n; k++) {
      float factor = x[from + k];
      sumA += factor * a[k];
      sumB += factor * b[k];
      sumC += factor * c[k];
      sumD += factor * d[k];
    }
    sums[0] = sumA;
    sums[1] = sumB;
    sums[2] = sumC;
    sums[3] = sumD;
  }

  @Override
  public void normProject(Tensor x, int rows, Tensor norm, float eps, Linear p, Tensor out) {
    try (var scratch = CpuMemory.ofThisThread()) {
      Tensor normed = scratch.allocate(rows, x.cols());
      norm(x, rows, norm, eps, normed);
      project(normed, rows, p, out);
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
    CpuTensor x = CpuTensor.of(qkv);
    for (int i = 0; i < batch.rows(); i++) {
      int run = batch.runOf(i);
      KvCache cache = batch.cache(run);
      int position = batch.position(run, i);
      int dim = cache.headDim();
      int heads = x.cols() / dim - 2 * cache.kvHeads();
      float[] row = new float[x.cols()];
      read(x, i, row, 1);
      for (int h = 0; h < heads + cache.kvHeads(); h++) {
        Tensor norm = h < heads ? queryNorm : keyNorm;
        if (norm != null) {
          rmsNorm(row, h * dim, dim, CpuTensor.of(norm), eps);
        }
        rotate(row, h * dim, dim, CpuTensor.of(rope), position);
      }
      write(row, x, i, 1);
      CpuTensor block = block(cache, position);
      int at = position % cache.blockLength();
      for (int h = 0; h < cache.kvHeads(); h++) {
        block.write(cache.keyRow(layer, h) + at, row, (heads + h) * dim, dim);
        block.write(cache.valueRow(layer, h) + at, row, (heads + cache.kvHeads() + h) * dim, dim);
      }
    }
  }

  private static void rotate(float[] x, int from, int dim, CpuTensor rope, int position) {
    int half = dim / 2;
    for (int c = 0; c < half; c++) {
      float cos = rope.get(position, c);
      float sin = rope.get(position, half + c);
      float a = x[from + c];
      float b = x[from + half + c];
      x[from + c] = a * cos - b * sin;
      x[from + half + c] = b * cos + a * sin;
    }
  }

  @Override
  public void attend(Tensor qkv, Batch batch, int layer, int heads, int window, Tensor out) {
    CpuTensor q = CpuTensor.of(qkv);
    CpuTensor o = CpuTensor.of(out);
    for (int run = 0; run < batch.runs(); run++) {
      KvCache cache = batch.cache(run);
      int first = batch.firstRow(run);
      int next = batch.firstRow(run + 1);
      int dim = cache.headDim();
      int group = heads / cache.kvHeads();
      int from = Math.max(0, batch.position(run, first) + 1 - window);
      int to = batch.position(run, next);
      float[][] queries = new float[next - first][heads * dim];
      for (int i = first; i < next; i++) {
        q.read(i, queries[i - first], heads * dim);
      }
      for (int h = 0; h < heads; h += group) {
        float[][] keys = read(cache, cache.keyRow(layer, h / group), from, to);
        float[][] values = read(cache, cache.valueRow(layer, h / group), from, to);
        for (int i = first; i < next; i++) {
          int end = batch.position(run, i) + 1 - from;
          int start = Math.max(0, end - window);
          for (int at = h * dim; at < (h + group) * dim; at += dim) {
            float[] mixed = attend(queries[i - first], at, keys, values, start, end);
            for (int c = 0; c < dim; c++) {
              o.set(i, at + c, mixed[c]);
            }
          }
        }
      }
    }
  }

  /** Keys or values of some positions. */
  private static float[][] read(KvCache cache, int row, int from, int to) {
    float[][] read = new float[to - from][cache.headDim()];
    for (int p = from; p < to; p++) {
      block(cache, p).read(row + p % cache.blockLength(), read[p - from], cache.headDim());
    }
    return read;
  }

  private static float[] attend(
      float[] queries, int at, float[][] keys, float[][] values, int start, int end) {
    int dim = keys[start].length;
    float[] weights = new float[end];
    float max = Float.NEGATIVE_INFINITY;
    float[] scores = new float[SIDE_BY_SIDE];
    for (int first = start; first < end; first += SIDE_BY_SIDE) {
      dots(queries, at, dim, keys, first, scores);
      for (int p = first; p < Math.min(first + SIDE_BY_SIDE, end); p++) {
        weights[p] = (float) (scores[p - first] / Math.sqrt(dim));
        max = Math.max(max, weights[p]);
      }
    }
    float sum = 0;
    float[] mixed = new float[dim];
    for (int p = start; p < end; p++) {
      float weight = (float) Math.exp(weights[p] - max);
      float[] value = values[p];
      sum += weight;
      for (int c = 0; c < dim; c++) {
        mixed[c] += weight * value[c];
      }
    }
    for (int c = 0; c < dim; c++) {
      mixed[c] /= sum;
    }
    return mixed;
  }

  private static CpuTensor block(KvCache cache, int position) {
    return CpuTensor.of(cache.block(position / cache.blockLength()));
  }

  @Override
  public void gatedMlp(
      Tensor x, int rows, Tensor norm, float eps, Linear gateUp, Linear down, Tensor scratch) {
    normProject(x, rows, norm, eps, gateUp, scratch);
    CpuTensor s = CpuTensor.of(scratch);
    int width = down.in();
    try (var memory = CpuMemory.ofThisThread()) {
      CpuTensor hidden = memory.allocate(rows, width);
      float[] row = new float[2 * width];
      for (int i = 0; i < rows; i++) {
        s.read(i, row, row.length);
        for (int c = 0; c < width; c++) {
          float gate = row[c];
          row[c] = (float) (gate / (1 + Math.exp(-gate))) * row[width + c];
        }
        hidden.write(i, row, 0, width);
      }
      projectAdd(hidden, rows, down, x);
    }
  }

  @Override
  public void summarize(Tensor logits, int from, int rows, LogitSummary[] summaries) {
    for (int i = 0; i < rows; i++) {
      summarize(logits, from + i, summaries[i]);
    }
  }

  @Override
  public void summarize(Tensor logits, int row, LogitSummary summary) {
    summarize(CpuTensor.of(logits), row, summary);
    float[] all = new float[logits.cols()];
    CpuTensor.of(logits).read(row, all, all.length);
    double sum = 0;
    for (float logit : all) {
      sum += Math.exp(logit - summary.max);
    }
    summary.logSumExp = (float) (summary.max + Math.log(sum));
  }

  /** Fills in argmax, max and second: one pass that any CPU backend may use. */
  static void summarize(CpuTensor logits, int row, LogitSummary summary) {
    int argmax = 0;
    float max = Float.NEGATIVE_INFINITY;
    float second = Float.NEGATIVE_INFINITY;
    long offset = logits.row(row);
    for (int c = 0; c < logits.cols(); c++) {
      float value = logits.data().get(CpuTensor.FLOAT, offset + c * 4L);
      if (value > second) {
        if (value > max) {
          second = max;
          max = value;
          argmax = c;
        } else {
          second = value;
        }
      }
    }
    summary.argmax = argmax;
    summary.max = max;
    summary.second = second;
  }

  @Override
  public TrainingBackend training() {
    return training;
  }

  @Override
  public void close() {}
}
