package io.lrt4j.compute.cpu.nativ;

import java.util.Arrays;
import java.util.List;

/**
 * Instruction sets that the kernels are compiled for, each with all before it that its architecture
 * has: save that AVX-512 does without {@link #AVX_VNNI} (lrt4j.h). On most processors each is
 * faster than those before it.
 */
public enum Isa {
  BASELINE(0, "baseline", false),
  AVX2(1, "AVX2", false),
  AVX_VNNI(6, "AVX2 AVX-VNNI", false),
  AVX512(2, "AVX-512", false),
  AVX512_VNNI(3, "AVX-512 VNNI", false),
  AVX512_BF16(4, "AVX-512 VNNI BF16", false),
  AMX(5, "AVX-512 AMX", false),
  NEON(0, "NEON", true),
  NEON_DOT(3, "NEON with dot products", true);

  private final int level;
  private final String title;
  private final boolean arm;

  Isa(int level, String title, boolean arm) {
    this.level = level;
    this.title = title;
    this.arm = arm;
  }

  /**
   * Those that this processor and its system run, in order.
   *
   * @throws io.lrt4j.BackendException if there is no native library here
   */
  public static List<Isa> available() {
    NativeLibrary.symbols(); // refuses with the reason where there is none
    return of(NativeLibrary.platform(), NativeCalls.levels());
  }

  /** Of levels as bits. */
  static List<Isa> of(String platform, int levels) {
    boolean arm = platform.endsWith("-aarch64");
    return Arrays.stream(values())
        .filter(i -> i.arm == arm && (levels >> i.level & 1) != 0)
        .toList();
  }

  /**
   * The fastest one that this processor and its system run.
   *
   * @throws io.lrt4j.BackendException if there is no native library here
   */
  public static Isa best() {
    List<Isa> available = available();
    int level = NativeCalls.bestLevel();
    return available.stream().filter(isa -> isa.level == level).findFirst().orElseThrow();
  }

  int level() {
    return level;
  }

  @Override
  public String toString() {
    return title;
  }
}
