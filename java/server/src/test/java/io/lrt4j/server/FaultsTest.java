package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.HotSpotDiagnosticMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

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
  private static final Pattern OF_THE_SERVER =
      Pattern.compile("^#[0-9]+ \"(lrt-|.*WebServer socket)");

  @TempDir Path folder;

  /**
   * What the process has: bytes of the heap that are in use, and threads of the server, with the
   * virtual ones that its connections are served and watched by.
   */
  private record Held(long bytes, long threads) {}

  private Held held() throws IOException {
    System.gc();
    long bytes = ManagementFactory.getMemoryMXBean().getHeapMemoryUsage().getUsed();
    Path dump = folder.resolve("threads");
    Files.deleteIfExists(dump);
    ManagementFactory.getPlatformMXBean(HotSpotDiagnosticMXBean.class)
        .dumpThreads(dump.toString(), HotSpotDiagnosticMXBean.ThreadDumpFormat.TEXT_PLAIN);
    try (Stream<String> lines = Files.lines(dump)) {
      return new Held(bytes, lines.filter(OF_THE_SERVER.asPredicate()).count());
    }
  }

  private Held run(Served served, Faults faults, int from, int to)
      throws InterruptedException, IOException {
    assertEquals(List.of(), faults.inflict(from, to));
    while (served.server.busy() > 0 || served.server.watched() > 0) {
      Thread.sleep(1);
    }
    return held();
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
      for (int i = 0; i < 1000 && after.threads > before.threads; i++) {
        Thread.sleep(10); // connections end after their answers
        after = held();
      }
      assertTrue(after.threads <= before.threads, before + ", then " + after);
      assertTrue(after.bytes <= before.bytes + SLACK, before + ", then " + after);
      assertEquals(200, faults.ask());
    }
  }
}
