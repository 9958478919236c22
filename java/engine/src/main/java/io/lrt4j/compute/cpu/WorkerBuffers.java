package io.lrt4j.compute.cpu;

import static io.lrt4j.compute.cpu.Lanes.N;

/** Arrays that each worker has to itself, by use; they grow to the largest size asked for. */
final class WorkerBuffers {
  private final float[][][] buffers; // of each worker, by use

  WorkerBuffers(Workers workers, int uses) {
    buffers = new float[workers.size()][uses][0];
  }

  /** One of a worker's arrays, of at least {@code size}. */
  float[] get(int worker, int use, int size) {
    float[] own = buffers[worker][use];
    if (own.length < size) {
      own = new float[size + N];
      buffers[worker][use] = own;
    }
    return own;
  }
}
