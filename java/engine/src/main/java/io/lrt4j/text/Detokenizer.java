package io.lrt4j.text;

import com.fasterxml.jackson.databind.JsonNode;
import io.lrt4j.UnsupportedModelException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * Joins tokens to text, one token at a time: the {@code decoder} of a tokenizer.json, as a chain of
 * steps that hold back what the next token may still change. Text comes out as soon as it is
 * certain, at a cost that does not grow with what came before; what all calls append together is
 * what the Hugging Face library decodes from the whole sequence.
 *
 * <p>One belongs to one thread.
 */
abstract class Detokenizer {
  /** Appends to {@code out} the text that became certain with this token. */
  abstract void add(String token, StringBuilder out);

  /** The bytes of a token wherever it stands but at the beginning of a text. */
  abstract byte[] bytes(String token);

  /** Appends what was held back; nothing may be added afterwards. */
  abstract void finish(StringBuilder out);

  /**
   * Reads the decoder of a tokenizer.json.
   *
   * @return makes a detokenizer for a new sequence
   * @throws UnsupportedModelException if there is a step that we do not run
   */
  static Supplier<Detokenizer> of(JsonNode decoder) {
    if (decoder.isNull()) {
      throw new UnsupportedModelException("a tokenizer without a \"decoder\"");
    }
    List<JsonNode> steps = new ArrayList<>();
    flatten(decoder, steps);
    build(steps); // refuses now, not at the first token
    return () -> build(steps);
  }

  private static void flatten(JsonNode decoder, List<JsonNode> steps) {
    if (decoder.path("type").asText().equals("Sequence")) {
      decoder.path("decoders").forEach(step -> flatten(step, steps));
    } else {
      steps.add(decoder);
    }
  }

  private static Detokenizer build(List<JsonNode> steps) {
    boolean[] fused = new boolean[steps.size() + 1]; // is there one long token before this step?
    for (int i = 0; i < steps.size(); i++) {
      String type = steps.get(i).path("type").asText();
      fused[i + 1] = fused[i] || type.equals("Fuse") || type.equals("ByteLevel");
      if (fused[i] && !type.equals("Strip")) {
        throw new UnsupportedModelException("the decoder \"" + type + "\" after one that fuses");
      }
    }
    Detokenizer chain = new Concatenation();
    for (int i = steps.size() - 1; i >= 0; i--) {
      chain = step(steps.get(i), fused[i], chain);
    }
    return chain;
  }

  private static Detokenizer step(JsonNode step, boolean fused, Detokenizer next) {
    String type = step.path("type").asText();
    return switch (type) {
      case "ByteLevel" -> new Utf8(next);
      case "ByteFallback" -> new ByteFallback(next);
      case "Fuse" -> next; // tokens are pieces of one long token from here on
      case "Replace" -> {
        String pattern = step.path("pattern").path("String").asText();
        if (pattern.isEmpty()) {
          throw new UnsupportedModelException("a decoder that replaces by a pattern");
        }
        yield new Replace(pattern, step.path("content").asText(), next);
      }
      case "Strip" -> {
        String content = step.path("content").asText();
        if (step.path("stop").asInt(-1) != 0 || content.length() != 1) {
          throw new UnsupportedModelException("a decoder that strips the ends of tokens");
        }
        yield new Strip(content.charAt(0), step.path("start").asInt(), fused, next);
      }
      case "Metaspace" -> {
        String replacement = step.path("replacement").asText("\u2581");
        boolean keepFirst =
            step.path("prepend_scheme").asText().equals("never")
                || !step.path("add_prefix_space").asBoolean(true);
        yield new Metaspace(replacement, keepFirst, next);
      }
      default -> throw new UnsupportedModelException("the decoder \"" + type + "\"");
    };
  }

  /** The end of the chain. */
  private static final class Concatenation extends Detokenizer {
    @Override
    void add(String token, StringBuilder out) {
      out.append(token);
    }

    @Override
    byte[] bytes(String token) {
      return token.getBytes(StandardCharsets.UTF_8);
    }

    @Override
    void finish(StringBuilder out) {}
  }

  /** A step that rewrites tokens and hands them on. */
  private abstract static class Step extends Detokenizer {
    final Detokenizer next;

    Step(Detokenizer next) {
      this.next = next;
    }

    @Override
    byte[] bytes(String token) {
      return next.bytes(token);
    }

    @Override
    void finish(StringBuilder out) {
      next.finish(out);
    }
  }

  /** GPT-2's byte alphabet: the bytes of all tokens together are UTF-8. */
  private static final class Utf8 extends Step {
    private final Utf8Decoder decoder = new Utf8Decoder();
    private final StringBuilder text = new StringBuilder();

    Utf8(Detokenizer next) {
      super(next);
    }

    @Override
    void add(String token, StringBuilder out) {
      for (byte b : bytes(token)) {
        decoder.add(b, text);
      }
      pass(out);
    }

    @Override
    byte[] bytes(String token) {
      if (!ByteAlphabet.contains(token)) { // an added token may be written in any characters
        return token.getBytes(StandardCharsets.UTF_8);
      }
      byte[] bytes = new byte[token.length()];
      for (int i = 0; i < bytes.length; i++) {
        bytes[i] = ByteAlphabet.toByte(token.charAt(i));
      }
      return bytes;
    }

    @Override
    void finish(StringBuilder out) {
      decoder.finish(text);
      pass(out);
      next.finish(out);
    }

    private void pass(StringBuilder out) {
      if (!text.isEmpty()) {
        next.add(text.toString(), out);
        text.setLength(0);
      }
    }
  }

  /** SentencePiece's bytes, such as {@code <0xE4>}: a run of them is UTF-8 or it is unreadable. */
  private static final class ByteFallback extends Step {
    private final List<Byte> run = new ArrayList<>();

    ByteFallback(Detokenizer next) {
      super(next);
    }

    @Override
    void add(String token, StringBuilder out) {
      int b = byteOf(token);
      if (b >= 0) {
        run.add((byte) b);
      } else {
        flush(out);
        next.add(token, out);
      }
    }

    @Override
    void finish(StringBuilder out) {
      flush(out);
      next.finish(out);
    }

    private void flush(StringBuilder out) {
      if (run.isEmpty()) {
        return;
      }
      byte[] bytes = new byte[run.size()];
      for (int i = 0; i < bytes.length; i++) {
        bytes[i] = run.get(i);
      }
      run.clear();
      var decoder = new Utf8Decoder();
      var text = new StringBuilder();
      for (byte b : bytes) {
        decoder.add(b, text);
      }
      decoder.finish(text);
      if (decoder.wellFormed()) {
        next.add(text.toString(), out);
      } else {
        for (int i = 0; i < bytes.length; i++) {
          next.add("\uFFFD", out);
        }
      }
    }

    @Override
    byte[] bytes(String token) {
      int b = byteOf(token);
      return b >= 0 ? new byte[] {(byte) b} : next.bytes(token);
    }

    private static int byteOf(String token) {
      if (token.length() != 6 || !token.startsWith("<0x") || token.charAt(5) != '>') {
        return -1;
      }
      int high = hex(token.charAt(3));
      int low = hex(token.charAt(4));
      return high < 0 || low < 0 ? -1 : (high << 4) | low;
    }

    private static int hex(char c) {
      return c < 0x80 ? Character.digit(c, 16) : -1;
    }
  }

  private static final class Replace extends Step {
    private final String pattern;
    private final String content;

    Replace(String pattern, String content, Detokenizer next) {
      super(next);
      this.pattern = pattern;
      this.content = content;
    }

    @Override
    void add(String token, StringBuilder out) {
      next.add(token.replace(pattern, content), out);
    }

    @Override
    byte[] bytes(String token) {
      return next.bytes(token.replace(pattern, content));
    }
  }

  /** Takes up to {@code limit} leading characters off each token, or off the text if fused. */
  private static final class Strip extends Step {
    private final char content;
    private final int limit;
    private final boolean fused;
    private int left;

    Strip(char content, int limit, boolean fused, Detokenizer next) {
      super(next);
      this.fused = fused;
      this.content = content;
      this.limit = limit;
      this.left = limit;
    }

    @Override
    void add(String token, StringBuilder out) {
      int from = 0;
      left = fused ? left : limit;
      while (from < token.length() && left > 0 && token.charAt(from) == content) {
        from++;
        left--;
      }
      if (from < token.length()) {
        left = 0;
      }
      next.add(token.substring(from), out);
    }

    @Override
    byte[] bytes(String token) {
      int from = 0;
      while (!fused && from < Math.min(limit, token.length()) && token.charAt(from) == content) {
        from++;
      }
      return next.bytes(token.substring(from));
    }
  }

  /** SentencePiece's visible space; the first token may carry one that the text does not have. */
  private static final class Metaspace extends Step {
    private final String replacement;
    private boolean keep;

    Metaspace(String replacement, boolean keepFirst, Detokenizer next) {
      super(next);
      this.replacement = replacement;
      this.keep = keepFirst;
    }

    @Override
    void add(String token, StringBuilder out) {
      next.add(token.replace(replacement, keep ? " " : ""), out);
      keep = true;
    }

    @Override
    byte[] bytes(String token) {
      return next.bytes(token.replace(replacement, " "));
    }
  }
}
