package io.lrt4j.bench;

import io.lrt4j.GenerationOptions;
import io.lrt4j.LoadListener;
import io.lrt4j.checkpoint.Access;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.decode.Generator;
import io.lrt4j.decode.Sequence;
import io.lrt4j.decode.Vocabulary;
import io.lrt4j.reasoning.ReasoningNetwork;
import java.nio.file.Path;
import java.util.List;

/**
 * Latent reasoning as a session of the engine does it, by ids: encode the question, reason, prefill
 * latents and closing text, decode the answer.
 */
final class LatentJob implements AutoCloseable {
  static final int QUESTION = 128;
  static final int ANSWER = 64;
  private static final int CLOSE = 3; // tokens of "\n</think>\n\n" in Qwen3's vocabulary
  private static final int WIDTH = 16; // as the engine's sessions

  private final BaseModel model;
  private final NetworkCheckpoint checkpoint;
  private final ReasoningNetwork network;
  private final ReasoningNetwork.Pass pass;
  private final Generator generator;
  private final KvCache cache;
  private final Memory memory;
  private final Tensor hidden;
  private final int[] question;
  private final int[] close;

  LatentJob(BaseModel model, Path networkDirectory) {
    this.model = model;
    checkpoint =
        NetworkCheckpoint.open(ModelFiles.of(networkDirectory), Access.READ, LoadListener.NONE);
    memory = model.newMemory();
    network =
        checkpoint.handOver(
            memory,
            source ->
                new ReasoningNetwork(
                    checkpoint.config(), source, model.backend(), model.cacheMemory()));
    pass = network.newPass();
    generator = new Generator(model.transformer(), WIDTH);
    cache = model.transformer().newCache();
    hidden = memory.allocate(QUESTION, model.config().hiddenSize());
    question = Numbers.ids(QUESTION, model.config().vocabSize());
    close = Numbers.ids(CLOSE, model.config().vocabSize());
  }

  /** Times in milliseconds; the first token comes with the end of the prefill. */
  record Times(double encode, double reason, double prefill, double decode) {
    double firstToken() {
      return encode + reason + prefill;
    }

    double total() {
      return firstToken() + decode;
    }
  }

  int latents() {
    return network.latents();
  }

  Times run() {
    cache.truncate(0);
    long start = System.nanoTime();
    generator.prefill(cache, question, hidden);
    model.backend().await();
    long encoded = System.nanoTime();
    Tensor z = pass.run(hidden, QUESTION);
    model.backend().await();
    long reasoned = System.nanoTime();
    generator.prefill(cache, z, network.latents(), close);
    Tensor logits = generator.logits();
    model.backend().await();
    long prefilled = System.nanoTime();
    generator.run(List.of(answer(model, cache, ANSWER)), logits);
    long decoded = System.nanoTime();
    return new Times(
        (encoded - start) / 1e6,
        (reasoned - encoded) / 1e6,
        (prefilled - reasoned) / 1e6,
        (decoded - prefilled) / 1e6);
  }

  /** A greedy answer of exactly {@code tokens} tokens. */
  static Sequence answer(BaseModel model, KvCache cache, int tokens) {
    Vocabulary vocabulary = Vocabulary.of(model.config().vocabSize(), null, List.of());
    return new Sequence(
        cache, GenerationOptions.defaults(), vocabulary, tokens, 0, new int[0], null);
  }

  @Override
  public void close() {
    cache.close();
    generator.close();
    pass.close();
    network.close();
    memory.close();
    checkpoint.close();
  }
}
