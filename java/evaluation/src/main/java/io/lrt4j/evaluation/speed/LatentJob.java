package io.lrt4j.evaluation.speed;

import io.lrt4j.GenerationOptions;
import io.lrt4j.LoadListener;
import io.lrt4j.TokenListener;
import io.lrt4j.checkpoint.Access;
import io.lrt4j.checkpoint.ModelFiles;
import io.lrt4j.checkpoint.NetworkCheckpoint;
import io.lrt4j.compute.Closing;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.decode.Generator;
import io.lrt4j.decode.Sequence;
import io.lrt4j.decode.Vocabulary;
import io.lrt4j.reasoning.ReasoningNetwork;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Latent reasoning as a session of the engine does it, by ids: encode the question, reason, prefill
 * latents and closing text, decode the answer.
 */
public final class LatentJob implements AutoCloseable {
  /** Tokens of the closing text {@code "\n</think>\n\n"} in Qwen3's vocabulary. */
  public static final int CLOSE = 3;

  static final int WIDTH = 16; // as the engine's sessions

  private final Deque<Runnable> closers = new ArrayDeque<>(); // the last opened first
  private final BaseModel model;
  private final ReasoningNetwork network;
  private final ReasoningNetwork.Pass pass;
  private final Generator generator;
  private final KvCache cache;
  private final Tensor hidden;
  private final int[] question;
  private final int[] close;
  private final int answer;

  /**
   * Loads the network.
   *
   * @param question tokens of the question
   * @param answer tokens of the answer
   * @param seed of the question
   */
  public LatentJob(BaseModel model, ModelFiles files, int question, int answer, long seed) {
    this.model = model;
    this.answer = answer;
    this.question = TokenIds.random(question, model.config().vocabSize(), seed);
    close = TokenIds.random(CLOSE, model.config().vocabSize(), seed);
    try {
      NetworkCheckpoint checkpoint = NetworkCheckpoint.open(files, Access.READ, LoadListener.NONE);
      closers.push(checkpoint::close);
      Memory memory = model.networkMemory(checkpoint.rounded());
      network =
          checkpoint.handOver(
              memory,
              source ->
                  new ReasoningNetwork(
                      checkpoint.config(), source, model.backend(), model.cacheMemory()));
      closers.push(network::close);
      pass = network.newPass();
      closers.push(pass::close);
      generator = new Generator(model.transformer(), WIDTH);
      closers.push(generator::close);
      cache = model.transformer().newCache();
      closers.push(cache::close);
      hidden = memory.allocate(question, model.config().hiddenSize());
    } catch (RuntimeException | Error e) {
      close();
      throw e;
    }
  }

  /** Times in milliseconds; the first token comes with the end of the prefill. */
  public record Times(double encode, double reason, double prefill, double decode) {
    /** What {@link #addTo} calls them, in the order of a job. */
    public static final List<String> NAMES =
        List.of("encode_ms", "reason_ms", "prefill_ms", "first_token_ms", "decode_ms", "total_ms");

    /** From the question to the first token. */
    public double firstToken() {
      return encode + reason + prefill;
    }

    /** From the question to the last token. */
    public double total() {
      return firstToken() + decode;
    }

    /** Adds each under its {@linkplain #NAMES name}. */
    public void addTo(Samples samples) {
      double[] all = {encode, reason, prefill, firstToken(), decode, total()};
      for (int i = 0; i < all.length; i++) {
        samples.add(NAMES.get(i), all[i]);
      }
    }
  }

  /** How many vectors the network gives. */
  public int latents() {
    return network.latents();
  }

  /** Does it once. */
  public Times run() {
    cache.truncate(0);
    long start = System.nanoTime();
    generator.prefill(cache, question, hidden);
    model.backend().await();
    long encoded = System.nanoTime();
    Tensor z = pass.run(hidden, question.length);
    model.backend().await();
    long reasoned = System.nanoTime();
    generator.prefill(cache, z, network.latents(), close);
    Tensor logits = generator.logits();
    model.backend().await();
    long prefilled = System.nanoTime();
    generator.run(List.of(answer(model, cache, answer, null)), logits);
    long decoded = System.nanoTime();
    return new Times(
        (encoded - start) / 1e6,
        (reasoned - encoded) / 1e6,
        (prefilled - reasoned) / 1e6,
        (decoded - prefilled) / 1e6);
  }

  /** A greedy answer of exactly {@code tokens} tokens. */
  static Sequence answer(
      BaseModel model, KvCache cache, int tokens, @Nullable TokenListener listener) {
    Vocabulary vocabulary = Vocabulary.of(model.config().vocabSize(), null, List.of());
    return new Sequence(
        cache, GenerationOptions.defaults(), vocabulary, tokens, 0, new int[0], listener);
  }

  @Override
  public void close() {
    List<Runnable> all = List.copyOf(closers);
    closers.clear();
    Closing.each(all, Runnable::run);
  }
}
