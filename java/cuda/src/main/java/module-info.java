/** The backend {@code cuda}: NVIDIA GPUs through JCuda and kernels of our own. */
module io.lrt4j.cuda {
  requires io.lrt4j.engine;
  requires static org.jspecify;
  requires jcublas;
  requires jcuda;

  provides io.lrt4j.compute.BackendProvider with
      io.lrt4j.cuda.CudaProvider;
}
