package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.lang.management.ManagementFactory;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * The server answers each of {@link Faults} with the right status or not at all, and is afterwards
 * as it was before: with no connection, thread or memory more.
 */
@Timeout(60)
class FaultsTest {
  private static final int COUNT = 120;
  private static final long SLACK = 8 << 20; // bytes of the heap: caches of the JDK and the like
  private static final int MAX_BODY = 4000;
  private static final String KEY = "right";

  /** What the process has: bytes of the heap that are in use, and threads of the server. */
  private record Held(long bytes, long threads) {
    static Held now() {
      System.gc();
      return new Held(
          ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed(),
          Thread.getAllStackTraces().keySet().stream()
              .filter(t -> t.getName().startsWith("lrt-"))
              .count());
    }
  }

  private static Held run(Served served, Faults faults, int from, int to)
      throws InterruptedException {
    assertEquals(List.of(), faults.inflict(from, to));
    while (served.server.busy() > 0 || served.server.watched() > 0) {
      Thread.sleep(1);
    }
    return Held.now();
  }

  @Test
  void serverIsAsItWasBefore() throws Exception {
    var options =
        ServerOptions.builder()
            .maxBodyBytes(MAX_BODY)
            .keys(List.of(KEY))
            .answers(2)
            .queue(2)
            .build();
    try (var served = new Served(options)) {
      var faults = new Faults(served.server.address().getPort(), KEY, MAX_BODY);
      Held before = run(served, faults, 0, COUNT / 4);
      Held after = run(served, faults, COUNT / 4, COUNT);
      assertTrue(after.threads <= before.threads, before + ", then " + after);
      assertTrue(after.bytes <= before.bytes + SLACK, before + ", then " + after);
      assertEquals(200, faults.ask());
    }
  }
}
