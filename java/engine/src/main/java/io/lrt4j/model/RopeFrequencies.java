package io.lrt4j.model;

import io.lrt4j.model.ModelConfig.Rope;
import io.lrt4j.model.ModelConfig.Scaling;

/**
 * Angles of the rotary position embedding (Su et al., 2021) with the long-context scalings of
 * Hugging Face checkpoints. All in f32 and in the order of the reference implementation: models
 * were trained with its rounding.
 */
public final class RopeFrequencies {
  private RopeFrequencies() {}

  /** Angle per position of each of the headDim / 2 pairs. */
  public static float[] inverse(Rope rope, int headDim) {
    float[] inverse = new float[headDim / 2];
    for (int i = 0; i < inverse.length; i++) {
      inverse[i] = 1f / wavelength(rope.theta(), i, headDim);
    }
    switch (rope.scaling()) {
      case Scaling.None none -> {}
      case Scaling.Linear linear -> {
        for (int i = 0; i < inverse.length; i++) {
          inverse[i] /= (float) linear.factor();
        }
      }
      case Scaling.Llama3 llama -> scale(inverse, llama);
      case Scaling.Yarn yarn -> scale(inverse, yarn, rope.theta(), headDim);
    }
    return inverse;
  }

  private static float wavelength(double theta, int pair, int headDim) {
    return (float) Math.pow(theta, (float) (2 * pair) / headDim);
  }

  private static void scale(float[] inverse, Scaling.Llama3 llama) {
    double old = llama.originalMaxPositions();
    for (int i = 0; i < inverse.length; i++) {
      float wavelength = (float) (2 * Math.PI) / inverse[i];
      if (wavelength > old / llama.lowFreqFactor()) {
        inverse[i] /= (float) llama.factor();
      } else if (wavelength >= old / llama.highFreqFactor()) {
        float smooth = (float) old / wavelength - (float) llama.lowFreqFactor();
        smooth /= (float) (llama.highFreqFactor() - llama.lowFreqFactor());
        inverse[i] = (1 - smooth) * inverse[i] / (float) llama.factor() + smooth * inverse[i];
      }
    }
  }

  private static void scale(float[] inverse, Scaling.Yarn yarn, double theta, int headDim) {
    double low = pairWithRotations(yarn.betaFast(), yarn, theta, headDim);
    double high = pairWithRotations(yarn.betaSlow(), yarn, theta, headDim);
    if (yarn.truncate()) {
      low = Math.floor(low);
      high = Math.ceil(high);
    }
    low = Math.max(low, 0);
    high = Math.min(high, headDim - 1);
    if (low == high) {
      high += 0.001; // the reference's guard against dividing by zero
    }
    for (int i = 0; i < inverse.length; i++) {
      float ramp = (i - (float) low) / (float) (high - low);
      float kept = 1 - Math.clamp(ramp, 0f, 1f);
      float interpolated = 1f / ((float) yarn.factor() * wavelength(theta, i, headDim));
      inverse[i] = interpolated * (1 - kept) + inverse[i] * kept;
    }
  }

  /** The (fractional) pair that turns {@code rotations} times within the original context. */
  private static double pairWithRotations(
      double rotations, Scaling.Yarn yarn, double theta, int headDim) {
    return headDim
        * Math.log(yarn.originalMaxPositions() / (rotations * 2 * Math.PI))
        / (2 * Math.log(theta));
  }

  /** What cosines and sines are multiplied with: YaRN's attention factor, else 1. */
  public static float attentionFactor(Rope rope) {
    return rope.scaling() instanceof Scaling.Yarn yarn ? (float) yarn.attentionFactor() : 1f;
  }

  /**
   * Cosines, then sines, of positions 0 … positions-1, [positions, headDim], times {@code factor}.
   */
  public static float[] table(float[] inverse, float factor, int positions) {
    int half = inverse.length;
    float[] table = new float[Math.multiplyExact(positions, 2 * half)];
    for (int p = 0; p < positions; p++) {
      int row = p * 2 * half;
      for (int i = 0; i < half; i++) {
        float angle = p * inverse[i];
        table[row + i] = (float) Math.cos(angle) * factor;
        table[row + half + i] = (float) Math.sin(angle) * factor;
      }
    }
    return table;
  }
}
