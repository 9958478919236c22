package io.lrt4j.cli;

import io.lrt4j.Answer;
import io.lrt4j.Engine;
import io.lrt4j.Mode;
import io.lrt4j.Question;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** {@code ask --compare}: one question in every mode that the model can do, side by side. */
final class Comparison {
  private static final int WARM_UP_TOKENS = 8;
  private static final int SHOWN = 72;

  private Comparison() {}

  static void run(
      Engine engine, Question question, Reports.Setting setting, boolean json, Console console) {
    List<Mode> modes = modes(engine);
    // Whatever comes first would pay for the JIT compiler's work.
    for (Mode mode : modes) {
      int few = Math.min(WARM_UP_TOKENS, question.optionsOver(engine.defaultOptions()).maxTokens());
      var _ = engine.ask(question.mode(mode).budget(0).maxTokens(few));
    }
    Map<Mode, Answer> answers = new EnumMap<>(Mode.class);
    for (Mode mode : modes) {
      answers.put(mode, engine.ask(question.mode(mode)));
    }
    if (json) {
      var all = Reports.object();
      var byMode = all.putObject("modes");
      answers.forEach((mode, a) -> byMode.set(Reports.lower(mode), Reports.json(a, setting)));
      console.out().println(Reports.line(all));
    } else {
      console.out().print(table(answers, console.outTerminal()));
    }
  }

  private static List<Mode> modes(Engine engine) {
    List<Mode> modes = new ArrayList<>();
    if (engine.defaultMode() == Mode.AUTO) {
      modes.add(Mode.AUTO);
    }
    if (engine.network() != null) {
      modes.add(Mode.LATENT);
    }
    modes.add(Mode.DIRECT);
    if (engine.knowsThinking()) {
      modes.add(Mode.EXPLICIT);
    }
    return modes;
  }

  /** One line a mode; {@code brief} shortens the answers for a terminal. */
  static String table(Map<Mode, Answer> answers, boolean brief) {
    var text = new StringBuilder();
    line(text, "mode", "prompt", "latent", "reasoning", "answer", "first token", "total", "text");
    answers.forEach(
        (mode, a) ->
            line(
                text,
                Reports.lower(mode),
                Integer.toString(a.tokens().prompt()),
                Integer.toString(a.tokens().latent()),
                Integer.toString(a.tokens().reasoning()),
                Integer.toString(a.tokens().answer()),
                a.tokens().answer() > 0 ? Reports.duration(a.timings().firstToken()) : "-",
                Reports.duration(a.timings().total()),
                oneLine(a.text(), brief)));
    return text.toString();
  }

  private static void line(StringBuilder to, Object... cells) {
    to.append(String.format(Locale.ROOT, "%-9s%7s%8s%11s%8s%13s%10s  %s%n", cells));
  }

  private static String oneLine(String text, boolean brief) {
    String line = text.strip().replaceAll("\\s+", " ");
    return brief && line.codePointCount(0, line.length()) > SHOWN
        ? line.substring(0, line.offsetByCodePoints(0, SHOWN - 1)) + "…"
        : line;
  }
}
