package io.lrt4j.compute.cpu;

import io.lrt4j.compute.PackedBatch;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** Packed batches of every kind, for tests of attention. */
final class PackedBatches {
  /** Rows of the tensor of prefixes that {@link #mixed} and {@link #longer} point into. */
  static final int PREFIX_ROWS = 70;

  private PackedBatches() {}

  /** Runs without prefix or parent: one row, an odd number of rows, and two in a batch. */
  static List<PackedBatch> plain() {
    List<PackedBatch> all = new ArrayList<>();
    for (int[] lengths : new int[][] {{1}, {37}, {13, 1, 63}}) {
      PackedBatch batch = new PackedBatch();
      for (int length : lengths) {
        batch.add(length);
      }
      all.add(batch);
    }
    return all;
  }

  /** A run alone, one behind a prefix, a family behind another, parts of it apart, single rows. */
  static PackedBatch mixed() {
    PackedBatch batch = new PackedBatch();
    batch.add(7);
    batch.add(3, 0, 4);
    int parent = batch.add(5, 4, 9);
    batch.addChild(1, parent);
    int other = batch.add(2);
    batch.addChild(4, parent);
    batch.add(1);
    batch.addChild(2, parent);
    batch.addChild(3, other);
    batch.add(1, 12, 1);
    return batch;
  }

  /** Runs, prefixes and children longer than any block, and beginning within one. */
  static PackedBatch longer() {
    PackedBatch batch = new PackedBatch();
    int parent = batch.add(65, 3, 67);
    batch.addChild(33, parent);
    batch.addChild(1, parent);
    batch.addChild(71, parent);
    batch.add(1);
    batch.addChild(130, batch.add(9));
    return batch;
  }

  /** Some rows of a batch: none of some runs, one or several of others. */
  static int[] some(PackedBatch batch) {
    return IntStream.range(0, batch.rows()).filter(row -> row % 7 % 3 == 1).toArray();
  }
}
