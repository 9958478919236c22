package io.lrt4j.compute.cpu;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;

/** bf16 is the top half of an f32. */
final class Bf16Dot extends HalfDot {
  static final Bf16Dot INSTANCE = new Bf16Dot();

  @Override
  FloatVector widen(IntVector top) {
    return top.reinterpretAsFloats();
  }
}
