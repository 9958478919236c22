package io.lrt4j.compute.cpu.nativ;

/** Instruction sets that the kernels are compiled for, each with all before it (lrt4j.h). */
public enum Isa {
  BASELINE(0, "baseline"),
  AVX2(1, "AVX2"),
  AVX512(2, "AVX-512"),
  AVX512_VNNI(3, "AVX-512 VNNI"),
  AVX512_BF16(4, "AVX-512 VNNI BF16");

  private final int level;
  private final String title;

  Isa(int level, String title) {
    this.level = level;
    this.title = title;
  }

  /**
   * The best one that this processor and its system run.
   *
   * @throws io.lrt4j.BackendException if there is no native library here
   */
  public static Isa best() {
    NativeLibrary.symbols(); // refuses with the reason where there is none
    Isa best = BASELINE;
    for (Isa isa : values()) {
      best = isa.level <= NativeCalls.bestLevel() ? isa : best;
    }
    return best;
  }

  int level() {
    return level;
  }

  @Override
  public String toString() {
    return title;
  }
}
