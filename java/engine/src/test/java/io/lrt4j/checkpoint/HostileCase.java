package io.lrt4j.checkpoint;

import io.lrt4j.CheckpointException;
import io.lrt4j.LrtException;
import io.lrt4j.UnsupportedModelException;
import java.util.List;
import java.util.function.Consumer;

/** One bad checkpoint: what it starts from, what is done to it, and what the refusal says. */
record HostileCase(
    String name,
    Start start,
    Class<? extends LrtException> refusal,
    Consumer<TinyModel> spoil,
    List<String> fragments) {

  /** What kind of directory a case starts from. */
  enum Start {
    BASE,
    SHARDED,
    NETWORK
  }

  static HostileCase damaged(String name, Consumer<TinyModel> spoil, String... fragments) {
    return new HostileCase(name, Start.BASE, CheckpointException.class, spoil, List.of(fragments));
  }

  static HostileCase refused(String name, Consumer<TinyModel> spoil, String... fragments) {
    return new HostileCase(
        name, Start.BASE, UnsupportedModelException.class, spoil, List.of(fragments));
  }

  @Override
  public String toString() {
    return name;
  }
}
