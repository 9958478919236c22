package io.lrt4j.compute.cpu.nativ;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;

import io.lrt4j.compute.Activations;
import io.lrt4j.compute.DecoderLayer;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.LayerShape;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.cpu.CpuMemory;
import io.lrt4j.compute.cpu.CpuTensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import org.jspecify.annotations.Nullable;

/** A decoder layer in C's eyes: one {@code lrt_layer} and one {@code lrt_activations}. */
final class LayerCall {
  private static final long LAYER_BYTES = 112;
  private static final long ACTIVATIONS_BYTES = 40;

  private final MemorySegment layer;
  private final MemorySegment activations;

  LayerCall(Arena arena) {
    layer = arena.allocate(LAYER_BYTES, ADDRESS.byteAlignment());
    activations = arena.allocate(ACTIVATIONS_BYTES, ADDRESS.byteAlignment());
  }

  /** The weights of a layer; those that were here before are gone. */
  MemorySegment layer(DecoderLayer<Tensor, Linear> p, LayerShape shape, KvCache cache) {
    NativeLinear qkv = NativeLinear.of(p.qkv());
    NativeLinear output = NativeLinear.of(p.output());
    NativeLinear gateUp = NativeLinear.of(p.gateUp());
    NativeLinear down = NativeLinear.of(p.down());
    put(layer, 0, p.inputNorm());
    put(layer, 8, qkv.parts());
    put(layer, 16, p.queryNorm());
    put(layer, 24, p.keyNorm());
    put(layer, 32, output.parts());
    put(layer, 40, p.postNorm());
    put(layer, 48, gateUp.parts());
    put(layer, 56, down.parts());
    layer.set(JAVA_INT, 64, qkv.count());
    layer.set(JAVA_INT, 68, output.count());
    layer.set(JAVA_INT, 72, gateUp.count());
    layer.set(JAVA_INT, 76, down.count());
    layer.set(JAVA_INT, 80, qkv.in());
    layer.set(JAVA_INT, 84, down.in());
    layer.set(JAVA_INT, 88, shape.heads());
    layer.set(JAVA_INT, 92, cache.kvHeads());
    layer.set(JAVA_INT, 96, cache.headDim());
    layer.set(JAVA_INT, 100, shape.window());
    layer.set(JAVA_FLOAT, 104, shape.eps());
    return layer;
  }

  /** Likewise what flows through it. */
  MemorySegment activations(Activations a, Tensor rope) {
    put(activations, 0, a.x());
    put(activations, 8, a.qkv());
    put(activations, 16, a.mixed());
    put(activations, 24, a.mlp());
    put(activations, 32, rope);
    return activations;
  }

  private static void put(MemorySegment to, long at, @Nullable Tensor tensor) {
    put(to, at, tensor == null ? MemorySegment.NULL : CpuTensor.of(tensor).data());
  }

  private static void put(MemorySegment to, long at, MemorySegment data) {
    to.set(ADDRESS, at, CpuMemory.alive(data));
  }
}
