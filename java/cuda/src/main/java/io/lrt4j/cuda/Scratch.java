package io.lrt4j.cuda;

/**
 * Room on the device for what an operation needs on the side; larger each time that it is not
 * enough. Its user holds the turn.
 */
final class Scratch {
  private final Device device;
  private CudaMemory memory;
  private CudaTensor room;
  private long size; // of the room, in floats; 0 once there was no memory for a larger one

  Scratch(Device device) {
    this.device = device;
    memory = new CudaMemory(device);
    room = memory.allocate(1, 1);
    size = 1;
  }

  /** Address of room for so many floats, good until the next call. */
  long floats(long count) {
    if (count > size) {
      size = 0;
      memory.close();
      memory = new CudaMemory(device);
      room = memory.allocate(1, Math.toIntExact(count + count / 2));
      size = room.cols();
    }
    return CudaTensor.floats(room);
  }
}
