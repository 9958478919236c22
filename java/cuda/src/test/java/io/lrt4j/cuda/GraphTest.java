package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Engine;
import io.lrt4j.GenerationOptions;
import io.lrt4j.TestModels;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;

/** What comes again is replayed, and gives the same. */
class GraphTest {
  private static final GenerationOptions TOKENS =
      GenerationOptions.defaults().withMaxTokens(40).withIgnoreEos(true);

  @Test
  void aDecodeStepIsOneGraph() {
    int[] prompt = {1, 2, 3, 4, 5};
    List<Integer> expected;
    try (Engine engine = TestModels.engine("scalar")) {
      expected = engine.generate(prompt, TOKENS).ids();
    }
    try (Engine engine = TestModels.engine("cuda")) {
      long before = Emulator.graphLaunches();
      assertEquals(expected, engine.generate(prompt, TOKENS).ids());
      long first = Emulator.graphLaunches() - before;
      assertTrue(first >= 37 || !Emulator.isThere(), "graphs launched for 39 steps: " + first);
      assertEquals(expected, engine.generate(prompt, TOKENS).ids());
      long second = Emulator.graphLaunches() - before - first;
      assertTrue(
          second >= 39 || !Emulator.isThere(),
          "graphs launched for 39 steps that are known: " + second);
    }
    Emulator.check("after all");
  }

  /** So is one that samples; the tokens are those that the host draws. */
  @Test
  void aStepThatSamplesIsOneGraph() {
    GenerationOptions sampling =
        TOKENS
            .withTemperature(0.9f)
            .withTopK(50)
            .withTopP(0.9f)
            .withRepetitionPenalty(1.2f)
            .withSeed(11);
    int[] prompt = {1, 2, 3, 4, 5};
    List<Integer> expected;
    try (Engine engine = TestModels.engine("scalar")) {
      expected = engine.generate(prompt, sampling).ids();
    }
    try (Engine engine = TestModels.engine("cuda")) {
      assertEquals(expected, engine.generate(prompt, sampling).ids());
      long before = Emulator.graphLaunches();
      assertEquals(expected, engine.generate(prompt, sampling).ids());
      long launched = Emulator.graphLaunches() - before;
      assertTrue(launched >= 39 || !Emulator.isThere(), "graphs launched: " + launched);
    }
    Emulator.check("after all");
  }

  /** A graph finds what was written to the places that it reads, however the two are mixed. */
  @Test
  void replaysSeeWhatWasWritten() {
    try (Backend backend = new CudaProvider().open(1);
        Memory memory = backend.newMemory()) {
      Tensor table = memory.allocate(8, 16);
      Tensor x = memory.allocate(1, 16);
      Tensor sum = memory.allocate(12, 16);
      float[] row = new float[16];
      float[] all = new float[12 * 16];
      for (int trial = 0; trial < 5; trial++) {
        for (int i = 0; i < 8; i++) {
          Arrays.fill(row, 10 * trial + i);
          backend.write(row, table, i, 1);
        }
        for (int i = 0; i < 12; i++) { // each step's ids overwrite those of the one before
          backend.embed(table, new int[] {i % 8}, 0, 1, x);
          backend.copyRows(x, 0, sum, i, 1);
        }
        for (int i = 0; i < 10; i++) {
          backend.multiplyRow(x, 0, sum, 1, x);
          backend.copyRows(sum, 11, x, 0, 1);
        }
        backend.read(sum, 0, all, 12);
        for (int i = 0; i < 12; i++) {
          assertEquals(10 * trial + i % 8, all[i * 16 + 3]);
        }
      }
    }
  }

  /** A few, as many as are sent at once, and more, which need a larger place. */
  @Test
  void rowsAreThoseOfTheIdsFromAnOffset() {
    try (Backend backend = new CudaProvider().open(1);
        Memory memory = backend.newMemory()) {
      Tensor table = memory.allocate(50, 16);
      float[] values = new float[50 * 16];
      for (int i = 0; i < values.length; i++) {
        values[i] = i / 16;
      }
      backend.write(values, table, 0, 50);
      Tensor x = memory.allocate(5000, 16);
      int[] ids = new int[8000];
      for (int i = 0; i < ids.length; i++) {
        ids[i] = i * 31 % 50;
      }
      for (int rows : new int[] {3, 1024, 1025, 5000, 3}) {
        backend.embed(table, ids, 1001, rows, x);
        float[] got = new float[rows * 16];
        backend.read(x, 0, got, rows);
        for (int i = 0; i < rows; i++) {
          assertEquals(ids[1001 + i], got[i * 16 + 5], "row " + i + " of " + rows);
        }
      }
    }
    Emulator.check("after all");
  }

  /** Kernels that are under way still read the smaller place; a thread's first call makes it. */
  @Test
  void aLargerPlaceIsMadeByAnotherThread() throws InterruptedException {
    try (Backend backend = new CudaProvider().open(1);
        Memory memory = backend.newMemory()) {
      Tensor table = memory.allocate(8, 16);
      float[] values = new float[8 * 16];
      for (int i = 0; i < values.length; i++) {
        values[i] = i / 16;
      }
      backend.write(values, table, 0, 8);
      Tensor x = memory.allocate(1, 16);
      Tensor many = memory.allocate(2000, 16);
      backend.embed(table, new int[] {5}, 0, 1, x);
      backend.copyRows(x, 0, table, 0, 1);
      backend.write(values, many, 0, 8); // all of it is launched, and nothing awaited
      int[] ids = new int[2000];
      Arrays.fill(ids, 7);
      Thread other = new Thread(() -> backend.embed(table, ids, 0, 2000, many));
      other.start();
      other.join();
      float[] got = new float[2000 * 16];
      backend.read(table, 0, got, 1);
      assertEquals(5, got[0]);
      backend.read(many, 0, got, 2000);
      assertEquals(7, got[1999 * 16]);
    }
    Emulator.check("after all");
  }

  /** More than are under way at a time; nobody waits in between. */
  @Test
  void whatIsSentIsNotWrittenOver() {
    try (Backend backend = new CudaProvider().open(1);
        Memory memory = backend.newMemory()) {
      Tensor table = memory.allocate(200, 16);
      float[] values = new float[200 * 16];
      for (int i = 0; i < values.length; i++) {
        values[i] = i / 16;
      }
      backend.write(values, table, 0, 200);
      Tensor x = memory.allocate(1, 16);
      Tensor all = memory.allocate(200, 16);
      for (int i = 0; i < 200; i++) {
        backend.embed(table, new int[] {i}, 0, 1, x);
        backend.copyRows(x, 0, all, i, 1);
      }
      float[] got = new float[200 * 16];
      backend.read(all, 0, got, 200);
      for (int i = 0; i < 200; i++) {
        assertEquals(i, got[i * 16]);
      }
    }
    Emulator.check("after all");
  }

  /** Whoever takes the time gets that of what was asked for, not of the asking. */
  @Test
  void awaited() {
    try (Backend backend = new CudaProvider().open(1);
        Memory memory = backend.newMemory()) {
      Tensor x = memory.allocate(1, 16);
      backend.await();
      long before = Emulator.graphLaunches();
      for (int trial = 0; trial < 3; trial++) {
        for (int i = 0; i < 12; i++) {
          backend.multiplyRow(x, 0, x, 1, x);
        }
        backend.await();
        long launched = Emulator.graphLaunches() - before;
        assertTrue(launched == trial || !Emulator.isThere(), launched + " after " + trial);
      }
    }
  }
}
