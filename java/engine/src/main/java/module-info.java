/** The lrt4j library: load a reasoning model, ask it, latently or explicitly. */
@SuppressWarnings("module") // those that something is exported to are compiled after this module
module io.lrt4j.engine {
  requires static jdk.incubator.vector;
  requires static transitive org.jspecify;
  requires com.fasterxml.jackson.databind;
  requires ai.djl.tokenizers;
  requires jdk.jfr;
  requires jdk.management;

  uses io.lrt4j.compute.BackendProvider;

  provides io.lrt4j.compute.BackendProvider with
      io.lrt4j.compute.cpu.nativ.NativeProvider,
      io.lrt4j.compute.cpu.VectorProvider,
      io.lrt4j.compute.cpu.ScalarProvider;

  exports io.lrt4j;
  exports io.lrt4j.checkpoint to
      io.lrt4j.cli,
      io.lrt4j.evaluation,
      io.lrt4j.training;
  exports io.lrt4j.compute to
      io.lrt4j.cli,
      io.lrt4j.cuda,
      io.lrt4j.evaluation,
      io.lrt4j.training;
  exports io.lrt4j.compute.cpu.nativ to
      io.lrt4j.evaluation;
  exports io.lrt4j.decode to
      io.lrt4j.evaluation,
      io.lrt4j.training;
  exports io.lrt4j.json to
      io.lrt4j.server;
  exports io.lrt4j.model to
      io.lrt4j.cli,
      io.lrt4j.evaluation,
      io.lrt4j.training;
  exports io.lrt4j.reasoning to
      io.lrt4j.evaluation,
      io.lrt4j.training;
  exports io.lrt4j.text to
      io.lrt4j.training;
}
