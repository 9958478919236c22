package io.lrt4j.compute.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import io.lrt4j.ChildJvm;
import io.lrt4j.Quantization;
import io.lrt4j.compute.Backends;
import io.lrt4j.compute.DType;
import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** Where vectors are worth it, and that the kernels are right at every width. */
class VectorSupportTest {
  private static final Map<String, String> HOTSPOT =
      Map.of(
          "TieredStopAtLevel", "4",
          "EnableVectorSupport", "true",
          "UseJVMCICompiler", "false",
          "UseFMA", "true");

  private static Optional<String> slow(Map<String, String> changed) {
    Map<String, String> flags = new HashMap<>(HOTSPOT);
    flags.putAll(changed);
    return VectorSupport.slow(flags::get, "mixed mode, sharing");
  }

  @Test
  void compiledVectorsAreFast() {
    assertEquals(Optional.empty(), slow(Map.of()));
    assertEquals(Optional.empty(), VectorSupport.slow(), "of the process that runs the tests");
    Optional<String> noFma =
        Optional.of("the processor has no fused multiply-add, or -XX:-UseFMA hides it");
    Optional<String> noC2 =
        Optional.of("only HotSpot's optimising compiler (C2) turns vectors into instructions");
    assertEquals(noFma, slow(Map.of("UseFMA", "false")));
    assertEquals(noC2, slow(Map.of("TieredStopAtLevel", "1")));
    assertEquals(noC2, slow(Map.of("EnableVectorSupport", "false")));
    assertEquals(noC2, slow(Map.of("UseJVMCICompiler", "true")));
    assertEquals(noC2, VectorSupport.slow(name -> null, "JRE 25 Linux amd64-64-Bit Compressed"));
    assertEquals(
        Optional.of("Java only interprets here (-Xint)"),
        VectorSupport.slow(HOTSPOT::get, "interpreted mode, sharing"));
  }

  @Test
  void widths() {
    for (int bits : new int[] {128, 256, 512}) {
      assertEquals(Optional.empty(), VectorSupport.missing(bits));
    }
    for (int bits : new int[] {64, 1024, 2048, 384}) {
      assertEquals(
          Optional.of("it runs on vectors of 128, 256 and 512 bits, found " + bits),
          VectorSupport.missing(bits));
    }
  }

  /** What a process with other options finds. */
  static final class Survey {
    private Survey() {}

    public static void main(String[] arguments) {
      List<String> usable =
          Backends.survey().stream()
              .filter(Backends.Status::available)
              .map(Backends.Status::name)
              .filter(name -> !name.equals("native") && !name.equals("cuda"))
              .toList();
      System.out.println(usable + " " + Backends.trainers());
      try (var backend = Backends.openForTraining(Backends.AUTO, 1)) {
        System.out.println(backend.name());
      }
      String hints = Backends.missing("scalar").orElse("");
      System.out.println(hints.substring(hints.indexOf("backend vector")));
    }
  }

  @Test
  void autoLeavesAsideWhatCrawls() throws IOException, InterruptedException {
    assertEquals(
        """
        [scalar, vector] [scalar, vector]
        scalar
        backend vector is left aside: the processor has no fused multiply-add, or -XX:-UseFMA hides it
        """,
        ChildJvm.run(ChildJvm.with("-XX:-UseFMA"), Survey.class));
    assertEquals(
        """
        [scalar] [scalar]
        scalar
        backend vector would be faster than scalar: it runs on vectors of 128, 256 and 512 bits, found 64
        """,
        ChildJvm.run(ChildJvm.with("-XX:MaxVectorSize=8"), Survey.class));
  }

  /** The operations' own tests, on vectors of another width. */
  @SuppressWarnings("JUnitMethodInvoked") // there is no runner in that process
  static final class Operations {
    private Operations() {}

    public static void main(String[] arguments) {
      var lanes = new LanesTest();
      lanes.expAtTheEnds();
      lanes.expOfMixedLanes();
      lanes.sum();
      var operations = new BackendOperationsTest();
      operations.projections(DType.BF16);
      operations.gatedMlp(DType.F16);
      operations.norm();
      operations.summarize(33);
      operations.nanIsNotHidden();
      operations.close();
      var rounding = new RoundingTest();
      rounding.products(Quantization.Q8, new Numbers(1), 160, 63);
      rounding.products(Quantization.Q4, new Numbers(1), 160, 63);
      rounding.close();
      var attention = new AttentionOperationsTest();
      attention.attention(3, 1, 34);
      attention.attentionDoesNotDependOnForksAndCompany(3, 1, 34, DType.F32);
      attention.rounded(3, 1, 34, DType.F16);
      attention.rounded(6, 2, 96, DType.Q8);
      attention.ropeAndStore(3, 1, 34, true);
      attention.close();
      var training = new TrainingOperationsTest();
      training.open();
      training.projections();
      training.norm();
      training.gate();
      training.logProbabilities();
      training.optimiser();
      training.rotation(5, 5, 34);
      training.attention(5, 5, 34);
      training.close();
      System.out.println(Lanes.F.vectorBitSize());
    }
  }

  /** This process tests the processor's own width; the narrower ones that it also has are here. */
  @Test
  void everyWidth() throws IOException, InterruptedException {
    for (int bits = 128; bits < Lanes.F.vectorBitSize(); bits *= 2) {
      assertEquals(
          bits + "\n",
          ChildJvm.run(
              ChildJvm.with(
                  Stream.concat(
                          ChildJvm.own("-XX:Loop"), // it compiles more of the kernels in less time
                          Stream.of("-XX:MaxVectorSize=" + bits / 8, "-Dlrt4j.test.backend=vector"))
                      .toArray(String[]::new)),
              Operations.class));
    }
  }
}
