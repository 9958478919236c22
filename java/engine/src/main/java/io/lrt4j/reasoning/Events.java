package io.lrt4j.reasoning;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/** Java Flight Recorder events: one for each stage of an answer, with what it worked on. */
final class Events {
  private Events() {}

  @Category("lrt4j")
  @StackTrace(false)
  abstract static class Stage extends Event {
    @Label("Tokens")
    @Description("Rows that went through the base model (or, of a reasoning pass, latents)")
    int tokens;
  }

  @Name("io.lrt4j.Load")
  @Label("Load a model")
  @Category("lrt4j")
  @StackTrace(false)
  static final class Load extends Event {
    @Label("Directory")
    String directory = "";

    @Label("Parameters")
    long parameters;
  }

  @Name("io.lrt4j.Encode")
  @Label("Encode the question")
  static final class Encode extends Stage {
    @Label("Cached")
    @Description("Tokens that an earlier question had begun with too")
    int cached;
  }

  @Name("io.lrt4j.Reason")
  @Label("Reasoning network")
  static final class Reason extends Stage {}

  @Name("io.lrt4j.Prefill")
  @Label("Prefill latents and closing text")
  static final class Prefill extends Stage {}

  @Name("io.lrt4j.Decode")
  @Label("Decode the answer")
  static final class Decode extends Stage {}
}
