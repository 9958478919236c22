package io.lrt4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.CheckpointException;
import io.lrt4j.LoadListener;
import io.lrt4j.Quantization;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.SystemMemory;
import io.lrt4j.compute.cpu.ScalarBackend;
import io.lrt4j.compute.cpu.nativ.NativeBackend;
import io.lrt4j.model.Weights;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights that a backend has copied are not kept a second time; all others are. */
class HandOverTest {
  private static final String DOWN = "model.layers.0.mlp.down_proj.weight";
  private static final String EMBEDDING = "model.embed_tokens.weight"; // the head too

  @TempDir Path folder;

  @Test
  void whatIsCopiedIsGivenUp() {
    Path model = folder.resolve("model");
    Initializer.model("tiny", model, 1);
    try (Backend scalar = new ScalarBackend()) {
      check(model, scalar, Quantization.NONE, false, true);
      check(model, scalar, Quantization.Q8, true, true);
    }
    if (NativeBackend.missing().isEmpty()) {
      try (Backend nativ = new NativeBackend(2)) {
        check(model, nativ, Quantization.NONE, true, false); // it is read out of the head
        check(model, nativ, Quantization.Q8, true, true); // which is rounded
      }
    }
  }

  private static void check(
      Path model,
      Backend backend,
      Quantization quantization,
      boolean copies,
      boolean keepsEmbedding) {
    try (Checkpoint stored = Checkpoint.open(model);
        Checkpoint read = Checkpoint.open(ModelFiles.of(model), Access.READ, LoadListener.NONE);
        Memory memory = backend.newMemory(quantization)) {
      assertTrue(read.config().tiedEmbeddings());
      var _ = read.handOver(memory, source -> Weights.of(read.config(), "model.", source));
      check(stored, read, DOWN, !copies);
      check(stored, read, EMBEDDING, keepsEmbedding);
      same(stored, read, "model.norm.weight");
    }
  }

  private static void check(Checkpoint stored, Checkpoint read, String name, boolean kept) {
    if (kept) {
      same(stored, read, name);
    } else {
      assertThrows(CheckpointException.class, () -> read.tensor(name));
    }
  }

  private static void same(Checkpoint stored, Checkpoint read, String name) {
    assertEquals(-1, stored.tensor(name).data().mismatch(read.tensor(name).data()), name);
  }

  /** Also where every name is an alias, as the files leave out the prefix. */
  @Test
  void nothingIsReadBeforeItIsAskedFor() throws IOException {
    Path model = folder.resolve("bare");
    Initializer.model("tiny", model, 1);
    Path weights = model.resolve("model.safetensors");
    Path bare = folder.resolve("bare.safetensors");
    try (Safetensors stored = Safetensors.open(weights)) {
      SafetensorsWriter.write(
          bare,
          Map.of("format", "pt"),
          stored.tensors().stream()
              .map(
                  t ->
                      SafetensorsWriter.Entry.of(
                          t.name().replaceFirst("^model\\.", ""),
                          t.dtype().name(),
                          t.shape(),
                          t.data()))
              .toList());
    }
    Files.move(bare, weights, StandardCopyOption.REPLACE_EXISTING);
    List<Double> progress = new ArrayList<>();
    LoadListener listener = (directory, share) -> progress.add(share);
    try (Checkpoint read = Checkpoint.open(ModelFiles.of(model), Access.READ, listener);
        Backend scalar = new ScalarBackend();
        Memory memory = scalar.newMemory(Quantization.Q8)) {
      assertEquals(List.of(), progress);
      var _ = read.handOver(memory, source -> Weights.of(read.config(), "model.", source));
      assertEquals(1, progress.getLast());
      assertThrows(CheckpointException.class, () -> read.tensor(DOWN));
    }
  }

  /** Weights that are copied are read from the file, not through a mapping of it. */
  @Test
  void aFileThatWasCutIsRefused() throws IOException {
    try (Backend scalar = new ScalarBackend()) {
      for (Access access : Access.values()) {
        Path model = folder.resolve("cut-" + access);
        Initializer.model("tiny", model, 1);
        try (Checkpoint stored = Checkpoint.open(ModelFiles.of(model), access, LoadListener.NONE);
            Memory memory = scalar.newMemory(Quantization.Q8)) {
          try (var file =
              FileChannel.open(model.resolve("model.safetensors"), StandardOpenOption.WRITE)) {
            file.truncate(20_000); // its header is shorter
          }
          var refused =
              assertThrows(
                  CheckpointException.class,
                  () ->
                      stored.handOver(
                          memory, source -> source.linear(false, "model.layers.0.mlp.up_proj")));
          assertTrue(refused.getMessage().endsWith("became shorter while it was read"));
        }
      }
    }
  }

  /** Whole pages go, and what shares a page with something else stays. */
  @Test
  void memoryIsGivenBackInWholePages() {
    try (Arena arena = Arena.ofShared()) {
      MemorySegment block = SystemMemory.allocate(4 << 20, 64, arena).fill((byte) 1);
      SystemMemory.release(block.asSlice(4000, 20_000));
      for (int i = 0; i < 4000; i++) {
        assertEquals(1, block.get(ValueLayout.JAVA_BYTE, i));
      }
      for (int i = 24_576; i < 40_000; i++) {
        assertEquals(1, block.get(ValueLayout.JAVA_BYTE, i));
      }
    }
  }
}
