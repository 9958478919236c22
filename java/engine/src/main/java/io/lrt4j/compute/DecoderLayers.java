package io.lrt4j.compute;

import java.util.List;

/**
 * All decoder layers of a model, as a backend runs them: what it makes of them once is here. Good
 * until their weights are freed.
 */
public interface DecoderLayers {
  /** Their parameters, in order. */
  List<DecoderLayer<Tensor, Linear>> layers();

  /** What those do not tell, of as many; their indices follow one another. */
  List<LayerShape> shapes();

  /** Layers of which nothing is made. */
  record Plain(List<DecoderLayer<Tensor, Linear>> layers, List<LayerShape> shapes)
      implements DecoderLayers {}
}
