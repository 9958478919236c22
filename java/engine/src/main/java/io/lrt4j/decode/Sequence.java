package io.lrt4j.decode;

import io.lrt4j.Answer.Confidence;
import io.lrt4j.FinishReason;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Token;
import io.lrt4j.Token.Phase;
import io.lrt4j.TokenListener;
import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Draw;
import io.lrt4j.compute.KvCache;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Tensor;
import io.lrt4j.schedule.Cutoff;
import io.lrt4j.text.StreamingDecoder;
import io.lrt4j.text.Tokenizer;
import io.lrt4j.text.ToolCallReader;
import io.lrt4j.text.grammar.Constraint;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * One answer being written: which token follows, when thinking turns into answering, when all ends.
 * Everything it needs per token exists before the first; only streaming text (a listener, a stop
 * string) makes objects.
 */
public final class Sequence {
  private static final BitSet NO_ENDS = new BitSet();

  private final KvCache cache;
  private final GenerationOptions options;
  private final Cutoff cutoff;
  private final Vocabulary vocabulary;
  private @Nullable Sampler sampler; // null: greedy on the logits as they are
  private final @Nullable TokenListener listener;
  private final int limit; // tokens, of both phases
  private final int thinkingLimit; // tokens; 0 to answer at once
  private final int answerLimit; // tokens
  private final int[] close; // what ends a thinking block that has used up its share
  private final boolean streaming;
  private final @Nullable StreamingDecoder reasoningText;
  private final @Nullable StreamingDecoder answerText;

  private final int[] ids;
  private final float[] logprobs;
  private int count;
  private int reasoningCount;
  private int forcedCount;
  private final int[] feed; // tokens that the model has yet to see
  private int feedCount;
  private @Nullable Guesser guesser; // null: nothing is guessed
  private final int[] guesses = new int[Guesser.MOST]; // of what comes after them
  private int guessed;
  private int guessedInAll;
  private int guessedRight;
  private Phase phase;
  private String answerHead = ""; // came with the token that ended the thinking
  private String pendingHead = ""; // what has come of the answer while that is white space alone
  private boolean answerBegun;
  private boolean ownsCache;
  private @Nullable ToolCallReader calls; // null: not looked for
  private Constraint.@Nullable Place form; // of the answer; null: any
  private double logprobSum;
  private float smallestMargin = Float.POSITIVE_INFINITY;
  private long firstAnswerNanos; // System.nanoTime; 0 before
  private @Nullable FinishReason finished;

  /**
   * An answer that continues {@code cache}.
   *
   * @param limit tokens to generate at most, thinking included
   * @param thinkingLimit tokens to think at most; 0 if there is no open thinking block
   * @param close tokens that close the block when thinking has used up its share
   * @param listener told of every token, or null
   */
  public Sequence(
      KvCache cache,
      GenerationOptions options,
      Vocabulary vocabulary,
      int limit,
      int thinkingLimit,
      int[] close,
      @Nullable TokenListener listener) {
    this(
        cache,
        options,
        vocabulary,
        limit,
        thinkingLimit,
        close,
        listener,
        new Cutoff(options, System.nanoTime()));
  }

  /** The same, of an answer that was begun earlier. */
  public Sequence(
      KvCache cache,
      GenerationOptions options,
      Vocabulary vocabulary,
      int limit,
      int thinkingLimit,
      int[] close,
      @Nullable TokenListener listener,
      Cutoff cutoff) {
    this.cutoff = cutoff;
    this.cache = cache;
    this.options = options;
    this.vocabulary = vocabulary;
    this.listener = listener;
    this.limit = limit;
    this.thinkingLimit = thinkingLimit;
    boolean apart = thinkingLimit > 0 && options.thinkingBudget() > 0;
    answerLimit = apart ? options.maxTokens() : limit;
    this.close = close.clone();
    boolean greedy = options.temperature() == 0 && !Sampler.penalizes(options);
    sampler = greedy ? null : new Sampler(options, vocabulary.size(), Sampler.Buffers.NONE);
    ids = new int[limit];
    logprobs = new float[limit];
    feed = new int[1 + close.length];
    phase = thinkingLimit > 0 ? Phase.REASONING : Phase.ANSWER;
    Tokenizer tokenizer = vocabulary.tokenizer();
    if (tokenizer == null) {
      streaming = false;
      reasoningText = null;
      answerText = null;
    } else {
      // Where </think> is a token, that one ends the thinking; else its text does.
      boolean textEndsThinking = thinkingLimit > 0 && vocabulary.endOfThinking() < 0;
      streaming = listener != null || !options.stop().isEmpty() || textEndsThinking;
      List<String> ends = textEndsThinking ? List.of(Vocabulary.END_OF_THINKING) : List.of();
      reasoningText = new StreamingDecoder(tokenizer, ends, false);
      answerText = new StreamingDecoder(tokenizer, options.stop(), true);
    }
  }

  /** Tells the repetition penalty of tokens that are already there. */
  public void seen(int[] prompt, int n) {
    for (int i = 0; i < n && sampler != null; i++) {
      sampler.seen(prompt[i]);
    }
  }

  /**
   * Lets it guess tokens from those of the question and its own, so that a step may give several.
   * To be called before all else but {@link #hold}.
   */
  public void guess(int[] prompt) {
    guesser = new Guesser(Math.addExact(prompt.length, limit + close.length));
    for (int id : prompt) {
      guesser.add(id);
    }
  }

  /**
   * Guesses what follows, if that costs no memory for keys and values that it would not take
   * anyway.
   *
   * @param most tokens at most
   */
  void guess(int most) {
    guessed = 0;
    if (guesser == null || feedCount != 1) {
      return;
    }
    int block = cache.blockLength();
    int inBlock = (block - cache.length() % block) % block;
    int left = Math.min(limit - count, answerLimit - (count - reasoningCount));
    int n = Math.min(Math.min(most, Guesser.MOST), Math.min(inBlock, left) - 1);
    guessed = n > 0 ? guesser.guess(guesses, n) : 0;
  }

  /**
   * Takes what follows each of its rows of a step, as far as what was guessed is what was chosen,
   * and cuts off its cache what was not.
   *
   * @param row the first of its rows of logits, which are one more than tokens were guessed
   */
  void takeAll(
      Backend ops,
      Tensor logits,
      int row,
      LogitSummary[] summaries,
      boolean summed,
      Sampler.Buffers buffers) {
    int right = 0;
    take(ops, logits, row, summaries[row], summed, buffers);
    while (right < guessed && finished == null && feedCount == 1 && feed[0] == guesses[right]) {
      right++;
      take(ops, logits, row + right, summaries[row + right], summed, buffers);
    }
    if (guessed > 0) {
      Objects.requireNonNull(guesser).learn(guessed, right);
      guessedInAll += guessed;
      guessedRight += right;
      cache.truncate(cache.length() - (guessed - right));
      guessed = 0;
    }
  }

  /**
   * Takes the token that follows from one row of logits: chooses and {@linkplain #keep keeps} it.
   *
   * @param logits need not be there if it {@linkplain #readsLogits reads none}
   * @param summary the row's, or if not {@code summed}, room for it
   */
  void take(
      Backend ops,
      Tensor logits,
      int row,
      LogitSummary summary,
      boolean summed,
      Sampler.Buffers buffers) {
    Constraint.Place held = phase == Phase.ANSWER ? form : null;
    Draw drawn =
        sampler == null || held != null
            ? null
            : sampler.sample(ops, logits, row, 0, count, summary);
    if (drawn == null) {
      if (!summed) {
        ops.summarize(logits, row, summary);
      }
      Generator.checked(summary, cache.length());
    }
    int id = drawn == null ? summary.argmax : drawn.token;
    float logit = drawn == null ? summary.max : drawn.logit;
    float[] host = buffers.logits;
    @Nullable Sampler chooser = drawn == null ? sampler : null;
    if (chooser != null || tellsAlternatives()) {
      ops.read(logits, row, host, 1);
    }
    List<Token.Choice> alternatives =
        tellsAlternatives() ? alternatives(host, options.topLogprobs(), summary) : List.of();
    if (chooser != null) {
      chooser.use(buffers);
      chooser.penalize(host, host.length);
      if (held != null) {
        held.restrict(host, options.ignoreEos() ? NO_ENDS : vocabulary.endOfSequence());
      }
      id = chooser.sample(host, host.length, 0, count);
      if (held != null || Sampler.penalizes(options)) {
        ops.read(logits, row, host, 1); // the model's own, without all that
      }
      logit = host[id];
    }
    keep(id, logit - summary.logSumExp, summary, alternatives);
  }

  /** Keeps the token that was chosen, decides what comes next, and tells the listener of it. */
  private void keep(int id, float logprob, LogitSummary summary, List<Token.Choice> alternatives) {
    if (sampler != null) {
      sampler.wrote(id);
    }
    ids[count] = id;
    logprobs[count++] = logprob;
    if (guesser != null) {
      guesser.add(id);
    }
    feed[0] = id;
    feedCount = 1;
    Phase tokenPhase = phase;
    String text = phase == Phase.REASONING ? think(id) : answer(id, logprob, summary);
    if (finished == null) {
      if (count == limit || count - reasoningCount == answerLimit) {
        finished = FinishReason.LENGTH;
      } else {
        finished = cutoff.reached();
      }
    }
    if (listener != null) {
      listener.onToken(
          new Token(
              id,
              outsideOfCalls(finished == null ? text : text + flush(tokenPhase), tokenPhase),
              logprob,
              tokenPhase,
              alternatives,
              calls == null ? List.of() : calls.take()));
      if (finished == null) { // it hears no more if it has called the answer off
        finished = cutoff.reached();
      }
    }
  }

  /**
   * The {@code n} largest logits as log-probabilities, the largest first; of equal ones the lower
   * id.
   */
  public static List<Token.Choice> alternatives(float[] logits, int n, LogitSummary summary) {
    int[] best = new int[Math.min(n, logits.length)];
    int found = 0;
    for (int id = 0; id < logits.length; id++) {
      int at = found;
      while (at > 0 && logits[id] > logits[best[at - 1]]) {
        at--;
      }
      if (at < best.length) {
        found = Math.min(found + 1, best.length);
        System.arraycopy(best, at, best, at + 1, found - at - 1);
        best[at] = id;
      }
    }
    return Arrays.stream(best)
        .mapToObj(id -> new Token.Choice(id, logits[id] - summary.logSumExp))
        .toList();
  }

  private boolean tellsAlternatives() {
    return listener != null && options.topLogprobs() > 0;
  }

  /** Ends it, if it has not ended, as its cutoff says. */
  void cutOff() {
    if (finished == null) {
      finished = cutoff.reached();
    }
  }

  private String outsideOfCalls(String text, Phase of) {
    if (calls == null || of == Phase.REASONING) {
      return text;
    }
    String outside = calls.add(text);
    return finished == null ? outside : outside + calls.finish();
  }

  /** Holds the answer to a form. To be called before all else. */
  public void hold(Constraint.Place to) {
    form = to;
    if (sampler == null) {
      sampler = new Sampler(options, vocabulary.size(), Sampler.Buffers.NONE);
    }
  }

  /** Its listener is to hear of tool calls, in place of their text. */
  public void readToolCalls() {
    calls = new ToolCallReader();
  }

  private String think(int id) {
    reasoningCount++;
    boolean ended = isEnd(id);
    String text = "";
    if (id == vocabulary.endOfThinking()) {
      beginAnswer();
      return streaming ? Objects.requireNonNull(reasoningText).finish() : "";
    }
    if (streaming && !ended) {
      StreamingDecoder decoder = Objects.requireNonNull(reasoningText);
      text = decoder.add(id);
      if (decoder.stopped()) {
        answerHead = form == null ? afterEndOfThinking() : ""; // the form begins with a token
        beginAnswer();
        return text;
      }
    }
    if (ended || reasoningCount == thinkingLimit) {
      // An end of sequence is no end of thinking: the block is closed for the model, which then
      // answers.
      feedCount = ended ? 0 : 1;
      System.arraycopy(close, 0, feed, feedCount, close.length);
      feedCount += close.length;
      for (int i = 0; guesser != null && i < close.length; i++) {
        guesser.add(close[i]);
      }
      forcedCount = close.length;
      beginAnswer();
      if (streaming) {
        text += Objects.requireNonNull(reasoningText).finish();
      }
    }
    return text;
  }

  private void beginAnswer() {
    phase = Phase.ANSWER;
    pendingHead = answerHead;
  }

  /**
   * What the tokens so far say after {@code </think>}: a token may hold the end of the one and the
   * start of the other.
   */
  private String afterEndOfThinking() {
    String all =
        Objects.requireNonNull(vocabulary.tokenizer()).decode(Arrays.copyOf(ids, count), false);
    return all.substring(
        all.indexOf(Vocabulary.END_OF_THINKING) + Vocabulary.END_OF_THINKING.length());
  }

  private String answer(int id, float logprob, LogitSummary summary) {
    if (firstAnswerNanos == 0) {
      firstAnswerNanos = System.nanoTime();
    }
    logprobSum += logprob;
    smallestMargin = Math.min(smallestMargin, summary.max - summary.second);
    if (isEnd(id)) {
      finished = FinishReason.STOP;
      return "";
    }
    if (form != null) {
      form.add(id);
      finished = form.hasEnded() ? FinishReason.STOP : finished;
    }
    if (!streaming) {
      return "";
    }
    StreamingDecoder decoder = Objects.requireNonNull(answerText);
    String text = trimHead(decoder.add(id));
    if (decoder.stopped()) {
      finished = FinishReason.STOP;
    }
    return text;
  }

  /**
   * The next piece of the answer, without the line breaks that belong to a thinking block before
   * it.
   */
  private String trimHead(String piece) {
    if (thinkingLimit == 0 || answerBegun) {
      return piece;
    }
    pendingHead += piece;
    String stripped = pendingHead.stripLeading();
    answerBegun = !stripped.isEmpty();
    return stripped;
  }

  private String flush(Phase ended) {
    if (!streaming) {
      return "";
    }
    return ended == Phase.REASONING
        ? Objects.requireNonNull(reasoningText).finish()
        : trimHead(Objects.requireNonNull(answerText).finish());
  }

  /** Whether it needs room for logits and to choose in. */
  boolean readsLogits() {
    return sampler != null || tellsAlternatives();
  }

  boolean isFinished() {
    return finished != null;
  }

  /** Its cache is its own, and given back as soon as it ends: others may be waiting for memory. */
  public void ownsCache() {
    ownsCache = true;
  }

  /** It has ended. */
  void release() {
    if (ownsCache) {
      cache.close();
    }
  }

  /** Most positions that its cache can come to. */
  int longest() {
    return cache.length() + limit - count + feed.length;
  }

  /** How many rows of logits its next step is to give. */
  int heads() {
    return 1 + guessed;
  }

  KvCache cache() {
    return cache;
  }

  /**
   * Copies the tokens that the model has yet to see, and what is guessed to follow, to {@code to}
   * from {@code at} on, and returns how many.
   */
  int feed(int[] to, int at) {
    System.arraycopy(feed, 0, to, at, feedCount);
    System.arraycopy(guesses, 0, to, at + feedCount, guessed);
    return feedCount + guessed;
  }

  int feedCount() {
    return feedCount + guessed;
  }

  /** Why it ended; it has. */
  public FinishReason finishReason() {
    return Objects.requireNonNull(finished);
  }

  /** Tokens generated as thinking. */
  public int reasoningCount() {
    return reasoningCount;
  }

  /** Tokens generated as answer. */
  public int answerCount() {
    return count - reasoningCount;
  }

  /** Tokens of a closing text that the model was given because thinking had used up its share. */
  public int forcedCount() {
    return forcedCount;
  }

  /** Tokens that were guessed, and read together with the one before them. */
  public int guessedCount() {
    return guessedInAll;
  }

  /** Of these, those that were what the model chose. */
  public int guessedRight() {
    return guessedRight;
  }

  /** All generated tokens. */
  public List<Integer> ids() {
    List<Integer> all = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      all.add(ids[i]);
    }
    return all;
  }

  /** Log-probabilities of {@link #ids}. */
  public List<Float> logprobs() {
    List<Float> all = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      all.add(logprobs[i]);
    }
    return all;
  }

  /** {@link System#nanoTime} of the answer's first token; 0 if there is none. */
  public long firstAnswerNanos() {
    return firstAnswerNanos;
  }

  /** How sure the model was of the answer's tokens, an end-of-sequence token included. */
  public Confidence confidence() {
    int n = answerCount();
    return n == 0
        ? new Confidence(Double.NaN, Double.NaN)
        : new Confidence(logprobSum / n, smallestMargin);
  }

  /** The thinking as text; "" without a tokenizer. */
  public String reasoning() {
    return text(reasoningText, 0, reasoningCount, vocabulary.endOfThinking()).strip();
  }

  /** The answer as text; "" without a tokenizer. */
  public String answer() {
    if (answerCount() == 0) {
      return "";
    }
    String text = answerHead + text(answerText, reasoningCount, count, -1);
    return thinkingLimit > 0 ? text.stripLeading() : text;
  }

  private String text(@Nullable StreamingDecoder decoder, int from, int to, int silent) {
    if (decoder == null) {
      return "";
    }
    if (!streaming) {
      for (int i = from; i < to; i++) {
        if (ids[i] != silent && !isEnd(ids[i])) {
          decoder.add(ids[i]);
        }
      }
    }
    decoder.finish();
    return decoder.text();
  }

  private boolean isEnd(int id) {
    return !options.ignoreEos() && vocabulary.endOfSequence().get(id);
  }
}
