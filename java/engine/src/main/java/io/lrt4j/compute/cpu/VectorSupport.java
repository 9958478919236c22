package io.lrt4j.compute.cpu;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.lang.management.ManagementFactory;
import java.util.Optional;
import java.util.function.Function;
import jdk.incubator.vector.FloatVector;
import org.jspecify.annotations.Nullable;

/** What this Java makes of vectors. Linked only where their module is there. */
final class VectorSupport {
  private VectorSupport() {}

  /** Why the kernels cannot run here, if so. */
  static Optional<String> missing() {
    return missing(FloatVector.SPECIES_PREFERRED.vectorBitSize());
  }

  /** The kernels add up the lanes of 4, 8 or 16 numbers. */
  static Optional<String> missing(int bits) {
    return bits == 128 || bits == 256 || bits == 512
        ? Optional.empty()
        : Optional.of("it runs on vectors of 128, 256 and 512 bits, found " + bits);
  }

  /** Why the kernels would crawl here, if so. */
  static Optional<String> slow() {
    return slow(VectorSupport::flag, System.getProperty("java.vm.info", ""));
  }

  /**
   * The same of a Java with other settings.
   *
   * @param flags HotSpot's, by name; null where there is no such
   * @param mode {@code java.vm.info}
   */
  static Optional<String> slow(Function<String, @Nullable String> flags, String mode) {
    if (mode.startsWith("interpreted")) {
      return Optional.of("Java only interprets here (-Xint)");
    }
    String tier = flags.apply("TieredStopAtLevel");
    if (tier == null
        || Integer.parseInt(tier) < 4
        || "false".equals(flags.apply("EnableVectorSupport"))
        || "true".equals(flags.apply("UseJVMCICompiler"))) {
      return Optional.of("only HotSpot's optimising compiler (C2) turns vectors into instructions");
    }
    if ("false".equals(flags.apply("UseFMA"))) {
      return Optional.of("the processor has no fused multiply-add, or -XX:-UseFMA hides it");
    }
    return Optional.empty();
  }

  private static @Nullable String flag(String name) {
    try {
      return ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class)
          .getVMOption(name)
          .getValue();
    } catch (RuntimeException e) { // another VM, or one without that flag
      return null;
    }
  }
}
