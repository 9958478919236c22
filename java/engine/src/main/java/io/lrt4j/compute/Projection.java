package io.lrt4j.compute;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * One or more linear layers over the same input, their outputs side by side: y = [x W0^T + b0 ; x
 * W1^T + b1 ; …]. Query, key and value (or gate and up) are one projection while their weights stay
 * where the checkpoint has them.
 */
public record Projection(List<Part> parts) {

  /** One linear layer: weight [out, in], bias [1, out] or null. */
  public record Part(Tensor weight, @Nullable Tensor bias) {}

  public Projection {
    parts = List.copyOf(parts);
    for (Part part : parts) {
      if (part.weight.cols() != parts.getFirst().weight.cols()) {
        throw new IllegalArgumentException("the parts of a projection need one input width");
      }
    }
  }

  public static Projection of(Tensor weight, @Nullable Tensor bias) {
    return new Projection(List.of(new Part(weight, bias)));
  }

  /** Width of the input. */
  public int in() {
    return parts.getFirst().weight.cols();
  }

  /** Width of the output, all parts together. */
  public int out() {
    int out = 0;
    for (int i = 0; i < parts.size(); i++) { // an iterator would be an object per call
      out += parts.get(i).weight.rows();
    }
    return out;
  }
}
