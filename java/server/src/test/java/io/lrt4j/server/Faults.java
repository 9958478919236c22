package io.lrt4j.server;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.net.SocketException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Queue;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Requests that are malformed, too large, slow or broken off, unknown keys, more at a time than may
 * wait, and answers that nobody reads to their end; a few at a time, and always the same ones.
 *
 * <p>Needs nothing but the JDK, so that {@code bench/serve/faults} runs it from its source against
 * a server that is a process (on Linux, where {@code /proc} tells of it).
 */
final class Faults {
  private static final int CLIENTS = 8;
  private static final int NONE = 0;
  private static final String ASKED =
      "\"messages\":[{\"role\":\"user\",\"content\":\"Tom has 3 apples. He doubles them. He buys 4"
          + " more. How many are there?\"}]}";

  private static final String QUESTION = "{\"stream\":%s,\"max_tokens\":8," + ASKED;

  /** One that is not answered soon. */
  private static final String LONG =
      "{\"stream\":true,\"max_tokens\":400,\"reasoning_effort\":\"high\",\"temperature\":2,"
          + "\"seed\":%d,"
          + ASKED;

  /** No requests of HTTP. */
  private static final List<String> NO_REQUESTS =
      List.of("NONSENSE\r\n\r\n", "\r\n\r\n", "GET /\r\n\r\n", "{}\n\n", "GET / HTTP/1.1\n\n");

  /** Requests of HTTP, but not of HTTP/1.1. */
  private static final List<String> OTHER_VERSIONS =
      List.of(
          "GET / HTTP/1.0\r\n\r\n",
          "POST /v1/chat/completions HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
          "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

  /** Ends of heads. */
  private static final List<String> MALFORMED =
      List.of(
          "no colon\r\n\r\n",
          "Content-Length: much\r\n\r\n",
          "Content-Length: -5\r\n\r\n",
          "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
          "Long: " + "x".repeat(20_000) + "\r\n\r\n");

  /** What is done with a request. */
  private enum Way {
    /** It is sent, and the status read. */
    PLAIN,
    /** The same, but it is sent in parts, and the answer read to its end in small ones. */
    SLOW,
    /** It is sent, and nothing read. */
    LEAVE,
    /** It is sent, and reading ends with the first that is streamed. */
    LEAVE_IN_ANSWER
  }

  /** A request, and the statuses that may come of it; 0 is none. */
  @SuppressWarnings("ArrayRecordComponent") // nobody changes it
  private record Fault(String kind, byte[] bytes, Way way, List<Integer> statuses) {
    Fault(String kind, byte[] bytes, Integer... statuses) {
      this(kind, bytes, Way.PLAIN, List.of(statuses));
    }
  }

  private final int port;
  private final String key;
  private final int maxBody;
  private final Map<String, Map<Integer, Integer>> counts = new ConcurrentSkipListMap<>();
  private final Queue<String> failures = new ConcurrentLinkedQueue<>();

  /**
   * Against a server on this machine.
   *
   * @param key one that it knows
   * @param maxBody bytes that it takes as a body
   */
  Faults(int port, String key, int maxBody) {
    this.port = port;
    this.key = key;
    this.maxBody = maxBody;
  }

  /** Inflicts faults {@code from} to {@code to}, and returns what did not go as it should. */
  List<String> inflict(int from, int to) throws InterruptedException {
    failures.clear();
    Thread[] clients = new Thread[CLIENTS];
    for (int c = 0; c < CLIENTS; c++) {
      int client = c;
      clients[c] =
          Thread.ofVirtual()
              .start(
                  () -> {
                    try {
                      for (int i = from + client; i < to; i += CLIENTS) {
                        inflict(fault(new Random(i)), i);
                      }
                    } catch (IOException | InterruptedException e) {
                      failures.add(e.toString());
                    }
                  });
    }
    for (Thread client : clients) {
      client.join();
    }
    return List.copyOf(failures);
  }

  /** The status of a question that has no fault. */
  int ask() throws IOException, InterruptedException {
    return send(new Fault("", request("POST", QUESTION.formatted(false), key)));
  }

  private void inflict(Fault fault, int number) throws IOException, InterruptedException {
    int status = send(fault);
    counts
        .computeIfAbsent(fault.kind, _ -> new ConcurrentSkipListMap<>())
        .merge(status, 1, Integer::sum);
    if (!fault.statuses.contains(status)) {
      failures.add(
          number
              + ", "
              + fault.kind
              + ": expected "
              + fault.statuses
              + ", found "
              + status
              + " of "
              + new String(
                  fault.bytes, 0, Math.min(500, fault.bytes.length), StandardCharsets.ISO_8859_1));
    }
  }

  private Socket connected() throws IOException {
    var socket = new Socket();
    socket.connect(new InetSocketAddress(InetAddress.getLoopbackAddress(), port));
    socket.setSoTimeout(60_000);
    return socket;
  }

  /** The status; {@link #NONE} if we break off, or the server does without a word. */
  private int send(Fault fault) throws IOException, InterruptedException {
    try (var socket = connected()) {
      try {
        boolean slow = fault.way == Way.SLOW;
        int piece = slow ? 1 + fault.bytes.length / 3 : fault.bytes.length;
        for (int at = 0; at < fault.bytes.length; at += piece) {
          socket.getOutputStream().write(fault.bytes, at, Math.min(piece, fault.bytes.length - at));
          Thread.sleep(slow ? 3 : 0);
        }
      } catch (SocketException e) {
        // it has heard enough, and has answered
      }
      if (fault.way == Way.LEAVE) {
        return NONE;
      }
      InputStream in = socket.getInputStream();
      String line = new String(in.readNBytes("HTTP/1.1 200".length()), StandardCharsets.US_ASCII);
      if (line.isEmpty()) {
        return NONE;
      }
      if (!line.matches("HTTP/1\\.1 [0-9]{3}")) { // a whole one, and nothing else
        throw new IOException("found the answer " + line);
      }
      if (fault.way == Way.SLOW) {
        while (in.readNBytes(100).length == 100) {
          Thread.sleep(1);
        }
      } else if (fault.way == Way.LEAVE_IN_ANSWER) {
        String read = "";
        for (int b = in.read(); b >= 0 && !read.endsWith("data"); b = in.read()) {
          read += (char) b;
        }
        socket.setSoLinger(true, 0); // resets the connection
      }
      return Integer.parseInt(line.substring(9));
    }
  }

  private Fault fault(Random random) {
    String question = QUESTION.formatted(random.nextBoolean());
    byte[] good = request("POST", question, key);
    return switch (random.nextInt(15)) {
      case 0 -> new Fault("no fault", good, 200, 429);
      case 1 -> new Fault("wrong key", request("POST", question, "wrong" + random.nextInt()), 401);
      case 2 -> new Fault("JSON cut off", request("POST", cut(question, random), key), 400);
      case 3 ->
          new Fault("a wrong byte", request("POST", flipped(question, random), key), 200, 400, 429);
      case 4 ->
          new Fault(
              "too large", request("POST", "x".repeat(maxBody + 1 + random.nextInt(99)), key), 413);
      case 5 ->
          new Fault("no such method", request(noise(random, 3) + "QQ", question, key), 400, 405);
      case 6 -> new Fault("too large, in chunks", chunked(question, maxBody + 1), 413);
      case 7 -> new Fault("no HTTP", ascii(oneOf(NO_REQUESTS, random)), 400);
      case 8 -> new Fault("malformed head", ascii(head() + oneOf(MALFORMED, random)), 400);
      case 9 -> new Fault("other HTTP", ascii(oneOf(OTHER_VERSIONS, random)), 505);
      case 10 -> new Fault("slow", good, Way.SLOW, List.of(200, 429));
      case 11 ->
          new Fault(
              "left in the request",
              Arrays.copyOf(good, random.nextInt(good.length)),
              Way.LEAVE,
              List.of(NONE));
      case 12 -> new Fault("left before the answer", good, Way.LEAVE, List.of(NONE));
      default ->
          new Fault(
              "left in the answer",
              request("POST", LONG.formatted(random.nextInt(999)), key),
              Way.LEAVE_IN_ANSWER,
              List.of(200, 429));
    };
  }

  private String head() {
    return "POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + key + "\r\n";
  }

  private static byte[] request(String method, String body, String key) {
    byte[] bytes = body.getBytes(StandardCharsets.ISO_8859_1);
    String head =
        method
            + " /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            + "Authorization: Bearer "
            + key
            + "\r\nContent-Length: "
            + bytes.length
            + "\r\n\r\n";
    return (head + body).getBytes(StandardCharsets.ISO_8859_1);
  }

  /** A body of unknown length, which turns out to be too long. */
  private byte[] chunked(String body, int length) {
    String padded = body + " ".repeat(length - body.length());
    String head = head() + "Transfer-Encoding: chunked\r\n\r\n";
    String chunk = Integer.toHexString(padded.length()) + "\r\n" + padded + "\r\n0\r\n\r\n";
    return ascii(head + chunk);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  private static String oneOf(List<String> texts, Random random) {
    return texts.get(random.nextInt(texts.size()));
  }

  private static String cut(String text, Random random) {
    return text.substring(0, 1 + random.nextInt(text.length() - 1));
  }

  /** With one byte that is any other. */
  private static String flipped(String text, Random random) {
    byte[] bytes = text.getBytes(StandardCharsets.ISO_8859_1);
    bytes[random.nextInt(bytes.length)] = (byte) random.nextInt();
    return new String(bytes, StandardCharsets.ISO_8859_1);
  }

  private static String noise(Random random, int length) {
    return random
        .ints(length, 'A', 'Z' + 1)
        .mapToObj(Character::toString)
        .collect(Collectors.joining());
  }

  // --- a server that is a process ---------------------------------------------------------------

  /** What a process has: threads, bytes of objects that are in use, bytes of memory. */
  private record Held(long threads, long live, long resident) {
    private static final Pattern TOTAL = Pattern.compile("Total +\\d+ +(\\d+)");
    private static final Pattern FILLER = Pattern.compile(" (\\d+) +\\S*FillerElement");

    static Held of(ProcessHandle process) throws IOException, InterruptedException {
      String jcmd = Path.of(System.getProperty("java.home"), "bin", "jcmd").toString();
      var histogram =
          new ProcessBuilder(jcmd, Long.toString(process.pid()), "GC.class_histogram").start();
      String told = new String(histogram.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      Matcher total = TOTAL.matcher(told);
      if (histogram.waitFor() != 0 || !total.find()) {
        throw new IOException("jcmd says nothing of the heap: " + told);
      }
      long live = Long.parseLong(total.group(1));
      Matcher filler = FILLER.matcher(told); // gaps that the collector did not close
      while (filler.find()) {
        live -= Long.parseLong(filler.group(1));
      }
      return new Held(status(process, "Threads"), live, status(process, "VmRSS") << 10);
    }

    private static long status(ProcessHandle process, String field) throws IOException {
      try (Stream<String> lines = Files.lines(Path.of("/proc/" + process.pid() + "/status"))) {
        String line = lines.filter(l -> l.startsWith(field + ":")).findFirst().orElseThrow();
        return Long.parseLong(line.replaceAll("[^0-9]", ""));
      }
    }

    void print(String when) {
      System.out.printf(
          Locale.ROOT, "| %s | %d | %.1f | %.0f |%n", when, threads, live / 1e6, resident / 1e6);
    }
  }

  /** Waits until no answer is under way. */
  private void idle() throws IOException, InterruptedException {
    String busy = "";
    for (int i = 0; i < 600 && !busy.contains("\"busy\":0"); i++) {
      Thread.sleep(100);
      try (var socket = connected()) {
        socket
            .getOutputStream()
            .write(ascii("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
        busy = new String(socket.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      }
    }
    if (!busy.contains("\"busy\":0")) {
      throw new IOException("the server is not idle after a minute: " + busy);
    }
    Thread.sleep(500); // connections end
  }

  /** How an answer ended that was streamed while the server was told to end. */
  private String underEnd(int seed) {
    try (var socket = connected()) {
      socket.getOutputStream().write(request("POST", LONG.formatted(seed), key));
      var in =
          new BufferedReader(
              new InputStreamReader(socket.getInputStream(), StandardCharsets.UTF_8));
      String first = in.readLine();
      String end = first == null ? "left without a word" : first + ", cut off";
      for (String line = first; line != null; line = in.readLine()) {
        if (line.contains("[DONE]")) {
          end = first + ", whole";
        } else if (line.startsWith("data:{\"error\"") || line.startsWith("data: {\"error\"")) {
          end = first + ", ended by an error";
        } else if (line.startsWith("{\"error\"")) {
          end = first;
        }
      }
      return end;
    } catch (IOException e) {
      return e.toString();
    }
  }

  /** Whether a server ends in time that is told to while it has more to do than it can. */
  private boolean endUnderLoad(ProcessHandle process) throws InterruptedException {
    Map<String, Integer> ends = new TreeMap<>();
    CountDownLatch told = new CountDownLatch(1);
    Thread[] clients = new Thread[4 * CLIENTS];
    for (int c = 0; c < clients.length; c++) {
      int client = c;
      clients[c] =
          Thread.ofVirtual()
              .start(
                  () -> {
                    boolean ended;
                    do {
                      ended = told.getCount() == 0;
                      String end = (ended ? "asked later: " : "") + underEnd(client);
                      synchronized (ends) {
                        ends.merge(end, 1, Integer::sum);
                      }
                    } while (!ended);
                  });
    }
    Thread.sleep(2000);
    long start = System.nanoTime();
    boolean asked = process.destroy(); // SIGTERM
    told.countDown();
    boolean gone;
    try {
      process.onExit().get(60, TimeUnit.SECONDS);
      gone = asked;
    } catch (TimeoutException | ExecutionException e) {
      gone = false;
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    for (Thread client : clients) {
      client.join();
    }
    System.out.printf(
        Locale.ROOT,
        "%nSIGTERM under load: %s after %.1f s; the answers of %d clients:%n%n",
        gone ? "gone" : "still there",
        seconds,
        clients.length);
    ends.forEach((end, n) -> System.out.println("| " + end + " | " + n + " |"));
    return gone && ends.keySet().stream().noneMatch(e -> e.contains("cut off"));
  }

  /** PORT KEY PID COUNT MAX_BODY. */
  public static void main(String[] args) throws IOException, InterruptedException {
    var faults = new Faults(Integer.parseInt(args[0]), args[1], Integer.parseInt(args[4]));
    ProcessHandle process = ProcessHandle.of(Long.parseLong(args[2])).orElseThrow();
    int count = Integer.parseInt(args[3]);
    List<String> wrong = new ArrayList<>(faults.inflict(0, count / 4));
    faults.idle();
    Held before = Held.of(process);
    wrong.addAll(faults.inflict(count / 4, count));
    faults.idle();
    Held after = Held.of(process);
    System.out.println("| request | status (0: none): how many |\n|---|---|");
    faults.counts.forEach((kind, n) -> System.out.println("| " + kind + " | " + n + " |"));
    System.out.println("\n| | threads | live objects MB | resident MB |\n|---|---|---|---|");
    before.print("after " + count / 4);
    after.print("after " + count);
    wrong.stream().limit(10).forEach(System.err::println);
    System.out.println("\nnot answered as they should be: " + wrong.size());
    boolean sound = wrong.isEmpty() && faults.ask() == 200;
    sound &= after.threads <= before.threads && after.live < before.live + (8 << 20);
    sound &= faults.endUnderLoad(process);
    System.out.println("\n" + (sound ? "sound" : "NOT SOUND"));
    System.exit(sound ? 0 : 1);
  }
}
