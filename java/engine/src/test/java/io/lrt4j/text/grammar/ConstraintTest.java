package io.lrt4j.text.grammar;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.Fixtures;
import io.lrt4j.QuestionException;
import io.lrt4j.TestModels;
import io.lrt4j.Tool;
import io.lrt4j.ToolCall;
import io.lrt4j.ToolChoice;
import io.lrt4j.text.Tokenizer;
import io.lrt4j.text.ToolCallReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.BitSet;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Which tokens may follow, against reading each of them alone. */
class ConstraintTest {
  private static final String SCHEMA =
      "{\"properties\":{\"text\":{\"type\":\"string\"},\"n\":{\"type\":\"number\"}},"
          + "\"required\":[\"text\"]}";

  private static final int LONGEST = 1000; // bytes

  private static final String ANSWER = "{\"text\": \"a é 😀 \\n\",\n  \"n\": -1.5}";

  @Test
  void tokensAreThoseWhoseBytesMayFollow() {
    try (Tokenizer tokenizer = Tokenizer.load(Fixtures.dir(TestModels.BASE))) {
      int size = tokenizer.vocabularySize() + 3; // padded
      Constraint.Place place = Constraint.of(SCHEMA, new TokenTable(tokenizer, size)).start();
      Grammar grammar = JsonSchema.grammar(SCHEMA);
      Grammar.State state = grammar.start();
      var ends = new BitSet();
      ends.set(size - 4);
      for (int next : tokenizer.encode(ANSWER)) {
        float[] logits = new float[size];
        place.restrict(logits, ends);
        for (int id = 0; id < size; id++) {
          boolean may = !ends.get(id) && reads(grammar, state, tokenizer.bytes(id));
          assertEquals(may ? 0 : Float.NEGATIVE_INFINITY, logits[id], "token " + id);
        }
        place.add(next);
        for (byte b : tokenizer.bytes(next)) {
          state = grammar.next(state, b & 0xff);
        }
      }
      assertTrue(place.hasEnded());
      float[] logits = new float[size];
      place.restrict(logits, ends);
      for (int id = 0; id < size; id++) {
        assertEquals(ends.get(id) ? 0 : Float.NEGATIVE_INFINITY, logits[id]);
      }
      assertThrows(QuestionException.class, () -> place.restrict(logits, new BitSet()));
    }
  }

  /** The same where it depends on what was counted, of tokens that are longer and shorter. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "{\"type\":\"string\",\"maxLength\":20}",
        "{\"type\":\"string\",\"minLength\":9}",
        "{\"type\":\"string\",\"minLength\":3,\"maxLength\":9}",
        "{\"type\":\"string\",\"pattern\":\"^(a|.{2}e){1,12}.{2,6}$\"}",
        "{\"type\":\"string\",\"pattern\":\"^.*[ae].{9}$\"}",
        "{\"type\":\"array\",\"minItems\":6,\"maxItems\":9,\"items\":{\"type\":\"integer\"}}",
        "{\"type\":\"array\",\"maxItems\":9,\"items\":{\"type\":\"string\",\"maxLength\":5}}",
      })
  void tokensAreThoseThatTheirCountAllows(String schema) {
    TokenTable table = new TokenTable(tokens(new Random(1)));
    Constraint constraint = Constraint.of(schema, table);
    for (int seed = 0; seed < 12; seed++) {
      var random = new Random(seed);
      Constraint.Place place = constraint.start();
      Grammar grammar = JsonSchema.grammar(schema);
      Grammar.State state = grammar.start();
      for (int step = 0; step < 25 && !place.hasEnded(); step++) {
        float[] logits = new float[table.size()];
        place.restrict(logits, new BitSet());
        int next = -1;
        int best = -1;
        for (int id = 0; id < logits.length; id++) {
          boolean may = reads(grammar, state, table.bytes(id));
          assertEquals(may, logits[id] == 0, "token " + id + " after " + step);
          int drawn = may ? random.nextInt(1000) : -1;
          if (drawn > best) {
            best = drawn;
            next = id;
          }
        }
        place.add(next);
        for (byte b : table.bytes(next)) {
          state = grammar.next(state, b & 0xff);
        }
      }
    }
  }

  /** All bytes, and texts of up to 40 of some that the schemas have. */
  private static byte[][] tokens(Random random) {
    String[] some = {
      "a", "aa", "b", "ae", "é", "\"", "\"", ",", "\",\"", "[\"", "]", "1", ",1", "23"
    };
    byte[][] tokens = new byte[2000][];
    for (int id = 0; id < tokens.length; id++) {
      var text = new StringBuilder();
      int parts = 1 + random.nextInt(id % 2 == 0 ? 4 : 20);
      String usual = some[random.nextInt(5)];
      for (int i = 0; i < parts; i++) {
        text.append(random.nextInt(6) == 0 ? some[random.nextInt(some.length)] : usual);
      }
      tokens[id] =
          id < 256 ? new byte[] {(byte) id} : text.toString().getBytes(StandardCharsets.UTF_8);
    }
    return tokens;
  }

  /**
   * Tokens are drawn from those that may follow, of which there are always some; what comes to an
   * end is valid.
   */
  @Test
  void whatIsDrawnIsValid() throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(Fixtures.dir(TestModels.BASE))) {
      int size = tokenizer.vocabularySize();
      TokenTable table = new TokenTable(tokenizer, size + 1);
      var ends = new BitSet();
      ends.set(size);
      int drawn = 0;
      for (int seed = 0; seed < 150; seed++) {
        String schema = RandomSchemas.schema(seed);
        Constraint constraint;
        try {
          constraint = Constraint.of(schema, table);
        } catch (QuestionException e) {
          assertTrue(String.valueOf(e.getMessage()).contains("allows no value"), e.getMessage());
          continue;
        }
        byte[] answer = draw(constraint.start(), table, ends, new Random(seed));
        if (answer.length < LONGEST) {
          String text = new String(answer, StandardCharsets.UTF_8);
          assertTrue(RandomSchemas.valid(schema, answer), () -> schema + " allowed " + text);
          drawn++;
        }
      }
      assertTrue(drawn > 100, "only " + drawn);
    }
  }

  /** The same of calls of strict tools. */
  @Test
  void callsThatAreDrawnAreValid() throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(Fixtures.dir(TestModels.BASE))) {
      int size = tokenizer.vocabularySize();
      TokenTable table = new TokenTable(tokenizer, size + 1);
      var ends = new BitSet();
      ends.set(size);
      int drawn = 0;
      for (int seed = 0; seed < 300; seed++) {
        String schema = RandomSchemas.schema(seed);
        Constraint constraint;
        try {
          constraint =
              Constraint.of(
                  null,
                  List.of(new Tool("f", "", schema, true), new Tool("free", "", "{}")),
                  ToolChoice.AUTO,
                  table);
        } catch (QuestionException e) {
          assertTrue(
              String.valueOf(e.getMessage())
                  .matches(".*(allows no value|must allow nothing but objects).*"));
          continue;
        }
        String begun = "x <<tool_call>\n{\"name\": \"f";
        Constraint.Place place = constraint.start();
        for (int id : tokenizer.encode(begun)) {
          place.add(id);
        }
        byte[] answer = draw(place, table, ends, new Random(seed));
        if (answer.length < LONGEST) {
          String written = begun + new String(answer, StandardCharsets.UTF_8);
          var read = ToolCallReader.read(written);
          assertTrue(read.text().startsWith("x <"), written);
          assertEquals(1, read.calls().size(), written);
          ToolCall call = read.calls().getFirst();
          if (call.name().equals("f")) {
            byte[] arguments = call.arguments().getBytes(StandardCharsets.UTF_8);
            assertTrue(RandomSchemas.valid(schema, arguments), () -> schema + " allowed " + call);
            drawn++;
          } else {
            assertEquals("free", call.name());
          }
        }
      }
      assertTrue(drawn > 20, "only " + drawn);
    }
  }

  /**
   * A model without any tokens has none to go on with, which is said of the part that asks for it.
   */
  @Test
  void whatCannotGoOn() throws IOException {
    try (Tokenizer tokenizer = Tokenizer.load(Fixtures.dir(TestModels.BASE))) {
      TokenTable table = new TokenTable(tokenizer, tokenizer.vocabularySize());
      var tools = List.of(new Tool("f", "", "{}", true));
      for (String schema : new String[] {null, "{}"}) {
        Constraint.Place place = Constraint.of(schema, tools, ToolChoice.AUTO, table).start();
        var thrown =
            assertThrows(QuestionException.class, () -> place.restrict(new float[0], new BitSet()));
        assertEquals(
            schema == null ? QuestionException.Part.TOOLS : QuestionException.Part.JSON_SCHEMA,
            thrown.part());
      }
    }
  }

  /** At first any token that may follow, later one that brings an end near. */
  private static byte[] draw(Constraint.Place place, TokenTable table, BitSet ends, Random random) {
    var answer = new ByteArrayOutputStream();
    while (!place.hasEnded() && answer.size() < LONGEST) {
      float[] logits = new float[table.size()];
      for (int id = 0; id < logits.length; id++) {
        logits[id] = random.nextFloat();
        byte[] bytes = table.bytes(id);
        if (bytes.length == 1 && "\"}]".indexOf(bytes[0]) >= 0) {
          logits[id] += answer.size() > 30 ? 1 : 0.1f;
        } else if (bytes.length > 0 && "[{ \n,\\".indexOf(bytes[0]) >= 0) {
          logits[id] -= answer.size() > 30 ? 1 : 0;
        }
      }
      logits[ends.nextSetBit(0)] = random.nextFloat() + (answer.size() > 30 ? 2 : 0);
      place.restrict(logits, ends);
      int best = 0;
      for (int id = 0; id < logits.length; id++) {
        best = logits[id] > logits[best] ? id : best;
      }
      if (ends.get(best)) {
        break;
      }
      place.add(best);
      answer.writeBytes(table.bytes(best));
    }
    return answer.toByteArray();
  }

  /** More places than are kept are met; what was forgotten is found again, the same. */
  @Test
  void whatIsForgottenIsFoundAgain() {
    try (Tokenizer tokenizer = Tokenizer.load(Fixtures.dir(TestModels.BASE))) {
      TokenTable table = new TokenTable(tokenizer, tokenizer.vocabularySize());
      String schema = "{\"type\":\"string\",\"maxLength\":400}";
      Constraint constraint = Constraint.of(schema, table);
      Constraint.Place first = constraint.start();
      Constraint.Place second = constraint.start();
      int quote = tokenizer.encode("\"")[0];
      int letter = tokenizer.encode("x")[0];
      first.add(quote);
      second.add(quote);
      for (int i = 0; i < 400; i++) {
        float[] logits = new float[table.size()];
        first.restrict(logits, new BitSet());
        assertEquals(0, logits[letter]);
        first.add(letter);
      }
      float[] full = new float[table.size()];
      first.restrict(full, new BitSet());
      assertEquals(Float.NEGATIVE_INFINITY, full[letter]);
      assertEquals(0, full[quote]);
      float[] begun = new float[table.size()];
      second.restrict(begun, new BitSet());
      assertEquals(0, begun[letter]);
    }
  }

  /** What may go on in hundreds of ways is given up after a while; the grammar stays good. */
  @Test
  void ambiguityHasALimit() {
    Grammar grammar = JsonSchema.grammar("{\"pattern\":\"^(.*a.{300}|.*[a-m].{301})$\"}");
    Grammar.State open = grammar.next(grammar.start(), '"');
    var random = new Random(1);
    grammar.begin();
    var thrown =
        assertThrows(
            QuestionException.class,
            () -> {
              Grammar.State state = open;
              for (int i = 0; i < 10_000; i++) {
                state = grammar.next(state, 'a' + random.nextInt(26));
              }
            });
    assertTrue(String.valueOf(thrown.getMessage()).endsWith("in too many ways at once"));
    grammar.begin();
    assertFalse(grammar.next(open, '~').ended());
    assertTrue(grammar.next(open, '"').ended());
  }

  private static boolean reads(Grammar grammar, Grammar.State from, byte[] bytes) {
    Grammar.State state = from;
    for (byte b : bytes) {
      state = grammar.next(state, b & 0xff);
    }
    return bytes.length > 0 && !(state.ended() && !state.accepting());
  }
}
