package io.lrt4j;

import java.util.List;
import java.util.Objects;

/**
 * How the tools of a question may be called. All but {@link #AUTO} also holds calls to the form of
 * one, as a tool that is {@link Tool#strict} does.
 *
 * @param required whether the answer is calls, one at least, and nothing else; thinking before it
 *     is free
 * @param parallel whether it may have several; if not, it ends with the first
 * @param names of the tools that may be called, all of which the model is told of; none stands for
 *     all
 */
public record ToolChoice(boolean required, boolean parallel, List<String> names) {
  /** The model calls what it likes, if it likes. */
  public static final ToolChoice AUTO = new ToolChoice(false, true, List.of());

  /** It calls one tool at least. */
  public static final ToolChoice REQUIRED = new ToolChoice(true, true, List.of());

  public ToolChoice {
    names = Question.copy(names, "names");
  }

  /** It calls this tool, once. */
  public static ToolChoice named(String name) {
    Objects.requireNonNull(name, "name");
    return new ToolChoice(true, false, List.of(name));
  }

  /** Changes {@link #parallel}. */
  public ToolChoice withParallel(boolean parallel) {
    return new ToolChoice(required, parallel, names);
  }

  /** Changes {@link #names}. */
  public ToolChoice withNames(List<String> names) {
    return new ToolChoice(required, parallel, names);
  }
}
