package io.lrt4j.checkpoint;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lrt4j.CheckpointException;
import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.Fixtures;
import io.lrt4j.TestModels;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A network runs with base models of one hidden size. */
class NetworkMismatchTest {
  @TempDir Path network;

  @Test
  void aNetworkForAnotherHiddenSize() {
    TinyModel.network(network);
    Path base = Fixtures.dir(TestModels.BASE);
    EngineOptions options = EngineOptions.defaults().withNetwork(network);
    String message =
        assertThrows(CheckpointException.class, () -> Engine.load(base, options)).getMessage();
    assertEquals(
        network
            + ": this reasoning network is for a base model of hidden size 4, but "
            + base
            + " has hidden size 64",
        message);
  }
}
