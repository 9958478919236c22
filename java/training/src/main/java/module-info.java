/** Trains reasoning networks, and small base models: SFT, GRPO, pre-training, the lab. */
@SuppressWarnings("module") // io.lrt4j.cli is compiled after this module
module io.lrt4j.training {
  requires transitive io.lrt4j.engine;
  requires static transitive org.jspecify;
  requires transitive io.lrt4j.evaluation;
  requires com.fasterxml.jackson.databind;

  exports io.lrt4j.training to
      io.lrt4j.cli;
  exports io.lrt4j.training.data;
}
