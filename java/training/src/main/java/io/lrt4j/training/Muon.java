package io.lrt4j.training;

import io.lrt4j.compute.TrainingBackend;
import io.lrt4j.compute.TrainingBackend.Matrix;
import java.util.List;

/** {@link TrainingBackend#muon Muon} for the matrices of decoder layers. */
final class Muon {
  private static final float MOMENTUM = 0.95f;

  private final TrainingBackend ops;
  private final List<Matrix> matrices;

  /** For these parameters, whose momentum is kept where AdamW would keep its first moments. */
  Muon(Parameters parameters, List<String> names, TrainingBackend ops) {
    this.ops = ops;
    matrices =
        names.stream()
            .map(
                name ->
                    new Matrix(
                        parameters.view(parameters.master(), name),
                        parameters.gradient(name),
                        parameters.view(parameters.firstMoments(), name)))
            .toList();
  }

  /** Whether a parameter is one of Muon's: a matrix of a decoder layer. */
  static boolean owns(String name, Parameters.Part part) {
    return part.shape().size() == 2 && name.contains(".layers.");
  }

  /** One update of all matrices, with decoupled weight decay. */
  void step(double learningRate, float decay, float gradientScale) {
    var settings = new TrainingBackend.Muon(MOMENTUM, decay);
    ops.muon(matrices, settings, (float) learningRate, gradientScale);
  }
}
