/**
 * Measures how well a model answers (data sets, graders, accuracy with its uncertainty), and how
 * fast.
 */
@SuppressWarnings("module") // io.lrt4j.cli is compiled after this module
module io.lrt4j.evaluation {
  requires transitive io.lrt4j.engine;
  requires static transitive org.jspecify;
  requires com.fasterxml.jackson.databind;
  requires static jdk.incubator.vector;

  opens io.lrt4j.evaluation to
      com.fasterxml.jackson.databind; // records as JSON
  opens io.lrt4j.evaluation.report to
      com.fasterxml.jackson.databind;

  exports io.lrt4j.evaluation;
  exports io.lrt4j.evaluation.data;
  exports io.lrt4j.evaluation.grade;
  exports io.lrt4j.evaluation.report;
  exports io.lrt4j.evaluation.speed to
      io.lrt4j.cli;
  exports io.lrt4j.evaluation.study;
}
