package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.N;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.compute.DType;
import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Four inner products at once are those of one at a time, to the bit, and read nothing else. */
class F32DotTest {
  private static final F32Dot DOT = F32Dot.INSTANCE;

  /** Of heads and of rows of weights, whose four lie next to each other or in runs of their own. */
  @ParameterizedTest
  @ValueSource(ints = {1, 3, 4, 5, 8, 13, 16, 31, 37, 63, 64, 72, 80, 96, 128, 207, 1001})
  void four(int n) {
    int body = DOT.body(n);
    assertEquals(n - n % N, body);
    Numbers numbers = new Numbers(n);
    for (int apart : new int[] {1, 2, 7, 16}) {
      int before = numbers.below(3); // elements of x, rows of w
      float[] x = new float[before + n + 1];
      Arrays.fill(x, Float.NaN);
      System.arraycopy(numbers.normal(body, 0, 1), 0, x, before, body);
      try (var memory = new GuardedMemory()) {
        int rows = before + 3 * apart + 1;
        CpuTensor w = memory.tensor(DType.F32, rows, n, numbers.below(64));
        w.data().fill((byte) 0xFF); // NaN
        float[] expected = new float[4 * N + 1]; // of lanes
        expected[4 * N] = Float.NaN;
        for (int j = 0; j < 4; j++) {
          float[] values = numbers.normal(body, 0, 1);
          w.write(before + j * apart, values, 0, body);
          for (int k = 0; k < body; k++) {
            int lane = j * N + k % N;
            expected[lane] = Math.fma(x[before + k], values[k], expected[lane]);
          }
        }
        memory.record(w);
        long at = w.row(before);
        long stride = apart * w.stride();
        float[] lanes = new float[4 * N + 1];
        Arrays.fill(lanes, Float.NaN);
        DOT.dot1x4(x, before, w.data(), at, stride, body, lanes);
        assertArrayEquals(expected, lanes, () -> n + " elements, " + apart + " rows apart");
        Arrays.fill(lanes, Float.NaN);
        long address = ByAddress.of(w.data(), at, 3 * stride + 4L * body);
        DOT.dot1x4ByAddress(x, before, w.data(), address, stride, body, lanes);
        assertArrayEquals(expected, lanes, () -> n + ", " + apart + " apart, by address");
        float[] sums = new float[4];
        Lanes.sum4(lanes, 0, sums, 0, 1);
        for (int j = 0; j < 4; j++) {
          assertEquals(DOT.dot(x, before, w.data(), at + j * stride, body), sums[j]);
        }
        memory.check("F32Dot");
      }
    }
  }
}
