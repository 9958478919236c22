package io.lrt4j.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lrt4j.CacheMemoryException;
import io.lrt4j.compute.cpu.ScalarBackend;
import org.junit.jupiter.api.Test;

class BatchTest {
  @Test
  void rowsFindTheirSequence() {
    try (var backend = new ScalarBackend();
        var store = new KvStore(backend, 1, 1, 2, 8, CacheMemory.unlimited());
        var a = store.newCache();
        var b = store.newCache();
        var c = store.newCache()) {
      a.reserve(5);
      a.advance(5);
      c.reserve(17);
      c.advance(17);
      Batch batch = new Batch(3).add(a, 4).add(b, 1).add(c, 3);
      assertEquals(3, batch.runs());
      assertEquals(8, batch.rows());
      assertSame(b, batch.cache(1));
      int[] runs = {0, 0, 0, 0, 1, 2, 2, 2};
      int[] positions = {5, 6, 7, 8, 0, 17, 18, 19};
      for (int row = 0; row < 8; row++) {
        assertEquals(runs[row], batch.runOf(row));
        assertEquals(positions[row], batch.position(runs[row], row));
      }
      assertEquals(4, batch.firstRow(1));
      assertEquals(8, batch.firstRow(3));
      assertEquals(20, batch.positions());
      assertSame(batch, batch.wanted());
      batch.advance();
      assertEquals(9, a.length());
      assertEquals(1, b.length());
      assertEquals(20, c.length());

      batch.clear();
      assertEquals(0, batch.rows());
      batch.add(b, 2);
      assertEquals(2, batch.rows());
      assertEquals(2, batch.position(0, 1));
      assertSame(b, batch.cache(0));
    }
  }

  /** Those behind a run's other rows, at their own positions. */
  @Test
  void wantedRowsLieSideBySide() {
    try (var backend = new ScalarBackend();
        var store = new KvStore(backend, 1, 1, 2, 8, CacheMemory.unlimited());
        var a = store.newCache();
        var b = store.newCache()) {
      a.reserve(5);
      a.advance(5);
      Batch batch = new Batch(2).add(a, 4, 2).add(b, 3, 1);
      Batch wanted = batch.wanted();
      assertEquals(3, wanted.rows());
      assertEquals(2, wanted.firstRow(1));
      assertEquals(7, wanted.position(0, 0));
      assertEquals(2, wanted.position(1, 2));
      assertEquals(9, wanted.positions());
      assertSame(wanted, wanted.wanted());
      batch.advance();
      assertEquals(9, a.length());
      assertEquals(3, b.length());
      assertEquals(2, batch.clear().add(b, 2).wanted().rows());
    }
  }

  /** What is read comes behind what is written, among the wanted rows too. */
  @Test
  void whatIsReadComesLast() {
    try (var backend = new ScalarBackend();
        var store = new KvStore(backend, 1, 1, 2, 8, CacheMemory.unlimited());
        var a = store.newCache();
        var b = store.newCache()) {
      Batch batch = new Batch(2).add(a, 2, 1).read(b, 5, 3);
      assertEquals(2, batch.written());
      assertEquals(1, batch.wanted().written());
      assertEquals(4, batch.wanted().rows());
      assertEquals(2, batch.wanted().position(1, 1));
      assertThrows(IllegalStateException.class, () -> batch.add(a, 1));
      assertEquals(0, batch.clear().read(b, 1, 1).written());
      assertEquals(3, batch.clear().add(a, 3).written());
    }
  }

  /**
   * A run that does not fit is refused before anything is stored, and leaves the batch as it is.
   */
  @Test
  void roomIsChecked() {
    try (var backend = new ScalarBackend();
        var store = new KvStore(backend, 1, 1, 2, 1, new CacheMemory(6 * 16));
        var cache = store.newCache();
        var other = store.newCache()) {
      Batch batch = new Batch(2).add(other, 3);
      assertThrows(CacheMemoryException.class, () -> batch.add(cache, 4));
      assertEquals(1, batch.runs());
      assertEquals(3, batch.rows());
      batch.add(cache, 3).advance();
      assertEquals(3, cache.length());
    }
  }
}
