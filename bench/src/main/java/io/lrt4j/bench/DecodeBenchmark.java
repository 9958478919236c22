package io.lrt4j.bench;

import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import io.lrt4j.checkpoint.Initializer;
import io.lrt4j.checkpoint.Presets;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.decode.Generator;
import io.lrt4j.decode.Sampler;
import io.lrt4j.decode.Sequence;
import io.lrt4j.decode.Vocabulary;
import io.lrt4j.evaluation.speed.BaseModel;
import io.lrt4j.evaluation.speed.TokenIds;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Workspace;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/**
 * Decoding: a token in, a token out. With {@code -prof gc} it shows that a step makes no objects: 0
 * B/op once it is warm.
 */
@State(Scope.Benchmark)
public class DecodeBenchmark {
  private static final int CONTEXT = 64;
  private static final int TOKENS = 256;
  private static final int COMPANY = 16;

  /** A checkpoint directory, or the name of a preset, which is made with random weights. */
  @Param("tiny")
  public String model = "";

  /** As in {@code --backend}. */
  @Param("vector")
  public String backend = "";

  /** Compute threads; 0 takes one per processor. */
  @Param("0")
  public int threads;

  private @Nullable Loop loop;

  /** Loads the model and prefills a context. */
  @Setup(Level.Trial)
  public void open() throws IOException {
    if (!Presets.names().contains(model)) {
      loop = new Loop(new BaseModel(Path.of(model), options()));
      return;
    }
    // The mapping outlives the files. Deleting them at the end would count as the benchmark's own
    // allocations, as JMH tears down within the last iteration.
    try (TemporaryFolder folder = new TemporaryFolder()) {
      Path directory = folder.path().resolve(model);
      Initializer.model(model, directory, 1);
      loop = new Loop(new BaseModel(directory, options()));
    }
  }

  private EngineOptions options() {
    return EngineOptions.builder().backend(backend).threads(threads).build();
  }

  /** One greedy step. */
  @Benchmark
  public int greedy() {
    return loop().greedy();
  }

  /** One step with temperature, top-k, top-p and a repetition penalty. */
  @Benchmark
  public int sampled() {
    return loop().sampled();
  }

  /**
   * A token of a whole answer through {@link Generator}: what the answer itself keeps (its ids and
   * log-probabilities, 8 bytes a token, and a few objects an answer) is in the bytes.
   */
  @Benchmark
  @OperationsPerInvocation(TOKENS)
  public Sequence answer() {
    return loop().answer();
  }

  /** A token of one of 16 such answers, which are written together. */
  @Benchmark
  @OperationsPerInvocation(COMPANY * TOKENS)
  public List<Sequence> answers() {
    return loop().answers();
  }

  /** Frees all. */
  @TearDown(Level.Trial)
  public void close() {
    loop().close();
  }

  private Loop loop() {
    return Objects.requireNonNull(loop);
  }

  /** Everything a step needs; nothing is made after the constructor. */
  private static final class Loop implements AutoCloseable {
    private static final GenerationOptions SAMPLED =
        GenerationOptions.defaults()
            .withTemperature(0.6f)
            .withSeed(1)
            .withTopK(20)
            .withTopP(0.95f)
            .withRepetitionPenalty(1.1f);

    private final BaseModel model;
    private final Backend ops;
    private final Transformer transformer;
    private final Generator generator;
    private final Generator company;
    private final Workspace w;
    private final KvCache cache;
    private final Batch batch = new Batch(1);
    private final LogitSummary summary = new LogitSummary();
    private final Sampler sampler;
    private final Vocabulary vocabulary;
    private final float[] host;
    private final int[] prompt;
    private final int[] id = new int[1];

    Loop(BaseModel model) {
      this.model = model;
      ops = model.backend();
      transformer = model.transformer();
      int vocab = model.config().vocabSize();
      generator = new Generator(transformer, 1);
      company = new Generator(transformer, COMPANY);
      w = transformer.newWorkspace(1, 1);
      cache = transformer.newCache();
      sampler = new Sampler(SAMPLED, vocab);
      vocabulary = Vocabulary.of(vocab, null, List.of());
      host = new float[vocab];
      prompt = TokenIds.random(CONTEXT, vocab, 1);
      generator.prefill(cache, prompt, null);
    }

    int greedy() {
      step();
      ops.summarize(w.logits, 0, summary);
      id[0] = summary.argmax;
      return id[0];
    }

    int sampled() {
      step();
      ops.summarize(w.logits, 0, summary);
      ops.read(w.logits, 0, host, 1);
      sampler.penalize(host, host.length);
      id[0] = sampler.sample(host, host.length, 0, cache.length());
      sampler.seen(id[0]);
      return id[0];
    }

    private void step() {
      if (cache.length() == CONTEXT + TOKENS) {
        cache.truncate(CONTEXT);
      }
      transformer.embed(id, 0, 1, w.x);
      transformer.forward(batch.clear().add(cache, 1), w);
      transformer.logitsOfLastRows(batch, w);
    }

    Sequence answer() {
      cache.truncate(CONTEXT - 1);
      id[0] = prompt[CONTEXT - 1];
      generator.prefill(cache, id, null);
      Sequence sequence =
          new Sequence(
              cache, GenerationOptions.defaults(), vocabulary, TOKENS, 0, new int[0], null);
      generator.run(List.of(sequence), generator.logits());
      return sequence;
    }

    List<Sequence> answers() {
      cache.truncate(CONTEXT - 1);
      id[0] = prompt[CONTEXT - 1];
      company.prefill(cache, id, null);
      List<Sequence> sequences = new ArrayList<>();
      for (int i = 0; i < COMPANY; i++) {
        var options = GenerationOptions.defaults();
        var one = new Sequence(cache.fork(), options, vocabulary, TOKENS, 0, new int[0], null);
        one.ownsCache();
        sequences.add(one);
      }
      company.run(sequences, company.logits());
      return sequences;
    }

    @Override
    public void close() {
      company.close();
      cache.close();
      w.close();
      generator.close();
      model.close();
    }
  }
}
