package io.lrt4j.training;

import io.lrt4j.checkpoint.StoredTensor;
import io.lrt4j.checkpoint.TensorLayout;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.model.Weights;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Everything that a run trains, with what the optimiser keeps of it: five flat tensors of the same
 * order, and a name for every part. Projections that are computed together (query, key and value;
 * gate and up) lie next to each other, so that they can be one matrix.
 */
public final class Parameters implements AutoCloseable {
  private static final List<List<String>> FUSED =
      List.of(List.of("q_proj", "k_proj", "v_proj"), List.of("gate_proj", "up_proj"));

  /**
   * One named part.
   *
   * @param shape dimensions, as in the checkpoint
   * @param at its first element in the flat tensors
   * @param elements how many it has
   */
  public record Part(List<Long> shape, long at, long elements) {
    int cols() {
      return Math.toIntExact(shape.getLast());
    }

    int rows() {
      return Math.toIntExact(elements / shape.getLast());
    }
  }

  private final Backend backend;
  private final Memory memory;
  private final SequencedMap<String, Part> parts;
  private final long elements;
  private final boolean bf16;
  private final Tensor master;
  private final Tensor values;
  private final Tensor gradients;
  private final Tensor firstMoments;
  private final Tensor secondMoments;

  /**
   * Room for the parameters of a layout, all 0.
   *
   * @param bf16 whether the computation sees them rounded to bf16; the optimiser keeps f32
   */
  public Parameters(TensorLayout layout, Backend backend, boolean bf16) {
    this.backend = backend;
    this.bf16 = bf16;
    parts = Collections.unmodifiableSequencedMap(arrange(layout));
    Part last = parts.lastEntry().getValue();
    elements = last.at + last.elements;
    int count = Math.toIntExact(elements);
    memory = backend.newMemory();
    try {
      master = memory.allocate(1, count);
      values = bf16 ? memory.allocate(1, count) : master;
      gradients = memory.allocate(1, count);
      firstMoments = memory.allocate(1, count);
      secondMoments = memory.allocate(1, count);
    } catch (Throwable e) {
      memory.close();
      throw e;
    }
  }

  /** The layout's order, with fused parts brought together. */
  private static SequencedMap<String, Part> arrange(TensorLayout layout) {
    List<String> names = new ArrayList<>();
    for (String name : layout.shapes().keySet()) {
      boolean first = true;
      for (List<String> group : FUSED) {
        for (String member : group) {
          if (name.contains("." + member + ".")) {
            first = member.equals(group.getFirst());
            if (first) {
              group.forEach(other -> names.add(name.replace(member, other)));
            }
            first = false;
          }
        }
      }
      if (first) {
        names.add(name);
      }
    }
    var parts = new LinkedHashMap<String, Part>();
    long at = 0;
    for (String name : names) {
      List<Long> shape = Objects.requireNonNull(layout.shapes().get(name));
      long elements = shape.stream().reduce(1L, Math::multiplyExact);
      parts.put(name, new Part(shape, at, elements));
      at += elements;
    }
    return parts;
  }

  /** All parts, in the order in which they lie. */
  public Map<String, Part> parts() {
    return parts;
  }

  /** Number of parameters. */
  public long elements() {
    return elements;
  }

  /** What the computation uses, [1, elements]. */
  public Tensor values() {
    return values;
  }

  /** What the optimiser updates, in f32; {@link #values} itself unless those are rounded. */
  public Tensor master() {
    return master;
  }

  /** Gradient of the loss, [1, elements]. */
  public Tensor gradients() {
    return gradients;
  }

  /** The optimiser's running mean of the gradient, [1, elements]. */
  public Tensor firstMoments() {
    return firstMoments;
  }

  /** The optimiser's running mean of the squared gradient, [1, elements]. */
  public Tensor secondMoments() {
    return secondMoments;
  }

  /** Brings {@link #values} up to date with {@link #master}. */
  public void masterChanged() {
    if (bf16) {
      backend.training().roundToBf16(master, values);
    }
  }

  /**
   * A part as the computation uses it; several names that lie next to each other are one matrix.
   */
  public Tensor value(String... names) {
    return view(values, names);
  }

  /** These parameters for inference, which sees every change of {@link #values}. */
  public Weights.Source weights() {
    return new Weights.Source() {
      @Override
      public Tensor tensor(String name) {
        return value(name);
      }

      @Override
      public Linear linear(boolean bias, String... names) {
        DecoderWeights.Linear linear =
            ((DecoderWeights.Source) Parameters.this::value).linear(bias, names);
        return backend.training().linear(linear.weight(), linear.bias());
      }
    };
  }

  /** The gradient of {@link #value}. */
  public Tensor gradient(String... names) {
    return view(gradients, names);
  }

  /** The named parts of one of the flat tensors, as one matrix. */
  public Tensor view(Tensor flat, String... names) {
    Part first = part(names[0]);
    long end = first.at;
    for (String name : names) {
      Part part = part(name);
      if (part.at != end || (part.shape.size() > 1 && part.cols() != first.cols())) {
        throw new IllegalArgumentException(name + " does not follow the part before it");
      }
      end += part.elements;
    }
    boolean vector = first.shape.size() == 1;
    int cols = vector ? Math.toIntExact(end - first.at) : first.cols();
    return backend.training().view(flat, first.at, Math.toIntExact((end - first.at) / cols), cols);
  }

  private Part part(String name) {
    Part part = parts.get(name);
    if (part == null) {
      throw new IllegalArgumentException("no parameter " + name);
    }
    return part;
  }

  /** Takes all parts from a checkpoint, by name; what it answers null for stays as it is. */
  public void load(Function<String, @Nullable StoredTensor> source) {
    for (String name : parts.keySet()) {
      StoredTensor stored = source.apply(name);
      if (stored != null) {
        put(master, name, stored);
      }
    }
    masterChanged();
  }

  /** Copies a stored tensor into a part of one of the flat tensors. */
  void put(Tensor flat, String name, StoredTensor stored) {
    try (Memory taken = backend.newMemory()) {
      Tensor from = taken.weight(stored.weight());
      Tensor to = backend.training().view(flat, part(name).at, from.rows(), from.cols());
      backend.copyRows(from, 0, to, 0, from.rows());
    }
  }

  /** A copy of a part of one of the flat tensors. */
  public float[] get(Tensor flat, String name) {
    float[] copy = new float[Math.toIntExact(part(name).elements)];
    backend.read(view(flat, name), 0, copy, part(name).rows());
    return copy;
  }

  @Override
  public void close() {
    memory.close();
  }
}
