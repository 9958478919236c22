package io.lrt4j.reasoning;

import io.lrt4j.Answer;
import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.QuestionException;
import io.lrt4j.QuestionTooLongException;
import io.lrt4j.Scores;
import io.lrt4j.Token;
import io.lrt4j.TokenListener;
import io.lrt4j.Tool;
import io.lrt4j.ToolChoice;
import io.lrt4j.checkpoint.ConfidenceMeasure;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.PrefixCache;
import io.lrt4j.compute.Tensor;
import io.lrt4j.decode.Generator;
import io.lrt4j.decode.Sequence;
import io.lrt4j.schedule.Cutoff;
import io.lrt4j.text.ToolCallReader;
import io.lrt4j.text.grammar.Constraint;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.concurrent.CancellationException;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The buffers of one thread at a time, and the algorithm: <em>encode</em> the question once,
 * <em>reason</em> with the network, go on from the question's K/V cache and <em>answer</em>.
 */
public final class Session implements AutoCloseable {
  /** Sequences that decode in one step. */
  private static final int WIDTH = 16;

  /** Most tokens of a prompt that is made up. */
  private static final int REHEARSED = 64;

  private final LoadedModel model;
  private final Requirements requirements;
  private final Generator generator;
  private final Encoding encoding; // of the question under way
  private int cached; // of its tokens, those that were known
  private ReasoningNetwork.@Nullable Pass pass; // made for the first latent answer
  private boolean remembers = true; // beginnings of questions

  public Session(LoadedModel model) {
    this.model = model;
    requirements = new Requirements(model);
    encoding = new Encoding(model.transformer());
    generator = new Generator(model.scheduler(), WIDTH, model.vocabulary());
  }

  /** {@code count} answers to one question, which is encoded once for all of them. */
  public List<Answer> ask(Question question, int count, @Nullable TokenListener listener) {
    return ask(question, count, listener, System.nanoTime());
  }

  /**
   * The same.
   *
   * @param asked when somebody asked, {@link System#nanoTime}; the answers' times count from then
   */
  public List<Answer> ask(
      Question question, int count, @Nullable TokenListener listener, long asked) {
    Mode mode = mode(question);
    return Events.recorded(
        mode,
        model.backend(),
        count,
        asked,
        () -> {
          if (mode == Mode.AUTO) {
            double _ = requirements.threshold(); // the first thing to be refused
          }
          GenerationOptions options = question.optionsOver(model.defaultOptions());
          return answers(
              Job.of(prompt(question), options, count, new Stopwatch(asked))
                  .withTools(question.tools(), question.toolChoice()),
              mode,
              listener);
        });
  }

  private Mode mode(Question question) {
    return Objects.requireNonNullElse(question.mode(), model.defaultMode());
  }

  private List<Answer> answers(Job job, Mode mode, @Nullable TokenListener listener) {
    try {
      if (!encode(job, mode)) {
        return cancelled(job, mode == Mode.AUTO ? Mode.LATENT : mode);
      }
      return switch (mode) {
        case DIRECT, EXPLICIT ->
            decode(job, mode, job.prompt().length, 0, generator.logits(job.cutoff()), listener);
        case LATENT -> latent(job, listener);
        case AUTO -> auto(job, listener);
      };
    } finally {
      encoding.end();
    }
  }

  static String name(Enum<?> value) {
    return value.name().toLowerCase(Locale.ROOT);
  }

  /**
   * Encodes and reasons only: the latents, [t][d]; [0][] if it was called off.
   *
   * @param asked when somebody asked, {@link System#nanoTime}
   */
  public float[][] latents(Question question, long asked) {
    GenerationOptions options = question.optionsOver(model.defaultOptions());
    Job job = Job.of(model.prompts().thinking(question), options, 1, new Stopwatch(asked));
    try {
      ReasoningNetwork network = requirements.network(Mode.LATENT);
      Tensor z = encode(job, Mode.LATENT) ? reason(job, network) : null;
      float[][] latents = z == null ? new float[0][] : new float[z.rows()][z.cols()];
      for (int i = 0; z != null && i < latents.length; i++) {
        model.transformer().backend().read(z, i, latents[i], 1);
      }
      return latents;
    } finally {
      encoding.end();
    }
  }

  /** What a question's mode puts before latents, thinking or answer. */
  public int[] prompt(Question question) {
    Prompts prompts = model.prompts();
    return mode(question) == Mode.DIRECT ? prompts.direct(question) : prompts.thinking(question);
  }

  /** Continues token ids, without a template; {@link Answer#mode} is {@code DIRECT}. */
  public Answer generate(
      int[] prompt, GenerationOptions options, @Nullable TokenListener listener) {
    return generate(prompt, options, listener, System.nanoTime());
  }

  /** The same, asked for then, {@link System#nanoTime}. */
  public Answer generate(
      int[] prompt, GenerationOptions options, @Nullable TokenListener listener, long asked) {
    return Events.recorded(
            Mode.DIRECT,
            model.backend(),
            1,
            asked,
            () -> {
              GenerationOptions all = options.over(model.defaultOptions());
              if (!all.stop().isEmpty() && !model.hasTokenizer()) {
                model.tokenizer("search for a stop text");
              }
              return answers(
                  Job.of(prompt.clone(), all, 1, new Stopwatch(asked)), Mode.DIRECT, listener);
            })
        .getFirst();
  }

  /**
   * Answers a prompt that is made up; no beginning of a question is looked for or kept.
   *
   * @param start of the warm-up, {@link System#nanoTime}
   */
  void rehearse(Mode mode, GenerationOptions options, int count, long start) {
    int[] prompt = new int[Math.min(REHEARSED, requirements.longest(mode, options) / 2)];
    if (prompt.length == 0) {
      return; // a context in which nothing can be answered that way
    }
    Arrays.setAll(prompt, i -> i % model.vocabularySize());
    remembers = false;
    try {
      List<Answer> _ = answers(Job.of(prompt, options, count, new Stopwatch(start)), mode, _ -> {});
    } finally {
      remembers = true;
    }
  }

  /**
   * Encode: the question's K/V into the cache and, if the network wants them, its final hidden
   * states beside it.
   *
   * @return false if it was cancelled
   */
  private boolean encode(Job job, Mode mode) {
    Constraint _ = form(job); // refused now, if at all
    int n = job.prompt().length;
    int longest = requirements.longest(mode, job.options());
    if (n == 0) {
      throw new QuestionException("a prompt needs at least one token, found none");
    }
    if (n > longest) {
      throw new QuestionTooLongException(
          "the question is too long: at most " + longest + " tokens fit, found " + n);
    }
    var event = new Events.Encode();
    event.begin();
    KvCache cache = encoding.begin();
    PrefixCache prefixes = model.prefixes();
    // Questions that need no hidden states leave them for those that do.
    Tensor states =
        Requirements.reasons(mode) || (remembers && prefixes.keepsHidden())
            ? encoding.hidden(n)
            : null;
    cached = remembers ? prefixes.restore(job.prompt(), cache, states) : 0;
    boolean encoded =
        generator.prefill(
            cache, job.prompt(), cached, states, !Requirements.reasons(mode), job.cutoff());
    if (encoded && remembers) {
      prefixes.keep(job.prompt(), cache, states);
    }
    event.tokens = cache.length() - cached;
    event.cached = cached;
    event.commit();
    job.watch().encode = job.watch().lap();
    return encoded;
  }

  /** Answers without a token. */
  private List<Answer> cancelled(Job job, Mode mode) {
    FinishReason reached = job.cutoff().reached();
    FinishReason reason = reached == null ? FinishReason.CANCELLED : reached;
    return IntStream.range(0, job.seeds().length)
        .mapToObj(
            i ->
                new Answer(
                    "",
                    "",
                    mode,
                    reason,
                    new Answer.TokenCounts(job.prompt().length, 0, 0, 0, cached),
                    List.of(),
                    List.of(),
                    new Answer.Confidence(Double.NaN, Double.NaN),
                    job.seed(i),
                    job.watch().timings(0)))
        .toList();
  }

  /** The network's pass over the encoded question: its latents, [t, d]; null if called off. */
  private @Nullable Tensor reason(Job job, ReasoningNetwork network) {
    var event = new Events.Reason();
    event.begin();
    if (pass == null) {
      pass = network.newPass();
    }
    Tensor z = pass.run(encoding.hidden(), job.prompt().length, generator.turn(job.cutoff()));
    event.tokens = network.latents();
    event.commit();
    job.watch().reason = job.watch().lap();
    return z;
  }

  /** Reason, and put latents and closing text behind the question; then answer. */
  private List<Answer> latent(Job job, @Nullable TokenListener listener) {
    ReasoningNetwork network = requirements.network(Mode.LATENT);
    KvCache cache = encoding.cache();
    int n = job.prompt().length;
    int t = network.latents();
    int[] close = model.prompts().encode(network.config().close());
    Tensor z = reason(job, network);
    if (z == null) {
      return cancelled(job, Mode.LATENT);
    }

    var prefill = new Events.Prefill();
    prefill.begin();
    boolean filled = generator.prefill(cache, z, t, close, job.cutoff());
    prefill.tokens = t + close.length;
    prefill.commit();
    job.watch().prefill = job.watch().lap();
    if (!filled) {
      return cancelled(job, Mode.LATENT);
    }
    Tensor logits = generator.logits(job.cutoff());
    return decode(job, Mode.LATENT, n + close.length, t, logits, listener);
  }

  /**
   * Latent first; what is not confident enough is answered explicitly, from the same cache. A
   * listener hears of a latent answer once it is accepted.
   */
  private List<Answer> auto(Job job, @Nullable TokenListener listener) {
    double threshold = requirements.threshold();
    List<Token> heard = new ArrayList<>();
    List<Answer> answers = new ArrayList<>(latent(job, listener == null ? null : heard::add));
    int[] doubtful =
        IntStream.range(0, answers.size())
            .filter(i -> answers.get(i).finishReason() != FinishReason.CANCELLED)
            .filter(i -> answers.get(i).finishReason() != FinishReason.TIMEOUT)
            .filter(i -> !(confidence(answers.get(i)) >= threshold)) // nor is NaN enough
            .toArray();
    if (doubtful.length == 0) {
      if (listener != null) {
        replay(heard, listener, job.cutoff());
      }
      return answers;
    }
    int n = job.prompt().length;
    encoding.cache().truncate(n);
    long[] seeds = Arrays.stream(doubtful).mapToLong(i -> job.seeds()[i]).toArray();
    Job again = job.withSeeds(seeds);
    // What follows the question is in its last hidden state: nothing is run again.
    Tensor logits = generator.logits(encoding.hidden(), n - 1, 1, job.cutoff());
    List<Answer> explicit = decode(again, Mode.EXPLICIT, n, 0, logits, listener);
    for (int i = 0; i < doubtful.length; i++) {
      answers.set(doubtful[i], explicit.get(i));
    }
    return answers;
  }

  /** The answer is there already: a listener that cancels only hears no more of it. */
  private static void replay(List<Token> heard, TokenListener listener, Cutoff cutoff) {
    for (Token token : heard) {
      listener.onToken(token);
      if (cutoff.reached() == FinishReason.CANCELLED) {
        return;
      }
    }
  }

  private double confidence(Answer answer) {
    Answer.Confidence confidence = answer.confidence();
    return requirements.network(Mode.AUTO).config().autoConfidence()
            == ConfidenceMeasure.SMALLEST_MARGIN
        ? confidence.smallestMargin()
        : confidence.meanLogprob();
  }

  /**
   * Answers from the end of the cache on: in it for one answer, in forks of it for several.
   *
   * @param promptTokens what the model was given as text so far
   * @param latents what it was given as latents
   * @param logits after the end of the cache, [1, vocab]; null if it was called off
   */
  private List<Answer> decode(
      Job job,
      Mode mode,
      int promptTokens,
      int latents,
      @Nullable Tensor logits,
      @Nullable TokenListener listener) {
    if (logits == null) {
      return cancelled(job, mode);
    }
    KvCache cache = encoding.cache();
    GenerationOptions options = job.options();
    boolean thinks = mode == Mode.EXPLICIT;
    int[] close = thinks ? requirements.closing(options) : new int[0];
    int room = model.transformer().config().maxPositions() - cache.length() - close.length;
    ThinkingBudget budget =
        thinks
            ? ThinkingBudget.of(options, room)
            : new ThinkingBudget(Math.min(room, options.maxTokens()), 0);
    var event = new Events.Decode();
    event.begin();
    Constraint form = form(job);
    List<Sequence> sequences = new ArrayList<>();
    List<KvCache> forks = new ArrayList<>();
    try {
      for (long seed : job.seeds()) {
        KvCache own = cache;
        if (job.seeds().length > 1) {
          own = cache.fork();
          forks.add(own);
        }
        Sequence sequence = sequence(job, seed, own, budget, close, form, listener);
        if (own != cache) {
          sequence.ownsCache();
        }
        sequences.add(sequence);
      }
      generator.run(sequences, logits, job.cutoff());
    } finally {
      forks.forEach(KvCache::close);
    }
    for (Sequence s : sequences) {
      event.tokens += s.reasoningCount() + s.answerCount();
      event.guessed += s.guessedCount();
      event.right += s.guessedRight();
    }
    event.commit();
    job.watch().decode += job.watch().lap();
    return IntStream.range(0, sequences.size())
        .mapToObj(i -> answer(sequences.get(i), job, i, mode, promptTokens, latents))
        .toList();
  }

  /** What the answer is held to; null: nothing. */
  private @Nullable Constraint form(Job job) {
    String schema = job.options().jsonSchema();
    List<Tool> tools = job.tools();
    ToolChoice choice = job.toolChoice();
    try {
      if (tools.isEmpty()) {
        return schema == null ? null : model.constraint(schema);
      }
      boolean free = choice.equals(ToolChoice.AUTO) && tools.stream().noneMatch(Tool::strict);
      return schema == null && free ? null : model.constraint(schema, tools, choice);
    } catch (QuestionException e) {
      throw e.part() == null ? e.about(QuestionException.Part.JSON_SCHEMA) : e;
    }
  }

  /** An answer to be written, from the end of its cache on and as the job asks for it. */
  private Sequence sequence(
      Job job,
      long seed,
      KvCache cache,
      ThinkingBudget budget,
      int[] close,
      @Nullable Constraint form,
      @Nullable TokenListener listener) {
    Sequence sequence =
        new Sequence(
            cache,
            job.options().withSeed(seed),
            model.vocabulary(),
            budget.total(),
            budget.thinking(),
            close,
            listener,
            job.cutoff());
    if (form != null) {
      sequence.hold(form.start());
    }
    sequence.seen(job.prompt(), job.prompt().length);
    if (model.guesses()) {
      sequence.guess(job.prompt());
    }
    if (!job.tools().isEmpty()) {
      sequence.readToolCalls();
    }
    return sequence;
  }

  private Answer answer(Sequence s, Job job, int i, Mode mode, int promptTokens, int latents) {
    var tokens =
        new Answer.TokenCounts(
            promptTokens + s.forcedCount(), latents, s.reasoningCount(), s.answerCount(), cached);
    String text = s.answer();
    var read =
        job.tools().isEmpty()
            ? new ToolCallReader.Read(text, List.of())
            : ToolCallReader.read(text);
    return new Answer(
        read.text(),
        s.reasoning(),
        mode,
        s.finishReason(),
        tokens,
        s.ids(),
        s.logprobs(),
        s.confidence(),
        job.seed(i),
        job.watch().timings(s.firstAnswerNanos()),
        read.calls());
  }

  /** Log-probabilities of a given sequence. */
  public Scores score(int[] ids, boolean withLogits, boolean withHidden) {
    return score(ids, withLogits, withHidden, 0, false, Cutoff.interrupt());
  }

  /** The same, and of the {@code top} most probable tokens in each place; it is remembered. */
  public Scores score(int[] ids, int top, Cutoff cutoff) {
    return score(ids, false, false, top, true, cutoff);
  }

  private Scores score(
      int[] ids,
      boolean withLogits,
      boolean withHidden,
      int top,
      boolean remembered,
      Cutoff cutoff) {
    if (ids.length == 0) {
      throw new QuestionException("scoring needs at least one token, found none");
    }
    int n = ids.length;
    int context = model.transformer().config().maxPositions();
    if (n > context) {
      throw new QuestionTooLongException(
          "at most " + context + " tokens can be scored, found " + n);
    }
    Backend ops = model.transformer().backend();
    int vocab = model.transformer().config().vocabSize();
    boolean read;
    try {
      int[] own = ids.clone();
      KvCache cache = encoding.begin();
      Tensor states = encoding.hidden(n);
      read = generator.prefill(cache, own, 0, states, false, cutoff);
      if (read && remembered) {
        PrefixCache prefixes = model.prefixes();
        prefixes.keep(own, cache, prefixes.keepsHidden() ? states : null);
      }
    } finally {
      encoding.end();
    }
    Tensor hidden = encoding.hidden();
    float[] logprobs = new float[n];
    logprobs[0] = Float.NaN;
    float[][] logits = withLogits ? new float[n][vocab] : null;
    float[][] states = withHidden ? new float[n][hidden.cols()] : null;
    float[] row = new float[vocab];
    List<List<Token.Choice>> alternatives = new ArrayList<>();
    if (top > 0) {
      alternatives.add(List.of());
    }
    LogitSummary[] summaries = LogitSummary.array(WIDTH);
    for (int at = 0; at < n; at += WIDTH) {
      int rows = Math.min(WIDTH, n - at);
      Tensor block = read ? generator.logits(hidden, at, rows, cutoff) : null;
      if (block == null) {
        throw new CancellationException("scoring was called off");
      }
      ops.summarize(block, 0, rows, summaries);
      for (int i = at; i < at + rows; i++) {
        LogitSummary summary = Generator.checked(summaries[i - at], i + 1);
        float[] target = logits == null ? row : logits[i];
        ops.read(block, i - at, target, 1);
        if (i + 1 < n) {
          logprobs[i + 1] = target[ids[i + 1]] - summary.logSumExp;
          if (top > 0) {
            alternatives.add(Sequence.alternatives(target, top, summary));
          }
        }
        if (states != null) {
          ops.read(hidden, i, states[i], 1);
        }
      }
    }
    return new Scores(logprobs, logits, states, List.copyOf(alternatives));
  }

  @Override
  public void close() {
    // What one of them throws keeps no other open.
    ReasoningNetwork.Pass network = pass;
    try (encoding;
        network;
        generator) {
      encoding.end();
    }
  }
}
