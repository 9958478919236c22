package io.lrt4j.bench;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Backends;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;

/** A backend with its threads, for one benchmark. */
@State(Scope.Benchmark)
public class Crew {
  /** As in {@code --backend}. */
  @Param("auto")
  public String backend = "";

  /** Compute threads; 0 takes one per processor. */
  @Param("0")
  public int threads;

  private @Nullable Backend open;

  /** Starts its threads. */
  @Setup(Level.Trial)
  public void open() {
    open = Backends.open(backend, threads);
  }

  /** Stops them. */
  @TearDown(Level.Trial)
  public void close() {
    backend().close();
  }

  Backend backend() {
    return Objects.requireNonNull(open);
  }
}
