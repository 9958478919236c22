package io.lrt4j.cuda;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.cpu.ScalarBackend;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;

/** Tests with a device each, which the emulator has checked at the end. */
abstract class OnDevice {
  private final int order;
  Backend cuda = new ScalarBackend(); // until it is opened

  /**
   * Tests on a device.
   *
   * @param order seed of the order in which the emulator's blocks and threads take turns
   */
  OnDevice(int order) {
    this.order = order;
  }

  @BeforeEach
  void open() {
    Emulator.order(order);
    cuda = new CudaProvider().open(1);
  }

  @AfterEach
  void close() {
    Emulator.check("after all");
    Emulator.order(0);
    cuda.close();
  }
}
