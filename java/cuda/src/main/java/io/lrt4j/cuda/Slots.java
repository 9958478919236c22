package io.lrt4j.cuda;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import jcuda.Pointer;
import jcuda.driver.JCudaDriver;

/**
 * What changes from step to step (ids, positions, tables of blocks), at places on the device that
 * do not: kernels that are given a slot's address can be replayed. Small contents go through pinned
 * memory, piece after piece of it, and allocate nothing. Its user holds the turn.
 */
final class Slots implements AutoCloseable {
  private static final int PIECE = 4096;
  private static final int PIECES = 64;
  private static final long BYTES = (PIECES + 1L) * PIECE;

  private final Device device;
  private final List<Slot> slots = new ArrayList<>();
  private final Pointer pinned = new Pointer();
  private final Pointer[] pieces = new Pointer[PIECES + 1]; // the last is for reading
  private final MemorySegment[] contents = new MemorySegment[PIECES + 1];
  private int next;
  private int underWay; // pieces that were sent since the device was last waited for

  Slots(Device device) {
    this.device = device;
    device.check(JCudaDriver.cuMemHostAlloc(pinned, BYTES, 0), "allocating pinned memory");
    MemorySegment all = MemorySegment.ofBuffer(pinned.getByteBuffer(0, BYTES));
    for (int i = 0; i <= PIECES; i++) {
      pieces[i] = pinned.withByteOffset((long) i * PIECE);
      contents[i] = all.asSlice((long) i * PIECE, PIECE);
    }
  }

  /** A place on the device. */
  final class Slot {
    private DevicePointer data;
    private long size = PIECE;
    private boolean awaited; // by kernels that are not launched yet

    private Slot() {
      data = device.allocate(size);
    }

    /** Good until it is sent something larger than all before. */
    long address() {
      awaited = true;
      return data.address();
    }

    /** Makes {@code bytes} of {@code content} its content, for kernels from here on. */
    void send(MemorySegment content, long bytes) {
      if (begin(bytes)) {
        MemorySegment.copy(content, 0, contents[next], 0, bytes);
        sendPiece(bytes);
      } else {
        sendLarge(content, bytes);
      }
    }

    /** The same, of {@code count} numbers from {@code offset} on. */
    void send(int[] content, int offset, int count) {
      long bytes = 4L * count;
      if (begin(bytes)) {
        MemorySegment.copy(content, offset, contents[next], ValueLayout.JAVA_INT, 0, count);
        sendPiece(bytes);
      } else {
        sendLarge(MemorySegment.ofArray(content).asSlice(4L * offset), bytes);
      }
    }

    /** Makes room; whether a piece is enough. */
    private boolean begin(long bytes) {
      if (awaited) {
        device.commands().flush(); // kernels that are to find what was there
      }
      if (bytes > size) {
        DevicePointer larger = device.allocate(2 * bytes); // or all stays as it is
        device.synchronize("computing"); // kernels that use what was there
        device.free(data);
        data = larger;
        size = 2 * bytes;
      }
      device.enter();
      if (underWay == PIECES) {
        device.synchronize("computing");
      }
      return bytes <= PIECE;
    }

    private void sendPiece(long bytes) {
      device.check(
          JCudaDriver.cuMemcpyHtoDAsync(data, pieces[next], bytes, device.stream()),
          "copying to the device");
      next = (next + 1) % PIECES;
      underWay++;
    }

    private void sendLarge(MemorySegment content, long bytes) {
      device.staging().to(data);
      device.staging().put(content, 0, bytes);
      device.staging().flush();
    }
  }

  /**
   * What is at {@code from} after everything that was asked for; good until the next call.
   *
   * @param bytes at most 4096
   */
  MemorySegment read(DevicePointer from, long bytes) {
    device.commands().flush();
    device.enter();
    device.check(
        JCudaDriver.cuMemcpyDtoHAsync(pieces[PIECES], from, bytes, device.stream()),
        "copying from the device");
    device.synchronize("computing");
    return contents[PIECES];
  }

  /** A slot of its own. */
  Slot slot() {
    var slot = new Slot();
    slots.add(slot);
    return slot;
  }

  /** All kernels were launched. */
  void flushed() {
    for (int i = 0; i < slots.size(); i++) { // an iterator would be an object per call
      slots.get(i).awaited = false;
    }
  }

  /** Everything was done. */
  void awaited() {
    underWay = 0;
  }

  /** The slots go with all of the device's memory. */
  @Override
  public void close() {
    int _ = JCudaDriver.cuMemFreeHost(pinned);
  }
}
