package io.lrt4j.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import org.junit.jupiter.api.Test;

class PackedBatchTest {
  @Test
  void positionsRunOnFromPrefixAndParent() {
    PackedBatch batch = new PackedBatch();
    int alone = batch.add(3);
    int parent = batch.add(4, 10, 5);
    int child = batch.addChild(2, parent);
    assertEquals(9, batch.rows());
    assertEquals(3, batch.runs());
    assertEquals(2, batch.position(2));
    assertEquals(5, batch.position(3));
    assertEquals(9, batch.position(7));
    assertEquals(10, batch.position(8));
    assertEquals(11, batch.positions());
    assertEquals(child, batch.runOf(8));
    assertEquals(alone, batch.runOf(2));
    assertEquals(10, batch.prefixFrom(child));
    assertEquals(9, batch.before(child));
    assertEquals(0, batch.clear().rows());
  }

  /** Several children of one parent, also with other runs between them, begin at one position. */
  @Test
  void childrenFollowTheirParentWhereverTheyLie() {
    PackedBatch batch = new PackedBatch();
    int parent = batch.add(1, 3, 2);
    int first = batch.addChild(1, parent);
    int other = batch.add(4);
    int second = batch.addChild(3, parent);
    assertEquals(parent, batch.parent(first));
    assertEquals(parent, batch.parent(second));
    assertEquals(-1, batch.parent(other));
    assertEquals(0, batch.before(other));
    assertEquals(3, batch.before(first));
    assertEquals(3, batch.before(second));
    assertEquals(3, batch.prefixFrom(second));
    assertEquals(2, batch.prefixRows(second));
    int[] runs = {0, 1, 2, 2, 2, 2, 3, 3, 3};
    int[] positions = {2, 3, 0, 1, 2, 3, 3, 4, 5};
    assertEquals(runs.length, batch.rows());
    for (int row = 0; row < runs.length; row++) {
      assertEquals(runs[row], batch.runOf(row), "row " + row);
      assertEquals(positions[row], batch.position(row), "row " + row);
    }
    assertEquals(3, batch.length(second));
    assertEquals(9, batch.firstRow(batch.runs()));
    assertEquals(6, batch.positions());
  }

  /** What a batch held before is forgotten, prefixes and parents too. */
  @Test
  void isUsedAgain() {
    PackedBatch batch = new PackedBatch();
    assertEquals(0, batch.positions());
    batch.addChild(5, batch.add(2, 7, 3));
    assertEquals(10, batch.positions());
    assertEquals(0, batch.clear().runs());
    assertEquals(0, batch.positions());
    assertEquals(0, batch.add(1));
    assertEquals(1, batch.add(6));
    assertEquals(-1, batch.parent(1));
    assertEquals(0, batch.prefixRows(0));
    assertEquals(0, batch.position(1));
    assertEquals(6, batch.positions());
  }

  @Test
  void growsPastItsFirstRoom() {
    PackedBatch batch = new PackedBatch();
    for (int i = 0; i < 100; i++) {
      assertEquals(i, batch.add(i + 1));
    }
    assertEquals(5050, batch.rows());
    assertEquals(99, batch.runOf(5049));
    assertEquals(4950, batch.firstRow(99));
    int child = batch.addChild(3, batch.add(1000, 5, 6));
    assertEquals(6053, batch.rows());
    assertEquals(1006, batch.position(6050));
    assertEquals(child, batch.runOf(6052));
    assertEquals(0, batch.runOf(0));
  }

  @Test
  void grandchildrenAndEmptyRunsAreRefused() {
    PackedBatch batch = new PackedBatch();
    int parent = batch.add(1);
    int child = batch.addChild(1, parent);
    assertThrows(IllegalArgumentException.class, () -> batch.addChild(1, child));
    assertThrows(IllegalArgumentException.class, () -> batch.addChild(1, 7));
    assertThrows(IllegalArgumentException.class, () -> batch.addChild(1, -1));
    assertThrows(IllegalArgumentException.class, () -> batch.addChild(0, parent));
    assertThrows(IllegalArgumentException.class, () -> batch.add(0));
    assertThrows(IllegalArgumentException.class, () -> batch.add(1, -1, 2));
    assertThrows(IllegalArgumentException.class, () -> batch.add(1, 2, -1));
    assertEquals(2, batch.runs());
    assertEquals(2, batch.rows());
  }
}
