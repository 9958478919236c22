package io.lrt4j.cuda;

import io.lrt4j.BackendException;
import jcuda.Pointer;
import jcuda.cudaDataType;
import jcuda.jcublas.JCublas2;
import jcuda.jcublas.cublasComputeType;
import jcuda.jcublas.cublasGemmAlgo;
import jcuda.jcublas.cublasHandle;
import jcuda.jcublas.cublasMath;
import jcuda.jcublas.cublasOperation;
import jcuda.jcublas.cublasStatus;
import jcuda.runtime.cudaStream_t;
import org.jspecify.annotations.Nullable;

/**
 * Matrix products of cuBLAS in a device's stream: bf16 numbers, sums in f32. Given its workspace,
 * so that it allocates nothing and can be captured. Its user holds the turn.
 */
final class Cublas implements AutoCloseable {
  private static final int WORKSPACE = 32 << 20; // what NVIDIA recommends for sm_90 and later

  private final Device device;
  private final cublasHandle handle;
  private final Pointer one = Pointer.to(new float[] {1});
  private final Pointer zero = Pointer.to(new float[] {0});
  private final String version;
  private boolean ready; // has its workspace

  /** On the context that this thread has entered; null if it does not start here. */
  static @Nullable Cublas open(Device device) {
    var handle = new cublasHandle();
    int status = JCublas2.cublasCreate(handle);
    if (status == cublasStatus.CUBLAS_STATUS_NOT_INITIALIZED
        || status == cublasStatus.CUBLAS_STATUS_ARCH_MISMATCH) {
      return null;
    }
    check(device, status, "starting it");
    return new Cublas(device, handle);
  }

  private Cublas(Device device, cublasHandle handle) {
    this.device = device;
    this.handle = handle;
    boolean complete = false;
    try {
      check(
          JCublas2.cublasSetMathMode(
              handle, cublasMath.CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION),
          "asking for sums in f32");
      check(
          JCublas2.cublasSetStream(handle, new cudaStream_t(device.stream())),
          "giving it a stream");
      int[] number = new int[1];
      check(JCublas2.cublasGetVersion(handle, number), "asking for its version");
      version = number[0] / 10000 + "." + number[0] / 100 % 100 + "." + number[0] % 100;
      complete = true;
    } finally {
      if (!complete) {
        close();
      }
    }
  }

  /** For people. */
  String version() {
    return version;
  }

  /** Gives it what it needs; not while a graph is being captured. */
  void prepare() {
    if (!ready) {
      DevicePointer workspace = device.allocate(WORKSPACE);
      check(JCublas2.cublasSetWorkspace(handle, workspace, WORKSPACE), "giving it a workspace");
      ready = true;
    }
  }

  private static final class Address extends Pointer {
    Address(long address) {
      super(address);
    }
  }

  /**
   * sums[i, o] = x[i, :] · w[o, :].
   *
   * @param weights address of [out, padded] bf16
   * @param x address of [rows, padded] bf16
   * @param sums address of [rows, out] f32
   */
  void multiply(long weights, int out, int padded, long x, int rows, long sums) {
    check(
        JCublas2.cublasGemmEx_new( // of two, that which takes a compute type
            handle,
            cublasOperation.CUBLAS_OP_T,
            cublasOperation.CUBLAS_OP_N,
            out,
            rows,
            padded,
            one,
            new Address(weights),
            cudaDataType.CUDA_R_16BF,
            padded,
            new Address(x),
            cudaDataType.CUDA_R_16BF,
            padded,
            zero,
            new Address(sums),
            cudaDataType.CUDA_R_32F,
            out,
            cublasComputeType.CUBLAS_COMPUTE_32F,
            cublasGemmAlgo.CUBLAS_GEMM_DEFAULT),
        "a product");
  }

  private void check(int status, String what) {
    check(device, status, what);
  }

  private static void check(Device device, int status, String what) {
    if (status == cublasStatus.CUBLAS_STATUS_ALLOC_FAILED) {
      throw new BackendException(
          "no device memory for cuBLAS (" + what + ") on " + device.describe());
    }
    if (status != cublasStatus.CUBLAS_STATUS_SUCCESS) {
      throw new BackendException(
          "cuBLAS on "
              + device.describe()
              + ": "
              + what
              + " failed: "
              + cublasStatus.stringFor(status));
    }
  }

  /** The workspace goes with all of the device's memory. */
  @Override
  public void close() {
    int _ = JCublas2.cublasDestroy(handle);
  }
}
