package io.lrt4j.cuda;

import jcuda.driver.CUdeviceptr;

/** Device memory whose address can be read: kernels take addresses as numbers. */
final class DevicePointer extends CUdeviceptr {
  long address() {
    return getNativePointer() + getByteOffset();
  }
}
