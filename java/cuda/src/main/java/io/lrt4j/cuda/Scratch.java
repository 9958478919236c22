package io.lrt4j.cuda;

/**
 * Room on the device for what an operation needs on the side; larger each time that it is not
 * enough. Its user holds the turn.
 */
final class Scratch {
  private final Device device;
  private CudaMemory memory;
  private CudaTensor room;

  Scratch(Device device) {
    this.device = device;
    memory = new CudaMemory(device);
    room = memory.allocate(1, 1);
  }

  /** Address of room for so many floats, good until the next call. */
  long floats(long count) {
    if (count > room.cols()) {
      memory.close();
      memory = new CudaMemory(device);
      room = memory.allocate(1, Math.toIntExact(count + count / 2));
    }
    return CudaTensor.floats(room);
  }
}
