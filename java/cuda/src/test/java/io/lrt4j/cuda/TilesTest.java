package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.Fixtures;
import io.lrt4j.Quantization;
import io.lrt4j.TestModels;
import io.lrt4j.checkpoint.Checkpoint;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Memory.Part;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import io.lrt4j.compute.cpu.ScalarBackend;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Weights;
import io.lrt4j.model.Workspace;
import java.io.IOException;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Rows that are read go through cuBLAS, and are what they are whatever is beside them. */
class TilesTest extends OnDevice {
  private static final float EPS = 1e-6f;

  private final ScalarBackend scalar = new ScalarBackend();

  TilesTest() {
    super(5);
  }

  private interface Operation {
    void run(Backend backend, Memory memory, Tensor x, Tensor y);
  }

  /** What becomes of {@code y}, one row of which is left as it is. */
  private static float[] result(Backend b, float[] x, float[] y, int rows, Operation operation) {
    try (Memory memory = b.newMemory()) {
      int cols = y.length / rows;
      Tensor in = memory.allocate(rows, x.length / rows);
      Tensor out = memory.allocate(rows + 1, cols);
      b.write(x, in, 0, rows);
      b.write(Arrays.copyOf(y, y.length + cols), out, 0, rows + 1);
      operation.run(b, memory, in, out);
      float[] all = new float[y.length + cols];
      b.read(out, 0, all, rows + 1);
      for (int i = y.length; i < all.length; i++) {
        assertEquals(0, all[i], "wrote into a further row");
      }
      return Arrays.copyOf(all, y.length);
    }
  }

  private static int[][] shapes() { // written, read, in, out
    return new int[][] {{0, 1, 13, 5}, {3, 2, 64, 33}, {2, 129, 40, 31}, {9, 260, 17, 9}};
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "F16", "BF16"})
  void likeScalar(DType dtype) {
    var numbers = new Numbers(1);
    for (int[] shape : shapes()) {
      int written = shape[0];
      int rows = written + shape[1];
      int in = shape[2];
      int out = shape[3];
      Weight norm = numbers.scales(in);
      Part first = new Part(numbers.weight(dtype, out, in), numbers.scales(out));
      Part second = new Part(numbers.weight(DType.BF16, 3, in), null);
      Part down = new Part(numbers.weight(dtype, in, out), null);
      Part up = new Part(numbers.weight(dtype, out, in), null);
      float[] x = numbers.normal(rows * in, 0, 1);
      float[] y = numbers.normal(rows * out, 0, 1);
      String what = dtype + " " + Arrays.toString(shape);
      compare(
          "normProject " + what,
          x,
          new float[rows * (out + 3)],
          rows,
          (b, m, i, o) ->
              b.normProject(
                  i, written, rows, m.weight(norm), EPS, m.linear(List.of(first, second)), o));
      compare(
          "projectAdd " + what,
          x,
          y,
          rows,
          (b, m, i, o) -> b.projectAdd(i, written, rows, m.linear(List.of(first)), o));
      for (Part other : List.of(up, new Part(numbers.weight(DType.F32, out, in), null))) {
        compare(
            "gatedMlp " + what,
            new float[rows],
            x,
            rows,
            (b, m, _, o) ->
                b.gatedMlp(
                    o,
                    written,
                    rows,
                    m.weight(norm),
                    EPS,
                    m.linear(List.of(first, other)),
                    m.linear(List.of(down)),
                    m.allocate(rows, 2 * out)));
      }
    }
  }

  private void compare(String what, float[] x, float[] y, int rows, Operation operation) {
    Close.assertClose(
        result(scalar, x, y, rows, operation), result(cuda, x, y, rows, operation), what);
  }

  /** To the bit, wherever a row stands in its tile. */
  @Test
  void aRowInCompanyIsTheRowAlone() {
    var numbers = new Numbers(2);
    int in = 203;
    int out = 37;
    float[] x = numbers.normal(132 * in, 0, 1);
    Weight norm = numbers.scales(in);
    List<Part> parts = List.of(new Part(numbers.weight(DType.BF16, out, in), null));
    float[] together = products(x, 2, norm, parts, out);
    for (int row : new int[] {0, 1, 2, 3, 66, 129, 130, 131}) {
      float[] one = Arrays.copyOfRange(x, row * in, (row + 1) * in);
      float[] alone = products(one, row < 2 ? 1 : 0, norm, parts, out);
      assertArrayEquals(
          alone, Arrays.copyOfRange(together, row * out, (row + 1) * out), "row " + row);
    }
  }

  /** Of matrices as large as models have, whose sums it may split among blocks. */
  @Test
  @Tag("large")
  void aRowInCompanyIsTheRowAloneInLargeMatrices() {
    var numbers = new Numbers(7);
    int[][] shapes = {{1024, 4096}, {2048, 1024}, {1024, 6144}, {3072, 1024}, {8960, 1536}};
    for (int[] shape : shapes) {
      int in = shape[0];
      int out = shape[1];
      float[] x = numbers.normal(130 * in, 0, 1);
      Weight norm = numbers.scales(in);
      Weight weight = numbers.weight(DType.BF16, out, in);
      List<Part> parts = List.of(new Part(weight, numbers.scales(out)));
      float[] together = products(x, 0, norm, parts, out);
      for (int row : new int[] {0, 1, 15, 16, 63, 64, 127, 128, 129}) {
        float[] one = Arrays.copyOfRange(x, row * in, (row + 1) * in);
        assertArrayEquals(
            products(one, 0, norm, parts, out),
            Arrays.copyOfRange(together, row * out, (row + 1) * out),
            "row " + row + " of " + Arrays.toString(shape));
      }
    }
  }

  private float[] products(float[] x, int written, Weight norm, List<Part> parts, int out) {
    int rows = x.length / norm.cols();
    return result(
        cuda,
        x,
        new float[rows * out],
        rows,
        (b, m, i, o) -> b.normProject(i, written, rows, m.weight(norm), EPS, m.linear(parts), o));
  }

  /** Where rounding was allowed, an activation is the nearest bf16; else 16 bits of it are left. */
  @Test
  void activations() {
    assumeTrue(CublasLibrary.here().missing().isEmpty(), "no cuBLAS");
    float[] x = new Numbers(3).normal(64, 0, 1);
    x[0] = 1 + 0x1p-8f; // between two: the even one
    x[1] = 1 + 3 * 0x1p-8f;
    x[2] = -0x1.fffp120f;
    float[] identity = new float[64 * 64];
    for (int i = 0; i < 64; i++) {
      identity[65 * i] = 1;
    }
    Weight weight = new Numbers(4).weight(DType.BF16, 64, 64, identity, 1);
    for (Quantization q : List.of(Quantization.NONE, Quantization.BF16)) {
      try (Memory memory = cuda.newMemory(q)) {
        Linear linear = memory.linear(List.of(new Part(weight, null)));
        Tensor in = memory.allocate(1, 64);
        Tensor out = memory.allocate(1, 64);
        cuda.write(x, in, 0, 1);
        cuda.projectAdd(in, 0, 1, linear, out);
        float[] got = new float[64];
        cuda.read(out, 0, got, 1);
        for (int i = 0; i < 64; i++) {
          float nearest = bf16(x[i]);
          float expected = q == Quantization.BF16 ? nearest : nearest + bf16(x[i] - nearest);
          assertEquals(expected, got[i], q + " of " + x[i]);
        }
      }
    }
  }

  private static float bf16(float x) {
    int bits = Float.floatToRawIntBits(x);
    return Float.intBitsToFloat((bits + 0x7FFF + (bits >>> 16 & 1)) & 0xFFFF0000);
  }

  /** A question's hidden states are the same to the bit beside others, and in other portions. */
  @Test
  void aQuestionInCompanyIsTheQuestionAlone() {
    try (Checkpoint checkpoint = Checkpoint.open(Fixtures.dir(TestModels.BASE));
        Memory memory = cuda.newMemory();
        Transformer model = load(checkpoint, memory);
        Workspace w = model.newWorkspace(64, 1)) {
      int[] ids = new Numbers(6).ids(60, model.config().vocabSize());
      float[] alone = new float[30 * model.config().hiddenSize()];
      try (KvCache cache = model.newCache()) {
        step(model, w, new Batch(1).read(cache, 30, 30), ids, 0, 0, alone);
      }
      float[] beside = new float[alone.length];
      try (KvCache other = model.newCache();
          KvCache third = model.newCache();
          KvCache cache = model.newCache()) {
        step(model, w, new Batch(1).read(other, 5, 1), ids, 40, 0, new float[0]);
        Batch first = new Batch(3).add(other, 1, 1).read(third, 20, 1).read(cache, 13, 13);
        step(model, w, first, both(ids, 34, 21, 13, 0), 0, 2, beside);
        Batch second = new Batch(3).add(other, 1, 1).read(cache, 17, 17);
        float[] rest = new float[17 * model.config().hiddenSize()];
        step(model, w, second, both(ids, 34, 1, 17, 13), 0, 1, rest);
        System.arraycopy(rest, 0, beside, alone.length - rest.length, rest.length);
      }
      assertArrayEquals(alone, beside);
    }
  }

  /** Some ids from {@code from} on, then {@code more} of the first 30 from {@code at} on. */
  private static int[] both(int[] ids, int from, int count, int more, int at) {
    int[] all = Arrays.copyOfRange(ids, from, from + count + more);
    System.arraycopy(ids, at, all, count, more);
    return all;
  }

  private Transformer load(Checkpoint checkpoint, Memory memory) {
    Weights weights = Weights.of(checkpoint.config(), "model.", checkpoint.on(memory));
    return new Transformer(checkpoint.config(), weights, cuda);
  }

  /** Runs a batch; final hidden states from its wanted row {@code row} on go to {@code hidden}. */
  private void step(
      Transformer model, Workspace w, Batch batch, int[] ids, int at, int row, float[] hidden) {
    model.embed(ids, at, batch.rows(), w.x);
    model.forward(batch, w);
    int rows = Math.min(batch.wanted().rows() - row, hidden.length / model.config().hiddenSize());
    cuda.read(w.hidden, row, hidden, rows);
  }

  @Test
  void whatIsUsedIsNamed() {
    assumeTrue(Emulator.isThere(), "elsewhere it is what there is");
    assertTrue(cuda.describe().endsWith(", cuBLAS 12.3.2 for text that is read"), cuda.describe());
    assertEquals("cuBLAS of libcublas.so.12", CublasLibrary.here().describe());
    assertEquals(
        "no cuBLAS: neither libcublas.so.1 nor libcublas.so.2 can be loaded (the CUDA toolkit has"
            + " it)",
        CublasLibrary.load(List.of("libcublas.so.1", "libcublas.so.2")).describe());
  }

  /** JCublas, which is linked with cuBLAS 12, on that of CUDA 13: in a process of its own. */
  @Test
  void throughTheBridge() throws IOException, InterruptedException {
    assumeTrue(Emulator.isThere(), "elsewhere it is what there is");
    Path cublas = Fixtures.dir("cuda13");
    var process =
        new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-XX:TieredStopAtLevel=1",
            "--enable-native-access=ALL-UNNAMED",
            "-cp",
            System.getProperty("java.class.path"),
            Bridged.class.getName());
    process.environment().put("LD_LIBRARY_PATH", cublas + ":" + cublas.resolveSibling(""));
    Process running = process.redirectErrorStream(true).start();
    String output =
        new String(running.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    assertTrue(running.waitFor(60, TimeUnit.SECONDS));
    assertEquals("cuBLAS of libcublas.so.13, 13.3.2: 11.0", output);
  }

  /** Multiplies something. */
  static final class Bridged {
    public static void main(String[] args) {
      String found = CublasLibrary.load(List.of("libcublas.so.13")).describe();
      Driver.missing().ifPresent(System.out::println);
      try (Device device = Device.open()) {
        device.begin();
        device.enter();
        Cublas cublas = Objects.requireNonNull(device.cublas());
        var memory = new CudaMemory(device);
        long w =
            memory
                .weight(new Numbers(1).weight(DType.BF16, 2, 2, new float[] {9, 9, 1, 2}, 2))
                .row(0);
        long x =
            memory
                .weight(new Numbers(1).weight(DType.BF16, 2, 2, new float[] {3, 4, 0, 0}, 2))
                .row(0);
        CudaTensor y = memory.allocate(2, 2);
        cublas.prepare();
        device.synchronize("a test");
        cublas.multiply(w, 2, 2, x, 2, y.row(0));
        float product = device.slots().read(y.data(), 16).getAtIndex(ValueLayout.JAVA_FLOAT, 1);
        System.out.println(found + ", " + cublas.version() + ": " + product);
        device.end();
      }
    }
  }
}
