package io.lrt4j.training;

import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.decode.Generator;
import io.lrt4j.decode.Sequence;
import io.lrt4j.decode.Vocabulary;
import io.lrt4j.model.Transformer;
import io.lrt4j.reasoning.ReasoningNetwork;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;

/**
 * Samples answers to a question with the engine itself: the question and its latents are computed
 * once, and all answers go on from their keys and values.
 */
final class Rollouts implements AutoCloseable {
  /**
   * One sampled answer.
   *
   * @param ids its tokens, the end-of-sequence token included if it came to that
   * @param text what it says
   * @param complete whether it ended by itself, not at the limit
   */
  @SuppressWarnings("ArrayRecordComponent") // nobody changes them
  record Rollout(int[] ids, String text, boolean complete) {}

  private final Transformer base;
  private final ReasoningNetwork network;
  private final int[] close;
  private final Vocabulary vocabulary;
  private final Generator generator;
  private final ReasoningNetwork.Pass pass;
  private final Memory memory;
  private Tensor hidden;

  /**
   * Answers by this base behind the latents of this network.
   *
   * @param width how many answers to a question at most
   */
  Rollouts(
      Transformer base, ReasoningNetwork network, int[] close, Vocabulary vocabulary, int width) {
    this.base = base;
    this.network = network;
    this.close = close.clone();
    this.vocabulary = vocabulary;
    generator = new Generator(base, width);
    pass = network.newPass();
    memory = base.backend().newMemory();
    hidden = memory.allocate(256, base.config().hiddenSize());
  }

  /**
   * {@code count} answers to one question.
   *
   * @param options temperature, top-p, length; answer i is sampled with seed + i
   */
  List<Rollout> sample(int[] prompt, int count, GenerationOptions options) {
    int n = prompt.length;
    if (hidden.rows() < n) {
      hidden = memory.allocate(Math.max(n, 2 * hidden.rows()), hidden.cols());
    }
    int t = network.latents();
    List<KvCache> forks = new ArrayList<>();
    try (KvCache cache = base.newCache()) {
      generator.prefill(cache, prompt, hidden);
      generator.prefill(cache, pass.run(hidden, n), t, close);
      List<Sequence> sequences = new ArrayList<>();
      boolean greedy = options.temperature() == 0; // and then has no seed
      long first = greedy ? 0 : Objects.requireNonNull(options.seed(), "seed");
      for (int i = 0; i < count; i++) {
        KvCache fork = cache.fork();
        forks.add(fork);
        GenerationOptions seeded = options.withSeed(first + i);
        Sequence sequence =
            new Sequence(fork, seeded, vocabulary, options.maxTokens(), 0, new int[0], null);
        sequence.ownsCache();
        sequences.add(sequence);
      }
      generator.run(sequences, generator.logits());
      return sequences.stream()
          .map(
              s ->
                  new Rollout(
                      s.ids().stream().mapToInt(Integer::intValue).toArray(),
                      s.answer(),
                      s.finishReason() == FinishReason.STOP))
          .toList();
    } finally {
      forks.forEach(KvCache::close);
    }
  }

  @Override
  public void close() {
    pass.close();
    generator.close();
    memory.close();
  }
}
