package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code /metrics}, and the page at {@code /}. */
class MetricsTest {
  @Test
  void whatHappenedIsCounted() throws IOException, InterruptedException {
    var options = ServerOptions.builder().keys(List.of("key")).build();
    try (var served = new Served(options)) {
      assertEquals(401, served.get("/metrics").statusCode());
      served.key = "key";
      assertEquals("0.0", value(served, "lrt_answers_running"));
      assertEquals(200, served.chat(",\"lrt\":{\"mode\":\"latent\"}").statusCode());
      assertEquals(
          200, served.chat(",\"stream\":true,\"lrt\":{\"mode\":\"explicit\"}").statusCode());
      assertEquals(400, served.chat(",\"n\":0").statusCode());
      String chat = "path=\"/v1/chat/completions\"";
      assertEquals(
          "1",
          value(served, "lrt_requests_seconds_count{mode=\"latent\",outcome=\"ok\"," + chat + "}"));
      assertEquals(
          "1",
          value(
              served, "lrt_requests_seconds_count{mode=\"explicit\",outcome=\"ok\"," + chat + "}"));
      assertEquals(
          "1",
          value(
              served,
              "lrt_requests_seconds_count{mode=\"none\",outcome=\"invalid\"," + chat + "}"));
      assertEquals(
          "1",
          value(
              served,
              "lrt_requests_seconds_count{mode=\"none\",outcome=\"no_key\",path=\"/metrics\"}"));
      assertEquals("8.0", value(served, "lrt_tokens_total{kind=\"latent\"}"));
      assertEquals("1.0", value(served, "lrt_answers_total{mode=\"explicit\"}"));
      assertEquals("2", value(served, "lrt_queue_wait_seconds_count"));
      assertEquals("2", value(served, "lrt_first_token_seconds_count"));
      assertEquals("1", value(served, "lrt_tokens_per_second_count{mode=\"latent\"}"));
    }
  }

  private static String value(Served served, String name) throws IOException, InterruptedException {
    var response = served.get("/metrics");
    assertEquals(200, response.statusCode());
    assertTrue(response.headers().firstValue("content-type").orElse("").startsWith("text/plain"));
    return response
        .body()
        .lines()
        .filter(line -> line.startsWith(name + " "))
        .map(line -> line.substring(name.length() + 1))
        .findFirst()
        .orElseGet(() -> "no " + name + " in\n" + response.body());
  }

  /** What Prometheus 2 and 3 ask with, the latter also where it wants native histograms. */
  @ParameterizedTest
  @ValueSource(
      strings = {
        "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
            + "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
        "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            + "application/openmetrics-text;version=0.0.1;q=0.4,"
            + "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;q=0.6,"
            + "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
            + "application/openmetrics-text;version=0.0.1;q=0.4,"
            + "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited",
        "*/*"
      })
  void whoeverAsksGetsText(String accept) throws IOException, InterruptedException {
    try (var served = new Served(ServerOptions.defaults())) {
      var request =
          served
              .request("/metrics")
              .header("Accept", accept)
              .header("Accept-Encoding", "gzip")
              .header("X-Prometheus-Scrape-Timeout-Seconds", "10");
      var response = served.http.send(request.build(), HttpResponse.BodyHandlers.ofString());
      assertEquals(200, response.statusCode());
      assertEquals(
          List.of("text/plain; version=0.0.4; charset=utf-8"),
          response.headers().allValues("content-type"));
      assertEquals(List.of(), response.headers().allValues("content-encoding"));
      assertTrue(
          response
              .body()
              .contains(
                  """
                  # TYPE lrt_answers_running gauge
                  lrt_answers_running 0.0
                  """),
          response.body());
    }
  }

  @Test
  void pageNeedsNothingFromOutside() throws IOException, InterruptedException {
    try (var served = new Served(ServerOptions.defaults())) {
      var page = served.get("/");
      assertEquals(200, page.statusCode());
      assertEquals(
          "text/html; charset=utf-8", page.headers().firstValue("content-type").orElse(""));
      String policy = page.headers().firstValue("content-security-policy").orElse("");
      assertTrue(policy.startsWith("default-src 'none'; connect-src 'self'; "), policy);
      assertTrue(page.body().startsWith("<!DOCTYPE html>"), page.body());
      assertFalse(Pattern.compile("https?://|src=|@import").matcher(page.body()).find());
    }
  }
}
