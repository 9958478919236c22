package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.logging.Handler;
import java.util.logging.Level;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** One line for each request, whatever it is, and without contents. */
@Timeout(60)
class AccessLogTest {
  private static final class Lines extends Handler {
    private final List<String> lines = new CopyOnWriteArrayList<>();

    @Override
    public void publish(LogRecord logged) {
      lines.add(logged.getMessage());
    }

    @Override
    public void flush() {}

    @Override
    public void close() {}
  }

  @Test
  void linesAreOfOneRequestAndHaveNoContents() throws Exception {
    Logger log = Logger.getLogger(LrtServer.ACCESS_LOG);
    var logged = new Lines();
    String id;
    try (var served = new Served(ServerOptions.builder().keys(List.of("a-key")).build())) {
      log.setUseParentHandlers(false);
      log.setLevel(Level.INFO);
      log.addHandler(logged);
      served.get("/a%0Ab%1B%5B31m%E2%80%A8c%E2%80%A9d%C2%85e"); // line ends, what terminals obey
      served.key = "a-key";
      var answer = served.chat("");
      assertEquals(200, answer.statusCode());
      id = answer.headers().firstValue("x-request-id").orElse("none");
      served.get("/" + "x".repeat(500));
      while (logged.lines.size() < 3) { // a line comes after its answer
        Thread.sleep(1);
      }
    } finally {
      log.removeHandler(logged);
      log.setLevel(null);
      log.setUseParentHandlers(true);
    }
    assertEquals(3, logged.lines.size(), logged.lines.toString());
    for (String line : logged.lines) {
      assertTrue(line.codePoints().noneMatch(Character::isISOControl), line);
      assertTrue(line.matches(".*"), line); // nor an end of a line that Unicode has
      assertTrue(!line.contains("apples") && !line.contains("a-key"), line);
      assertTrue(line.length() < 300, line);
    }
    assertTrue(logged.lines.get(0).contains(" GET /a?b?[31m?c?d?e "), logged.lines.toString());
    assertTrue(logged.lines.get(1).contains(" POST /v1/chat/completions 200 "));
    assertTrue(logged.lines.get(1).startsWith(id + " "), logged.lines.get(1));
  }
}
