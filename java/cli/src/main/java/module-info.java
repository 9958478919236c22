/** The lrt4j command line. */
module io.lrt4j.cli {
  requires io.lrt4j.engine;
  requires io.lrt4j.evaluation;
  requires io.lrt4j.server;
  requires io.lrt4j.training;
  requires static org.jspecify;
  requires org.apache.commons.cli;
  requires com.fasterxml.jackson.databind;
  requires java.logging;
  requires jdk.management;
  requires static jdk.incubator.vector;
}
