package io.lrt4j.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.lrt4j.Answer;
import io.lrt4j.BackendException;
import io.lrt4j.CacheMemoryException;
import io.lrt4j.CheckpointException;
import io.lrt4j.Engine;
import io.lrt4j.GenerationOptions;
import io.lrt4j.TestModels;
import io.lrt4j.compute.Backends;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import jcuda.driver.CUresult;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.function.Executable;
import org.junit.jupiter.api.io.TempDir;

/** What goes wrong is one clear exception, everything is freed, and others go on. */
class FaultTest {
  private static final long PLENTY = 1L << 30;
  private static final GenerationOptions FOUR_TOKENS =
      GenerationOptions.defaults().withMaxTokens(4).withIgnoreEos(true);

  @BeforeEach
  void faultsCanBeMade() {
    assumeTrue(Emulator.isThere(), "a real device fails when it likes");
    nothingIsAllocated();
  }

  @AfterEach
  void nothingIsAllocated() {
    Emulator.reset();
    Emulator.memory(PLENTY);
    assertEquals(0, Emulator.used());
    assertEquals(0, Emulator.pinned());
  }

  private static Answer ask(Engine engine) {
    return engine.generate(new int[] {1, 2, 3}, FOUR_TOKENS);
  }

  private static void assertFails(String text, Executable call) {
    String message = String.valueOf(assertThrows(BackendException.class, call).getMessage());
    assertTrue(message.contains(text), message);
  }

  @Test
  void noDeviceMemoryForTheWeights() {
    for (long bytes : new long[] {1000, 300 << 10, 500 << 10}) {
      Emulator.memory(bytes);
      assertFails("no device memory for", () -> TestModels.engine("cuda"));
      assertEquals(0, Emulator.used());
      assertEquals(0, Emulator.pinned());
    }
  }

  @Test
  void noDeviceMemoryForASession() {
    try (Engine engine = TestModels.engine("cuda")) {
      long loaded = Emulator.used();
      Emulator.memory(loaded + 1000);
      var refused = assertThrows(CacheMemoryException.class, () -> ask(engine));
      String message = String.valueOf(refused.getMessage());
      assertTrue(message.startsWith("no room for an answer's activations: no device"), message);
      assertEquals(loaded, Emulator.used());
      Emulator.memory(PLENTY);
      assertEquals(4, ask(engine).ids().size());
    }
  }

  @Test
  void kernelsForAnotherArchitecture() {
    Emulator.fail("cuModuleLoadData", 0, CUresult.CUDA_ERROR_NO_BINARY_FOR_GPU);
    assertFails(
        "the CUDA kernels of this build are not for emulated device (sm_90",
        () -> TestModels.engine("cuda"));
  }

  @Test
  void kernelsOfANewerToolkitThanTheDriver() {
    Emulator.fail("cuModuleLoadData", 0, CUresult.CUDA_ERROR_UNSUPPORTED_PTX_VERSION);
    assertFails("and is no newer than its driver", () -> TestModels.engine("cuda"));
  }

  @Test
  void aDeviceThatIsLostWhileItAnswers() {
    try (Engine other = TestModels.engine("scalar")) {
      Engine engine = TestModels.engine("cuda");
      Answer before = ask(engine);
      Emulator.fail("cuLaunchKernel", 10, CUresult.CUDA_ERROR_LAUNCH_FAILED);
      assertFails("is lost to this process", () -> ask(engine));
      assertFails("is lost to this process", () -> ask(engine));
      engine.close();
      assertEquals(0, Emulator.used());
      assertEquals(before.ids(), ask(other).ids());
      try (Engine again = TestModels.engine("cuda")) {
        assertEquals(before.ids(), ask(again).ids());
      }
    }
  }

  @Test
  void everyCallOfTheDriverMayFail() {
    for (String function :
        new String[] {
          "cuDevicePrimaryCtxRetain",
          "cuStreamCreate",
          "cuMemHostAlloc",
          "cuEventCreate",
          "cuEventRecord",
          "cuEventSynchronize",
          "cuMemAlloc_v2",
          "cuMemcpyHtoDAsync_v2",
          "cuMemsetD8Async",
          "cuModuleLoadData",
          "cuModuleGetFunction",
          "cublasCreate_v2",
          "cublasSetStream_v2"
        }) {
      Emulator.fail(function, 0, CUresult.CUDA_ERROR_OPERATING_SYSTEM);
      assertFails("failed", () -> TestModels.engine("cuda"));
      assertEquals(0, Emulator.used(), function);
      assertEquals(0, Emulator.pinned(), function);
    }
  }

  @Test
  void noDeviceMemoryForCublas() {
    Emulator.fail("cublasCreate_v2", 0, CUresult.CUDA_ERROR_OUT_OF_MEMORY);
    assertFails("no device memory for cuBLAS (starting it)", () -> TestModels.engine("cuda"));
    try (Engine engine = TestModels.engine("cuda")) {
      Emulator.fail("cublasSetWorkspace_v2", 0, CUresult.CUDA_ERROR_OPERATING_SYSTEM);
      assertFails("giving it a workspace failed", () -> ask(engine));
      Emulator.fail("cublasGemmEx", 5, CUresult.CUDA_ERROR_OPERATING_SYSTEM);
      assertFails("a product failed: CUBLAS_STATUS_EXECUTION_FAILED", () -> ask(engine));
      assertEquals(4, ask(engine).ids().size());
    }
  }

  /** Our own kernels do its work, and that is said. */
  @Test
  void cublasThatDoesNotStart() {
    Answer with;
    try (Engine engine = TestModels.engine("cuda")) {
      with = ask(engine);
    }
    Emulator.fail("cublasCreate_v2", 0, CUresult.CUDA_ERROR_INVALID_CONTEXT);
    try (Engine engine = TestModels.engine("cuda")) {
      String text = engine.describe();
      assertTrue(text.contains("no cuBLAS: libcublas.so.12 does not start"), text);
      assertEquals(with.ids(), ask(engine).ids());
    }
  }

  @Test
  void aShardThatIsTruncated(@TempDir Path directory) throws IOException {
    TestModels.copy(TestModels.BASE, directory);
    try (var file =
        FileChannel.open(directory.resolve("model.safetensors"), StandardOpenOption.WRITE)) {
      file.truncate(file.size() - 100);
    }
    assertThrows(CheckpointException.class, () -> TestModels.engine(directory, null, "cuda"));
  }

  @Test
  void loadingOverAndOver() {
    int rounds = 25 * Integer.getInteger("fuzz", 1);
    for (int i = 0; i < rounds; i++) {
      TestModels.engine("cuda").close();
      assertEquals(0, Emulator.used());
      assertEquals(0, Emulator.pinned());
    }
  }

  @Test
  void whatThereIsIsNamed() {
    Backends.Status status =
        Backends.survey().stream().filter(s -> s.name().equals("cuda")).findFirst().orElseThrow();
    assertTrue(status.available());
    assertTrue(status.detail().startsWith("emulated device (sm_90, 1.0 GiB), driver for CUDA"));
    try (Engine engine = TestModels.engine("cuda")) {
      String text = engine.describe();
      assertTrue(text.contains("backend cuda: emulated device (sm_90"), text);
    }
  }
}
