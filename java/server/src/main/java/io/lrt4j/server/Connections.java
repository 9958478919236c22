package io.lrt4j.server;

import io.helidon.http.HttpPrologue;
import io.helidon.webserver.CloseConnectionException;
import io.helidon.webserver.ConnectionContext;
import io.helidon.webserver.http1.Http1ConnectionListener;
import java.time.Duration;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * Knows when a client goes away while its answer is being computed. HTTP/1.1 says so only to those
 * who read: so a thread of its own waits for the connection's next bytes. If they come, they stay
 * in the connection's buffer and are the next request; if the connection ends instead, its client
 * is gone. (One that closes only its own direction counts as gone too.)
 */
final class Connections implements Http1ConnectionListener {
  @SuppressWarnings("ThreadLocalUsage") // a server has one of these
  private final ThreadLocal<ConnectionContext> current = new ThreadLocal<>();

  private final Set<Watch> watches = ConcurrentHashMap.newKeySet();
  private volatile boolean closing;

  @Override
  public void prologue(ConnectionContext connection, HttpPrologue prologue) {
    current.set(connection); // requests are handled on their connection's thread
  }

  /** Watches the connection of the request under way, whose body has been read to its end. */
  Watch watch(Runnable whenGone) {
    Watch watch = new Watch(Objects.requireNonNull(current.get()), whenGone);
    watches.add(watch);
    watch.reader.start();
    return watch;
  }

  /** Connections that are watched. */
  int watched() {
    return watches.size();
  }

  private static void disconnect(ConnectionContext connection) {
    try {
      connection.serverSocket().close();
    } catch (RuntimeException e) {
      // it is closed already
    }
  }

  /** Breaks the connection of the request under way off, unless this is closed in time. */
  Limit limit(Duration time) {
    return limit(Objects.requireNonNull(current.get()), time);
  }

  /** Breaks a connection off, unless this is closed in time. */
  static Limit limit(ConnectionContext connection, Duration time) {
    return new Limit(connection, time);
  }

  /** A time limit on a client that is slow to send or to read. */
  static final class Limit implements AutoCloseable {
    final Thread clock; // over when time is up, or this is closed

    private Limit(ConnectionContext connection, Duration time) {
      clock =
          Thread.ofVirtual()
              .name("lrt-limit")
              .start(
                  () -> {
                    try {
                      Thread.sleep(time);
                      disconnect(connection);
                    } catch (InterruptedException e) {
                      // in time
                    }
                  });
    }

    @Override
    public void close() {
      clock.interrupt();
    }
  }

  /** Answers under way end their connections; those that wait for a next request end now. */
  void close() {
    closing = true;
    watches.stream().filter(w -> w.answered).forEach(Watch::disconnect);
  }

  /** One connection during one answer. */
  final class Watch {
    private final ConnectionContext connection;
    private final Thread reader;
    private volatile boolean answered;
    private volatile boolean gone;

    private Watch(ConnectionContext connection, Runnable whenGone) {
      this.connection = connection;
      reader = Thread.ofVirtual().name("lrt-watch").unstarted(() -> read(whenGone));
    }

    private void read(Runnable whenGone) {
      try {
        connection.dataReader().ensureAvailable();
      } catch (RuntimeException e) {
        gone = true;
        whenGone.run();
      } finally {
        watches.remove(this);
      }
    }

    boolean isGone() {
      return gone;
    }

    /** Breaks the connection off, whatever is being read from or written to it. */
    void disconnect() {
      Connections.disconnect(connection);
    }

    /**
     * After the answer: waits for the next request, as the web server would, since only one can
     * read.
     *
     * @throws CloseConnectionException if none comes
     */
    void awaitNext() {
      answered = true;
      try {
        if (closing) {
          disconnect();
        }
        reader.join();
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
        throw new CloseConnectionException("interrupted", e);
      }
      if (gone) {
        throw new CloseConnectionException("the client is gone");
      }
    }
  }
}
