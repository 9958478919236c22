package io.lrt4j.cuda;

import java.lang.foreign.MemorySegment;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;

/**
 * Small things that a step needs on the device (ids, positions, tables of blocks): pinned memory
 * and its mirror on the device, filled round and round. Its user holds the turn.
 */
final class Ring implements AutoCloseable {
  private static final int ALIGNMENT = 16;

  private final Device device;
  private int size = 256 << 10;
  private Pointer pinned = new Pointer();
  private MemorySegment host;
  private DevicePointer mirror;
  private int at;
  private int lap;

  Ring(Device device) {
    this.device = device;
    host = pin();
    boolean complete = false;
    try {
      mirror = device.allocate(size);
      complete = true;
    } finally {
      if (!complete) {
        close();
      }
    }
  }

  private MemorySegment pin() {
    var pointer = new Pointer();
    device.check(JCudaDriver.cuMemHostAlloc(pointer, size, 0), "allocating pinned memory");
    pinned = pointer;
    return MemorySegment.ofBuffer(pointer.getByteBuffer(0, size));
  }

  /** Changes when everything that was sent before is gone. */
  int lap() {
    return lap;
  }

  /** Room for the next {@code bytes}, to be filled and then sent with {@link #send}. */
  MemorySegment next(int bytes) {
    int rounded = (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (at + rounded > size) {
      device.synchronize("computing");
      at = 0;
      lap++;
      if (rounded > size) {
        grow(rounded);
      }
    }
    return host.asSlice(at, bytes);
  }

  private void grow(int needed) {
    device.free(mirror);
    device.check(JCudaDriver.cuMemFreeHost(pinned), "freeing pinned memory");
    pinned = new Pointer();
    size = Math.multiplyExact(2, needed);
    host = pin();
    mirror = device.allocate(size);
  }

  /** Sends what {@link #next} gave out; its address on the device. */
  long send(int bytes) {
    device.check(
        JCudaDriver.cuMemcpyHtoDAsync(
            mirror.withByteOffset(at), pinned.withByteOffset(at), bytes, device.stream()),
        "copying to the device");
    long address = mirror.address() + at;
    at += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return address;
  }

  /** The mirror goes with all of the device's memory. */
  @Override
  public void close() {
    int _ = JCudaDriver.cuMemFreeHost(pinned);
  }
}
