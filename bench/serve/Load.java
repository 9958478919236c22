import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * Asks a server by OpenAI's interface, with more and more clients at a time, and compares every
 * greedy answer with the one that the same question got alone.
 *
 * <pre>java Load.java URL [--clients 1,4,16,64] [--seconds 120] [--max-tokens 64] [--body JSON]
 * </pre>
 */
public final class Load {
  private static final int QUESTIONS = 32;
  private static final Pattern TEXT =
      Pattern.compile("\"(?:content|reasoning_content)\":\"((?:[^\"\\\\]|\\\\.)*)\"");
  private static final Pattern TOKENS = Pattern.compile("\"completion_tokens\":(\\d+)");

  private final URI uri;
  private final String fields;
  private final HttpClient http = HttpClient.newHttpClient();
  private final AtomicInteger again = new AtomicInteger(); // requests sent twice

  private Load(String url, String fields) {
    this.uri = URI.create(url + "/v1/chat/completions");
    this.fields = fields;
  }

  /** What came of one request; times in milliseconds. */
  private record Reply(String text, int tokens, double firstToken, double total) {}

  private static String question(int i) {
    return "Tom has %d apples. He doubles them. He buys %d more. He gives away half. He finds %d boxes of 3. How many are there?"
        .formatted(2 + i % 9, 2 * (1 + i % 4), 1 + i % 5);
  }

  private HttpRequest request(int i) {
    String body =
        "{\"stream\":true,\"stream_options\":{\"include_usage\":true},\"temperature\":0,"
            + fields
            + "\"messages\":[{\"role\":\"user\",\"content\":\""
            + question(i)
            + "\"}]}";
    var request = HttpRequest.newBuilder(uri).POST(HttpRequest.BodyPublishers.ofString(body));
    String key = System.getenv("LRT_API_KEY");
    if (key != null) {
      request.header("Authorization", "Bearer " + key);
    }
    return request.build();
  }

  private Reply ask(int i) throws IOException, InterruptedException {
    HttpRequest request = request(i);
    long start = System.nanoTime();
    HttpResponse<Stream<String>> response = send(request);
    var text = new StringBuilder();
    double first = Double.NaN;
    int tokens = -1;
    boolean done = false;
    try (Stream<String> lines = response.body()) {
      for (String line : (Iterable<String>) lines::iterator) {
        if (response.statusCode() != 200 || line.startsWith("data: {\"error\"")) {
          throw new IOException(response.statusCode() + " " + line);
        }
        Matcher piece = TEXT.matcher(line);
        while (piece.find()) {
          if (!piece.group(1).isEmpty()) {
            first = Double.isNaN(first) ? millisSince(start) : first;
            text.append(piece.group(1));
          }
        }
        Matcher usage = TOKENS.matcher(line);
        if (usage.find()) {
          tokens = Integer.parseInt(usage.group(1));
        }
        done |= line.contains("[DONE]");
      }
    }
    if (!done || tokens < 0) {
      throw new IOException("the stream broke off after: " + text);
    }
    return new Reply(text.toString(), tokens, first, millisSince(start));
  }

  /** Once more if the connection was gone: some servers close one that was kept as it is used. */
  private HttpResponse<Stream<String>> send(HttpRequest request)
      throws IOException, InterruptedException {
    try {
      return http.send(request, HttpResponse.BodyHandlers.ofLines());
    } catch (IOException gone) {
      again.incrementAndGet();
      return http.send(request, HttpResponse.BodyHandlers.ofLines());
    }
  }

  private static double millisSince(long start) {
    return (System.nanoTime() - start) / 1e6;
  }

  /** One number of clients for so long: a line of the table. */
  private boolean run(int clients, double seconds, String[] alone) throws InterruptedException {
    List<Reply> replies = Collections.synchronizedList(new ArrayList<>());
    List<String> failures = Collections.synchronizedList(new ArrayList<>());
    AtomicInteger different = new AtomicInteger();
    AtomicInteger next = new AtomicInteger();
    long start = System.nanoTime();
    Thread[] threads = new Thread[clients];
    for (int c = 0; c < clients; c++) {
      threads[c] =
          Thread.ofVirtual()
              .start(
                  () -> {
                    while (millisSince(start) < seconds * 1000) {
                      int i = next.getAndIncrement() % QUESTIONS;
                      try {
                        Reply reply = ask(i);
                        replies.add(reply);
                        if (!reply.text.equals(alone[i])) {
                          different.incrementAndGet();
                        }
                      } catch (IOException e) {
                        failures.add(e.toString());
                      } catch (InterruptedException e) {
                        return;
                      }
                    }
                  });
    }
    for (Thread thread : threads) {
      thread.join();
    }
    double took = millisSince(start) / 1000;
    double[] first =
        replies.stream().mapToDouble(Reply::firstToken).filter(Double::isFinite).sorted().toArray();
    System.out.printf(
        Locale.ROOT,
        "| %d | %d | %.1f | %.0f | %.0f | %.0f | %.0f | %d | %d |%n",
        clients,
        replies.size(),
        replies.size() / took,
        replies.stream().mapToInt(Reply::tokens).sum() / took,
        quantile(first, 0.5),
        quantile(first, 0.99),
        quantile(replies.stream().mapToDouble(Reply::total).sorted().toArray(), 0.5),
        failures.size(),
        different.get());
    failures.stream().distinct().limit(3).forEach(System.err::println);
    int twice = again.getAndSet(0);
    if (twice > 0) {
      System.err.println(twice + " requests were sent twice, as their connection was gone");
    }
    return failures.isEmpty() && different.get() == 0;
  }

  private static double quantile(double[] sorted, double q) {
    return sorted.length == 0
        ? Double.NaN
        : sorted[(int) Math.min(sorted.length - 1, Math.ceil(q * sorted.length) - 1)];
  }

  public static void main(String[] args) throws IOException, InterruptedException {
    String url = args[0];
    String clients = "1,4,16,64";
    double seconds = 120;
    int maxTokens = 64;
    String body = "";
    for (int i = 1; i + 1 < args.length; i += 2) {
      switch (args[i]) {
        case "--clients" -> clients = args[i + 1];
        case "--seconds" -> seconds = Double.parseDouble(args[i + 1]);
        case "--max-tokens" -> maxTokens = Integer.parseInt(args[i + 1]);
        case "--body" -> body = args[i + 1] + ",";
        default -> throw new IllegalArgumentException("unknown option " + args[i]);
      }
    }
    Load load = new Load(url, "\"max_tokens\":" + maxTokens + "," + body);
    String[] alone = new String[QUESTIONS];
    for (int i = 0; i < QUESTIONS; i++) {
      alone[i] = load.ask(i).text;
    }
    System.out.println(
        "| clients | requests | requests/s | tokens/s | first token p50 ms | p99 ms | whole p50 ms"
            + " | failed | not as alone |");
    System.out.println("|---|---|---|---|---|---|---|---|---|");
    boolean sound = true;
    for (int n : Arrays.stream(clients.split(",")).mapToInt(Integer::parseInt).toArray()) {
      sound &= load.run(n, seconds, alone);
    }
    System.exit(sound ? 0 : 1);
  }
}
