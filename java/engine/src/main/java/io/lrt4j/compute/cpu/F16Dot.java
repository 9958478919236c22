package io.lrt4j.compute.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;

/**
 * f16 in f32's clothes: exponent and mantissa three bits further down, and 2^112 makes up for the
 * difference of the biases, subnormals included. Infinities and NaN, which no trained weight is,
 * become finite.
 */
final class F16Dot extends HalfDot {
  static final F16Dot INSTANCE = new F16Dot();

  private static final float REBIAS = 0x1p112f;

  @Override
  FloatVector widen(IntVector top) {
    // The arithmetic shift smears the sign over three bits; the mask keeps the first of them.
    IntVector moved = top.lanewise(VectorOperators.ASHR, 3).and(0x8FFFFFFF);
    return moved.reinterpretAsFloats().mul(REBIAS);
  }
}
