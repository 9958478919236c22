package io.lrt4j.checkpoint;

import io.lrt4j.compute.DType;
import org.jspecify.annotations.Nullable;

/**
 * Every element type of the safetensors format. A file may hold any of them, and its offsets are
 * checked with their sizes; only those that {@link #dType()} names are computed with.
 */
enum StoredType {
  BOOL(8),
  F4(4),
  F6_E2M3(6),
  F6_E3M2(6),
  U8(8),
  I8(8),
  F8_E5M2(8),
  F8_E4M3(8),
  F8_E8M0(8),
  F8_E4M3FNUZ(8),
  F8_E5M2FNUZ(8),
  I16(16),
  U16(16),
  F16(16),
  BF16(16),
  I32(32),
  U32(32),
  F32(32),
  C64(64),
  F64(64),
  I64(64),
  U64(64);

  private final int bits;

  StoredType(int bits) {
    this.bits = bits;
  }

  /** Size of one element in bits. */
  int bits() {
    return bits;
  }

  /** The type to compute with, or null for one that lrt4j does not run. */
  @Nullable DType dType() {
    return switch (this) {
      case F32 -> DType.F32;
      case F16 -> DType.F16;
      case BF16 -> DType.BF16;
      default -> null;
    };
  }

  static @Nullable StoredType named(String name) {
    for (StoredType type : values()) {
      if (type.name().equals(name)) {
        return type;
      }
    }
    return null;
  }
}
