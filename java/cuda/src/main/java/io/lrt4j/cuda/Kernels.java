package io.lrt4j.cuda;

import io.lrt4j.BackendException;
import io.lrt4j.compute.DType;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import jcuda.driver.CUfunction;
import jcuda.driver.CUfunction_attribute;
import jcuda.driver.CUmodule;
import jcuda.driver.CUresult;
import jcuda.driver.JCudaDriver;

/** Our kernels, loaded into a context; what each does stands in the folder {@code kernels}. */
final class Kernels implements AutoCloseable {
  /** Threads of a block, where nothing else is said. */
  static final int THREADS = 256;

  private static final int MOST_ROWS = 65_535; // of a grid

  /** Most rows that a product takes together, by instance. */
  static final int[] PROJECT_ROWS = {1, 2, 4, 8};

  /** Sizes of heads, or more than that, that tensor cores take. */
  static final int[] TILED_HEADS = {64, 128};

  private final CUmodule module = new CUmodule();
  private final Device device;
  final CUfunction norm;

  /** What the code that the driver chose of them was made for: sm_90. */
  final String architecture;

  final CUfunction gate;
  final CUfunction ropeAndStore;
  final CUfunction attend;
  final CUfunction attendSpans;
  final CUfunction attendFold;

  /** As in {@link #TILED_HEADS}. */
  final CUfunction[] attendTiles = new CUfunction[TILED_HEADS.length];

  final CUfunction summarize;
  final CUfunction sample;
  final CUfunction toTiles;
  final CUfunction fromTiles;
  final CUfunction gateFromTiles;
  final Map<DType, CUfunction> copy = new EnumMap<>(DType.class);
  final Map<DType, CUfunction> embed = new EnumMap<>(DType.class);
  final Map<DType, CUfunction> multiply = new EnumMap<>(DType.class);

  /** By type, then as in {@link #PROJECT_ROWS}. */
  final Map<DType, CUfunction[]> project = new EnumMap<>(DType.class);

  /** Likewise. */
  final Map<DType, CUfunction[]> gateUp = new EnumMap<>(DType.class);

  Kernels(Device device) {
    this.device = device;
    int code = JCudaDriver.cuModuleLoadData(module, Driver.kernels());
    if (code == CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU
        || code == CUresult.CUDA_ERROR_INVALID_IMAGE
        || code == CUresult.CUDA_ERROR_UNSUPPORTED_PTX_VERSION
        || code == CUresult.CUDA_ERROR_INVALID_PTX) {
      throw new BackendException(
          "the CUDA kernels of this build are not for "
              + device.describe()
              + ": build lrt4j with an nvcc that knows "
              + device.architecture()
              + " and is no newer than its driver ("
              + Driver.text(code)
              + ")");
    }
    device.check(code, "loading kernels");
    boolean complete = false;
    try {
      norm = find("rms_norm");
      gate = find("gate");
      ropeAndStore = find("rope_and_store");
      attend = find("attend");
      attendSpans = find("attend_spans");
      attendFold = find("attend_fold");
      for (int i = 0; i < attendTiles.length; i++) {
        attendTiles[i] = find("attend_tiles_" + TILED_HEADS[i]);
      }
      summarize = find("summarize");
      sample = find("sample");
      toTiles = find("to_tiles");
      fromTiles = find("from_tiles");
      gateFromTiles = find("gate_from_tiles");
      for (DType type : List.of(DType.F32, DType.F16, DType.BF16)) {
        String suffix = "_" + type.name().toLowerCase(Locale.ROOT);
        copy.put(type, find("copy" + suffix));
        embed.put(type, find("embed" + suffix));
        multiply.put(type, find("multiply" + suffix));
        project.put(type, instances("project" + suffix));
        gateUp.put(type, instances("gate_up" + suffix));
      }
      int[] version = new int[1];
      int attribute = CUfunction_attribute.CU_FUNC_ATTRIBUTE_BINARY_VERSION;
      device.check(
          JCudaDriver.cuFuncGetAttribute(version, attribute, norm),
          "asking a kernel for its architecture");
      architecture = "sm_" + version[0];
      complete = true;
    } finally {
      if (!complete) {
        close();
      }
    }
  }

  private CUfunction[] instances(String name) {
    CUfunction[] all = new CUfunction[PROJECT_ROWS.length];
    for (int i = 0; i < all.length; i++) {
      all[i] = find(name + "_" + PROJECT_ROWS[i]);
    }
    return all;
  }

  private CUfunction find(String name) {
    var function = new CUfunction();
    device.check(
        JCudaDriver.cuModuleGetFunction(function, module, name), "finding the kernel " + name);
    return function;
  }

  /** How many blocks have a thread for each of so many elements. */
  static int blocks(long elements) {
    return Math.toIntExact(Math.ceilDiv(elements, (long) THREADS));
  }

  /** Refuses more rows than a launch takes. */
  static void checkRows(int rows) {
    if (rows > MOST_ROWS) {
      throw new IllegalArgumentException("at most " + MOST_ROWS + " rows, found " + rows);
    }
  }

  @Override
  public void close() {
    int _ = JCudaDriver.cuModuleUnload(module);
  }
}
