package io.lrt4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotNull;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.CheckpointException;
import io.lrt4j.ChildJvm;
import io.lrt4j.Fixtures;
import io.lrt4j.UnsupportedModelException;
import io.lrt4j.compute.DType;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

class SafetensorsTest {
  @TempDir Path temporary;

  private Path file(String header, byte... data) throws IOException {
    byte[] json = header.getBytes(StandardCharsets.UTF_8);
    byte[] all = TinyModel.safetensors(json.length, json, data.length);
    System.arraycopy(data, 0, all, all.length - data.length, data.length);
    return Files.write(temporary.resolve("x.safetensors"), all);
  }

  private static StoredTensor tensor(Safetensors file, String name) {
    StoredTensor tensor = file.find(name);
    assertNotNull(tensor, name);
    return tensor;
  }

  @Test
  void readsWhatTheReferenceWrote() {
    Path file = Fixtures.dir("conformance/qwen3-tied-bf16").resolve("model.safetensors");
    try (var tensors = Safetensors.open(file)) {
      assertEquals(Map.of("format", "pt"), tensors.metadata());
      assertEquals(35, tensors.tensors().size());
      StoredTensor embedding = tensor(tensors, "model.embed_tokens.weight");
      assertEquals(DType.BF16, embedding.dtype());
      assertEquals(List.of(384L, 64L), embedding.shape());
      assertEquals(384 * 64 * 2, embedding.data().byteSize());
      assertTrue(embedding.data().isReadOnly());
      assertNull(tensors.find("lm_head.weight"));
    }
  }

  @Test
  void oddHeaderLengthGivesUnalignedDataThatReadsAllTheSame() throws IOException {
    ByteBuffer data = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
    data.putFloat(1.5f).putShort((short) 0x3FC0).putShort(Float.floatToFloat16(-2.25f));
    String header =
        """
        {"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},\
        "b":{"dtype":"BF16","shape":[1],"data_offsets":[4,6]},\
        "c":{"dtype":"F16","shape":[1],"data_offsets":[6,8]}}\
        """;
    header += " ".repeat(header.length() % 2 == 0 ? 1 : 0);
    try (var tensors = Safetensors.open(file(header, data.array()))) {
      StoredTensor a = tensor(tensors, "a");
      assertEquals(1, a.data().address() % 2, "the test needs odd addresses");
      assertEquals(1.5f, a.element(0));
      assertEquals(1.5f, tensor(tensors, "b").element(0));
      assertEquals(-2.25f, tensor(tensors, "c").element(0));
    }
  }

  @Test
  void scalarsEmptyTensorsAndTrailingSpacesAreLegal() throws IOException {
    String header =
        """
        {"empty":{"dtype":"F32","shape":[3,0,5],"data_offsets":[0,0]},\
        "scalar":{"dtype":"F16","shape":[],"data_offsets":[0,2]}}\
        """;
    try (var tensors = Safetensors.open(file(header, (byte) 0, (byte) 0x3C))) {
      assertEquals(0, tensor(tensors, "empty").elements());
      assertEquals(0, tensor(tensors, "empty").data().byteSize());
      assertEquals(List.of(), tensor(tensors, "scalar").shape());
      assertEquals(1, tensor(tensors, "scalar").elements());
      assertEquals(1f, tensor(tensors, "scalar").element(0));
    }
  }

  @Test
  void tensorsComeInTheOrderOfTheirData() throws IOException {
    String header =
        """
        {"late":{"dtype":"U8","shape":[1],"data_offsets":[2,3]},\
        "early":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}}\
        """;
    try (var tensors = Safetensors.open(file(header, (byte) 1, (byte) 2, (byte) 3))) {
      assertEquals(
          List.of("early", "late"), tensors.tensors().stream().map(StoredTensor::name).toList());
      assertEquals(3, tensor(tensors, "late").data().get(ValueLayout.JAVA_BYTE, 0));
    }
  }

  @Test
  void aTypeThatIsNotRunIsRefusedOnlyWhenAskedFor() throws IOException {
    String header =
        """
        {"ids":{"dtype":"I64","shape":[1],"data_offsets":[0,8]},\
        "fp4":{"dtype":"F4","shape":[2],"data_offsets":[8,9]}}\
        """;
    Path file = file(header, new byte[9]);
    try (var tensors = Safetensors.open(file)) {
      assertEquals("I64", tensor(tensors, "ids").storedType());
      var e = assertThrows(UnsupportedModelException.class, tensor(tensors, "ids")::dtype);
      assertEquals(
          file + ": tensor \"ids\" is of type I64; lrt4j runs F32, F16 and BF16", e.getMessage());
    }
  }

  @Test
  void writesWhatItReads() {
    Path file = temporary.resolve("written.safetensors");
    SafetensorsWriter.write(
        file,
        Map.of("format", "pt", "note", "größer \"als\" 1\n"),
        List.of(
            SafetensorsWriter.Entry.of("a", List.of(2L, 2L), new float[] {1, -2, 3.5f, 1e-30f}),
            SafetensorsWriter.Entry.of("empty", List.of(0L), new float[0]),
            SafetensorsWriter.Entry.of("scalar", List.of(), new float[] {7})));
    try (var tensors = Safetensors.open(file)) {
      assertEquals("größer \"als\" 1\n", tensors.metadata().get("note"));
      StoredTensor a = tensor(tensors, "a");
      assertEquals(0, a.data().address() % 64);
      assertEquals(List.of(2L, 2L), a.shape());
      float[] read = new float[4];
      for (int i = 0; i < 4; i++) {
        read[i] = a.element(i);
      }
      assertArrayEquals(new float[] {1, -2, 3.5f, 1e-30f}, read);
      assertEquals(7, tensor(tensors, "scalar").element(0));
      assertEquals(file, a.file());
    }
  }

  @Test
  void largeTensorsAreStreamedInParallelAndInPlace() throws IOException {
    // 13 chunks: enough for two writers, the last one not full.
    byte[] bytes = new byte[12 * SafetensorsWriter.CHUNK_BYTES + 6];
    new SplittableRandom(1).nextBytes(bytes);
    MemorySegment source = MemorySegment.ofArray(bytes);
    Path file = temporary.resolve("large.safetensors");
    SafetensorsWriter.write(
        file,
        Map.of(),
        List.of(
            SafetensorsWriter.Entry.of("first", List.of(1L), new float[] {42}),
            SafetensorsWriter.Entry.of("x", DType.BF16, List.of(bytes.length / 2L), source)));
    try (var tensors = Safetensors.open(file)) {
      assertEquals(42, tensor(tensors, "first").element(0));
      assertEquals(-1, tensor(tensors, "x").data().mismatch(source));
    }
  }

  @Test
  void aFailedWriteLeavesTheOldFileAndNothingElse() throws IOException {
    Path file = Files.writeString(temporary.resolve("old.safetensors"), "old");
    for (long elements : new long[] {1, 16L * SafetensorsWriter.CHUNK_BYTES}) {
      var entry =
          new SafetensorsWriter.Entry(
              "x",
              DType.F16,
              List.of(elements),
              (offset, chunk) -> {
                throw new IllegalStateException("at " + offset);
              });
      assertThrows(
          IllegalStateException.class,
          () -> SafetensorsWriter.write(file, Map.of(), List.of(entry)));
    }
    assertEquals("old", Files.readString(file));
    try (var files = Files.list(temporary)) {
      assertEquals(List.of(file), files.toList());
    }
  }

  @Test
  void writingWhereThereIsNoDirectoryIsOneSentence() {
    Path file = temporary.resolve("none").resolve("x.safetensors");
    var e =
        assertThrows(
            CheckpointException.class, () -> SafetensorsWriter.write(file, Map.of(), List.of()));
    assertEquals(file + ": cannot be written (there is no such directory)", e.getMessage());
    assertFalse(Files.exists(file));
  }

  @Test
  @EnabledOnOs(OS.LINUX)
  void whatIsNoFileIsNotReplaced() throws IOException, InterruptedException {
    Path pipe = temporary.resolve("pipe");
    assertEquals(0, new ProcessBuilder("mkfifo", pipe.toString()).start().waitFor());
    var e =
        assertThrows(
            CheckpointException.class, () -> SafetensorsWriter.write(pipe, Map.of(), List.of()));
    assertEquals(
        pipe + ": expected a file to write, found something that is not a file", e.getMessage());
    assertFalse(Files.isRegularFile(pipe));
    e =
        assertThrows(
            CheckpointException.class,
            () -> SafetensorsWriter.write(temporary, Map.of(), List.of()));
    assertEquals(temporary + ": expected a file to write, found a directory", e.getMessage());
  }

  /** Writes a file that never comes to its end. */
  static final class Writing {
    private Writing() {}

    public static void main(String[] arguments) {
      var entry =
          new SafetensorsWriter.Entry(
              "x",
              DType.F16,
              List.of(1L),
              (offset, chunk) -> {
                System.out.println("begun");
                LockSupport.parkNanos(Long.MAX_VALUE);
              });
      SafetensorsWriter.write(Path.of(arguments[0]), Map.of(), List.of(entry));
    }
  }

  @Test
  void aProcessThatIsToldToEndLeavesNoHalfFile() throws IOException, InterruptedException {
    Path file = temporary.resolve("x.safetensors");
    assertEquals("", ChildJvm.runUntilToldToEnd(ChildJvm.USUAL, Writing.class, file.toString()));
    try (var files = Files.list(temporary)) {
      assertEquals(List.of(), files.toList());
    }
  }

  @Test
  void entriesOfOneNameOrOfTheWrongSizeAreTheCallersMistake() {
    var entry = SafetensorsWriter.Entry.of("x", List.of(1L), new float[1]);
    assertThrows(
        IllegalArgumentException.class,
        () -> SafetensorsWriter.write(temporary.resolve("x"), Map.of(), List.of(entry, entry)));
    assertThrows(
        IllegalArgumentException.class,
        () -> SafetensorsWriter.Entry.of("x", List.of(2L), new float[1]));
  }
}
