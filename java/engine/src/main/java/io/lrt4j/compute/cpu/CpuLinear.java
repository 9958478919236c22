package io.lrt4j.compute.cpu;

import io.lrt4j.compute.Linear;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** A projection whose weights stay where and as they are. */
record CpuLinear(List<Part> parts) implements Linear {

  /** One linear layer: weight [out, in], bias f32 [1, out] or null. */
  record Part(CpuTensor weight, @Nullable CpuTensor bias) {}

  CpuLinear {
    parts = List.copyOf(parts);
    for (Part part : parts) {
      if (part.weight.cols() != parts.getFirst().weight.cols()) {
        throw new IllegalArgumentException("the parts of a projection need one input width");
      }
      if (part.bias != null && part.bias.cols() != part.weight.rows()) {
        throw new IllegalArgumentException(
            "expected a bias of " + part.weight.rows() + ", found " + part.bias.cols());
      }
    }
  }

  static CpuLinear of(CpuTensor weight, @Nullable CpuTensor bias) {
    return new CpuLinear(List.of(new Part(weight, bias)));
  }

  static CpuLinear of(Linear linear) {
    return (CpuLinear) linear;
  }

  @Override
  public int in() {
    return parts.getFirst().weight.cols();
  }

  @Override
  public int out() {
    int out = 0;
    for (int i = 0; i < parts.size(); i++) { // an iterator would be an object per call
      out += parts.get(i).weight.rows();
    }
    return out;
  }

  @Override
  public long bytes() {
    return parts.stream().mapToLong(part -> part.weight.data().byteSize()).sum();
  }
}
