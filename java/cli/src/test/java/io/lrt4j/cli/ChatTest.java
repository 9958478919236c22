package io.lrt4j.cli;

import static io.lrt4j.cli.TinyModels.BASE;
import static io.lrt4j.cli.TinyModels.NETWORK;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import io.lrt4j.Question.Message;
import io.lrt4j.Role;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/** {@code lrt chat}: what is asked with what, and what goes wrong without ending it. */
class ChatTest {
  private static final Path DEFAULT = Path.of("../../models/default");
  private static final String TOM = "Tom has 3 apples. He buys 4 more. How many are there?";
  private static final String MIA =
      "Mia has 4 books. She triples them. She loses 2. How many are there?";

  private static Run chat(Path model, String input, String... options) {
    var args = new ArrayList<>(List.of("chat", "--model", model.toString()));
    args.addAll(List.of(options));
    return Run.withInput(input, args.toArray(String[]::new));
  }

  private static Run byDefault(String input, String... options) {
    return chat(DEFAULT, input, options);
  }

  /** Answers of the tiny pair, some tokens long. */
  private static List<JsonNode> tiny(String input, String... options) throws IOException {
    String[] all =
        Stream.concat(
                Stream.of("--network", NETWORK.toString(), "--max-tokens", "6", "--json"),
                Stream.of(options))
            .toArray(String[]::new);
    Run run = chat(BASE, input, all);
    assertEquals(0, run.status(), run.err());
    assertEquals("", run.err());
    List<JsonNode> answers = new ArrayList<>();
    for (String line : run.out().lines().toList()) {
      answers.add(new ObjectMapper().readTree(line));
    }
    return answers;
  }

  private static List<String> notes(Run run) {
    return run.err().lines().toList();
  }

  @Test
  void theDefaultModelAnswersEveryTurn() {
    Run run = byDefault(TOM + "\n" + MIA + "\n" + TOM + "\n" + MIA + "\n");
    assertEquals(0, run.status(), run.err());
    assertEquals("7\n10\n7\n10\n", run.out());
    assertEquals(4, notes(run).size(), run.err());
    for (String note : notes(run)) {
      assertTrue(note.matches("\\[latent, prompt \\d+, .* total .*, stop]"), note);
    }
  }

  @Test
  void aQuestionIsPutWithWhatWasSaidBefore() throws IOException {
    for (Mode mode : List.of(Mode.LATENT, Mode.EXPLICIT)) {
      String name = Reports.lower(mode);
      List<JsonNode> found =
          tiny("What is 12+30?\nAnd 1 more?\nWhy?\n", "--mode", name, "--system", "Be brief.");
      assertEquals(3, found.size());
      try (Engine engine = Engine.load(BASE, EngineOptions.defaults().withNetwork(NETWORK))) {
        List<Message> talk = new ArrayList<>();
        for (String said : List.of("What is 12+30?", "And 1 more?", "Why?")) {
          talk.add(new Message(Role.USER, said));
          Question question = Question.of(talk).system("Be brief.").mode(mode).maxTokens(6);
          Answer answer = engine.ask(question.temperature(0));
          JsonNode json = found.get(talk.size() / 2);
          assertEquals(answer.ids().toString(), json.get("ids").toString().replace(",", ", "));
          assertEquals(answer.tokens().prompt(), json.at("/tokens/prompt").asInt());
          talk.add(new Message(Role.ASSISTANT, answer.text())); // no thinking
        }
      }
      for (int turn = 1; turn < 3; turn++) { // what was read before is not read again
        int known = found.get(turn).at("/tokens/cached").asInt();
        int before = found.get(turn - 1).at("/tokens/prompt").asInt();
        assertTrue(known > 0 && known >= before - 32, turn + ": " + known + " of " + before);
      }
    }
  }

  @Test
  void aNewConversationKnowsNothingOfTheLast() throws IOException {
    List<JsonNode> found = tiny("Who?\nWho?\n/new\nWho?\n/mode direct\n/new\nWho?\n");
    assertEquals(
        found.get(0).at("/tokens/prompt").asInt(), found.get(2).at("/tokens/prompt").asInt());
    assertEquals(found.get(0).get("ids"), found.get(2).get("ids"));
    assertTrue(
        found.get(1).at("/tokens/prompt").asInt() > found.get(0).at("/tokens/prompt").asInt());
    assertEquals("latent", found.get(2).get("mode").asText());
    assertEquals("direct", found.get(3).get("mode").asText());
  }

  @Test
  void commands() {
    Run run = byDefault("/help\n/mode explicit\n" + MIA + "\n/new\n/quit\n" + MIA + "\n");
    assertEquals(0, run.status(), run.err());
    assertEquals("10\n", run.out());
    assertTrue(run.err().startsWith(Chat.HELP + "[mode explicit]\n[explicit, "), run.err());
    assertTrue(run.err().endsWith("]\n[new conversation]\n"), run.err());
  }

  @Test
  void aWrongCommandIsASentence() {
    Run run = byDefault("/nwe\n/\n/mode\n/mode fast\n/new one\n/quit now\n" + MIA + "\n");
    assertEquals("10\n", run.out());
    assertEquals(1, run.status(), run.err());
    assertEquals("lrt: 6 commands were not understood", notes(run).getLast());
    assertEquals(
        List.of(
            "lrt: unknown command /nwe (did you mean /new?); /help shows those that there are",
            "lrt: unknown command /; /help shows those that there are",
            "lrt: /mode must be one of auto, latent, explicit, direct, found nothing",
            "lrt: /mode must be one of auto, latent, explicit, direct, found fast",
            "lrt: /new stands alone, found one behind it",
            "lrt: /quit stands alone, found now behind it"),
        notes(run).subList(0, 6));
  }

  @Test
  void ofAWrongCommandTheBeginningIsShown() {
    String long1 = "n".repeat(1 << 25); // a table of its distances to the commands would not fit
    Run run = byDefault("/" + long1 + "\n/new " + long1 + "\n/mode \033[31m" + long1 + "\n");
    String begin = "n".repeat(59) + "…";
    assertEquals(
        List.of(
            "lrt: unknown command /" + begin + "; /help shows those that there are",
            "lrt: /new stands alone, found n" + begin + " behind it",
            "lrt: /mode must be one of auto, latent, explicit, direct, found \\u001b[31m"
                + "n".repeat(55)
                + "…"),
        notes(run).subList(0, 3));
  }

  @Test
  void linesAndWhatGoesOn() throws IOException {
    JsonNode whole = tiny("a\\\nb\n").getFirst();
    try (Engine engine = Engine.load(BASE, EngineOptions.defaults().withNetwork(NETWORK))) {
      int prompt = engine.prompt(Question.of("a\nb").mode(Mode.LATENT)).length;
      assertEquals(prompt, engine.prompt(Question.of("abc").mode(Mode.LATENT)).length);
      int closing = engine.encode("\n</think>\n\n").length;
      assertEquals(prompt + closing, whole.at("/tokens/prompt").asInt());
    }
    for (String input : // empty lines, line ends of Windows, none at the end, spaces behind
        List.of("\n  \na\\\nb\n\n", "\r\na\\\r\nb\r\n", "a\\\nb", "a\\\nb\\", "a\\\nb \n\\\n\n")) {
      List<JsonNode> found = tiny(input);
      assertEquals(1, found.size(), input);
      assertEquals(whole.get("ids"), found.getFirst().get("ids"), input);
      assertEquals(whole.at("/tokens/prompt"), found.getFirst().at("/tokens/prompt"), input);
    }
    assertEquals(List.of(), tiny(""));
    assertEquals(1, tiny(" /quit\n").size(), "a message");
    assertEquals(1, tiny("a\\\n/quit\n").size(), "a message");
  }

  @Test
  void aMessageThatGetsNoAnswerEndsNothing() {
    byte[] half = (MIA + "\nFive \\\n").getBytes(StandardCharsets.UTF_8);
    byte[] rest = (" apples.\n" + TOM + "\n").getBytes(StandardCharsets.UTF_8);
    byte[] input = new byte[half.length + 1 + rest.length];
    System.arraycopy(half, 0, input, 0, half.length);
    input[half.length] = (byte) 0xff;
    System.arraycopy(rest, 0, input, half.length + 1, rest.length);
    Run run = Run.withBytes(input, "chat", "--model", DEFAULT.toString());
    assertEquals("10\n7\n", run.out());
    assertEquals("lrt: the message on standard input is not UTF-8 text", notes(run).get(1));
    assertEquals("lrt: 1 of 3 messages got no answer", notes(run).getLast());
    assertEquals(4, notes(run).size(), run.err());
    assertEquals(1, run.status());
  }

  @Test
  void aConversationThatNoLongerFits() throws IOException {
    String long1 = "x".repeat(700);
    String input = "a\n" + long1 + "\n" + long1 + "\nb\n/new\n" + long1 + "\n";
    Run run = chat(BASE, input, "--mode", "direct", "--max-tokens", "4", "--json");
    assertEquals(1, run.status());
    assertEquals(4, run.out().lines().count(), run.err());
    String refused = notes(run).getFirst();
    assertTrue(refused.startsWith("lrt: the question is too long: at most 1023 tokens"), refused);
    assertTrue(
        refused.endsWith("; the message is taken back, the 4 before it stay (/new drops them)"),
        refused);
    assertEquals("lrt: 1 of 5 messages got no answer", notes(run).getLast());
    assertEquals(2, notes(run).size(), run.err());
    // What was taken back is not in what follows.
    JsonNode after = new ObjectMapper().readTree(run.out().lines().toList().get(2));
    assertTrue(after.at("/tokens/prompt").asInt() < 900, after.toString());
    Run alone = chat(BASE, "x".repeat(3000), "--mode", "direct");
    assertTrue(notes(alone).getFirst().endsWith("; the message is taken back"), alone.err());
  }

  @Test
  void aModeThatThereIsNot() {
    Run run = chat(BASE, "a\n/mode direct\na\n", "--mode", "latent", "--max-tokens", "2");
    assertEquals(1, run.out().lines().count(), run.err());
    assertTrue(notes(run).getFirst().contains("latent mode needs a reasoning network"), run.err());
    assertEquals(1, run.status());
  }

  @Test
  void atATerminal() {
    var out = new ByteArrayOutputStream();
    var err = new ByteArrayOutputStream();
    String input = MIA.substring(0, 16) + "\\\n" + MIA.substring(16) + "\n/mode latent\n/fast\n";
    byte[] notText = {(byte) 0xff};
    var typed = new ByteArrayOutputStream();
    typed.writeBytes(input.getBytes(StandardCharsets.UTF_8));
    typed.writeBytes(notText);
    typed.write('\n');
    var console =
        new Console(
            new ByteArrayInputStream(typed.toByteArray()),
            new PrintStream(out, false, StandardCharsets.UTF_8),
            new PrintStream(err, false, StandardCharsets.UTF_8),
            true,
            false,
            false,
            null);
    int status = Lrt.run(new String[] {"chat", "--model", DEFAULT.toString()}, console);
    String shown = err.toString(StandardCharsets.UTF_8);
    assertEquals(0, status, "somebody saw what went wrong");
    assertTrue(
        shown
            .replaceAll("\\[latent, prompt [^\\]]*]", "[…]")
            .endsWith(
                """
                ; /help tells what to type
                > . […]
                > [mode latent]
                > lrt: unknown command /fast; /help shows those that there are
                > lrt: the message on standard input is not UTF-8 text
                >\s
                """),
        shown);
    assertEquals(1, out.toString(StandardCharsets.UTF_8).lines().count());
  }
}
