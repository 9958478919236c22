package io.lrt4j.spark;

import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import io.lrt4j.evaluation.Evaluation;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Task;
import java.io.Serializable;
import java.nio.file.Path;
import java.util.List;

/**
 * What executors load, and how they ask.
 *
 * @param model directory of the checkpoint, under the same path for every executor
 * @param network directory of the reasoning network; "" is the model's own, if it has one
 * @param backend as in {@link EngineOptions}
 * @param threads compute threads of an executor; 0 is one per processor
 * @param samples answers to every question
 * @param batch questions that a task of Spark asks at the same time
 * @param temperature 0 is greedy
 * @param topK 0 keeps all
 * @param topP 1 keeps all
 * @param seed same seed, same answers, however the questions are spread
 */
public record Plan(
    String model,
    String network,
    String backend,
    int threads,
    int samples,
    int batch,
    float temperature,
    int topK,
    float topP,
    long seed)
    implements Serializable {

  /** One greedy answer to every question, on the best backend. */
  public static Plan greedy(String model) {
    return new Plan(model, "", "auto", 0, 1, 1, 0, 0, 1, 0);
  }

  /** The same with a reasoning network from elsewhere. */
  public Plan withNetwork(String directory) {
    return new Plan(
        model, directory, backend, threads, samples, batch, temperature, topK, topP, seed);
  }

  /** The same with several sampled answers. */
  public Plan withSamples(int count, float warmth, long from) {
    return new Plan(model, network, backend, threads, count, batch, warmth, topK, topP, from);
  }

  /** The same with this many compute threads for an executor. */
  public Plan withThreads(int count) {
    return new Plan(model, network, backend, count, samples, batch, temperature, topK, topP, seed);
  }

  EngineOptions loading() {
    EngineOptions options = EngineOptions.defaults().withBackend(backend).withThreads(threads);
    return network.isEmpty() ? options : options.withNetwork(Path.of(network));
  }

  Evaluation evaluation(List<Task> tasks) {
    GenerationOptions options =
        GenerationOptions.defaults()
            .withTemperature(temperature)
            .withTopK(topK)
            .withTopP(topP)
            .withSeed(seed);
    return new Evaluation(new DataSet("part", tasks), samples, options, batch);
  }
}
