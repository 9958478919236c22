/** The lrt4j library: load a reasoning model, ask it, latently or explicitly. */
module io.lrt4j.engine {
  requires static jdk.incubator.vector;
  requires static transitive org.jspecify;
  requires com.fasterxml.jackson.databind;
  requires ai.djl.tokenizers;
  requires ai.djl.api;
  requires jdk.jfr;

  exports io.lrt4j;
}
