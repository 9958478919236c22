package io.lrt4j.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.util.List;
import org.junit.jupiter.api.Test;

class InfoCommandTest {
  @Test
  void text() {
    Run run = Run.of("info");
    assertEquals(0, run.status());
    assertEquals("", run.err());
    for (String line : List.of("lrt", "java", "processor", "threads", "memory", "vectors")) {
      assertTrue(run.out().lines().anyMatch(l -> l.startsWith(line + " ")), run.out());
    }
    assertTrue(run.out().contains("backend    scalar   available (plain Java)"), run.out());
  }

  @Test
  void json() throws IOException {
    JsonNode json = new ObjectMapper().readTree(Run.of("info", "--json").out());
    assertTrue(json.get("threads").asInt() >= 1);
    assertTrue(json.get("memory_bytes").asLong() > 0);
    // The build starts its tests with the vector module.
    assertTrue(json.get("vector_bits").asInt() >= 64);
    assertTrue(json.get("backends").findValuesAsText("name").contains("vector"));
  }

  @Test
  void adviceForEarlyJava25() {
    assertEquals(List.of(), InfoCommand.advice(Runtime.Version.parse("25.0.3+9-LTS")));
    assertEquals(List.of(), InfoCommand.advice(Runtime.Version.parse("26")));
    String advice = InfoCommand.advice(Runtime.Version.parse("25.0.2+10-LTS")).getFirst();
    assertTrue(advice.startsWith("Java 25.0.2 "), advice);
    assertTrue(advice.contains("25.0.3"), advice);
  }
}
