package io.lrt4j.compute.cpu.nativ;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.lrt4j.compute.DecoderLayer;
import io.lrt4j.compute.DecoderLayers;
import io.lrt4j.compute.LayerShape;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.cpu.CpuMemory;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A model's decoder layers in C's eyes: one {@code lrt_layer} each, then the {@code lrt_part}s of
 * all. Made once, as weights stay where they are: a step that read them layer by layer from Java's
 * objects would wait for each, as weights have pushed them out of the caches.
 */
final class NativeLayers implements DecoderLayers {
  private static final long LAYER_BYTES = 112;
  private static final int LINE = 64;

  private final List<DecoderLayer<Tensor, Linear>> layers;
  private final List<LayerShape> shapes;
  private final MemorySegment described;
  private final Map<MemorySegment.Scope, MemorySegment> weights = new HashMap<>(); // one of each
  private long end; // of the parts so far

  NativeLayers(List<DecoderLayer<Tensor, Linear>> layers, List<LayerShape> shapes) {
    this.layers = layers;
    this.shapes = shapes;
    end = layers.size() * LAYER_BYTES;
    long bytes = end;
    for (DecoderLayer<Tensor, Linear> layer : layers) {
      for (Linear p : List.of(layer.qkv(), layer.output(), layer.gateUp(), layer.down())) {
        bytes += NativeLinear.of(p).parts().byteSize();
      }
    }
    described = Arena.ofAuto().allocate(bytes, LINE);
    for (int l = 0; l < layers.size(); l++) {
      describe(l * LAYER_BYTES, layers.get(l), shapes.get(l));
    }
  }

  private void describe(long at, DecoderLayer<Tensor, Linear> p, LayerShape shape) {
    int dim = p.output().in() / shape.heads();
    norm(at, p.inputNorm());
    parts(at + 8, at + 64, p.qkv());
    norm(at + 16, p.queryNorm());
    norm(at + 24, p.keyNorm());
    parts(at + 32, at + 68, p.output());
    norm(at + 40, p.postNorm());
    parts(at + 48, at + 72, p.gateUp());
    parts(at + 56, at + 76, p.down());
    described.set(JAVA_INT, at + 80, p.qkv().in());
    described.set(JAVA_INT, at + 84, p.down().in());
    described.set(JAVA_INT, at + 88, shape.heads());
    described.set(JAVA_INT, at + 92, (p.qkv().out() / dim - shape.heads()) / 2);
    described.set(JAVA_INT, at + 96, dim);
    described.set(JAVA_INT, at + 100, shape.window());
    described.set(JAVA_FLOAT, at + 104, shape.eps());
  }

  private void norm(long at, @Nullable Tensor norm) {
    if (norm != null) { // zeroed
      described.set(ADDRESS, at, alive(CpuTensor.of(norm).data()));
    }
  }

  private void parts(long at, long countAt, Linear linear) {
    NativeLinear p = NativeLinear.of(linear);
    for (NativeLinear.Part part : p.layers()) {
      alive(part.packed());
      if (part.bias() != null) {
        alive(part.bias().data());
      }
    }
    MemorySegment parts = alive(p.parts());
    MemorySegment here = described.asSlice(end, parts.byteSize()).copyFrom(parts);
    described.set(ADDRESS, at, here);
    described.set(JAVA_INT, countAt, p.count());
    end += here.byteSize();
  }

  private MemorySegment alive(MemorySegment data) {
    weights.put(data.scope(), data);
    return CpuMemory.alive(data);
  }

  @Override
  public List<DecoderLayer<Tensor, Linear>> layers() {
    return layers;
  }

  @Override
  public List<LayerShape> shapes() {
    return shapes;
  }

  /**
   * The description, if no weights have been freed.
   *
   * @throws IllegalStateException if some have been
   */
  MemorySegment described() {
    weights.values().forEach(CpuMemory::alive);
    return described;
  }
}
