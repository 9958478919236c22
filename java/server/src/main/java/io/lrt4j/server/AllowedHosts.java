package io.lrt4j.server;

import io.helidon.http.HeaderName;
import io.helidon.http.HeaderNames;
import io.helidon.http.ServerRequestHeaders;
import java.net.InetAddress;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Keeps web pages out where no key does. A page's name may be made to mean this machine once a
 * browser has the page (DNS rebinding): what it then asks for comes under that name, in Host. And
 * any page may post to any address without being asked first: Origin says whose page it is.
 */
final class AllowedHosts {
  /** Every host. */
  static final String ANY = "*";

  private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]+");

  /** Digits and dots alone are no name to a browser either. */
  private static final Pattern ADDRESS =
      Pattern.compile("[0-9.]+|\\[[0-9A-Fa-f:.]+]|[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*");

  /** A host and perhaps its port, and nothing else that a URL may have there. */
  private static final Pattern AUTHORITY =
      Pattern.compile("([A-Za-z0-9._-]+|\\[[0-9A-Fa-f:.]+])(:[0-9]*)?");

  /** Of an origin; one that is hidden has none, and is null. */
  private static final Pattern SCHEME = Pattern.compile("^[A-Za-z][A-Za-z0-9+.-]*://");

  private final Set<String> hosts;

  /** Allows these, and the loopback. */
  AllowedHosts(List<String> hosts) {
    this.hosts =
        Stream.concat(Stream.of("localhost"), hosts.stream())
            .map(AllowedHosts::normal)
            .collect(Collectors.toUnmodifiableSet());
  }

  /** Whether it is a name or an address, without scheme and port, or stands for every one. */
  static boolean isHost(String host) {
    return host.equals(ANY) || NAME.matcher(host).matches() || address(host) != null;
  }

  /**
   * Lets a request pass that is sent to an allowed host, and from no page of another.
   *
   * @throws ApiException otherwise
   */
  void check(ServerRequestHeaders headers) {
    for (String host : values(headers, HeaderNames.HOST)) { // one, or it is refused before
      if (!allows(host)) {
        throw refused("Host", "host_not_allowed", host);
      }
    }
    for (String origin : values(headers, HeaderNames.ORIGIN)) {
      if (!allows(SCHEME.matcher(origin).replaceFirst(""))) {
        throw refused("Origin", "origin_not_allowed", origin);
      }
    }
  }

  private static List<String> values(ServerRequestHeaders headers, HeaderName name) {
    return headers.contains(name) ? headers.get(name).allValues() : List.of();
  }

  private boolean allows(String authority) {
    if (hosts.contains(ANY)) {
      return true;
    }
    Matcher matcher = AUTHORITY.matcher(authority);
    if (!matcher.matches()) {
      return false;
    }
    String host = normal(matcher.group(1));
    InetAddress address = address(host);
    return hosts.contains(host)
        || host.endsWith(".localhost") // to browsers, and nobody else can have one (RFC 6761)
        || (address != null && address.isLoopbackAddress());
  }

  /** One form of all that mean the same. */
  private static String normal(String host) {
    String name = host.endsWith(".") ? host.substring(0, host.length() - 1) : host; // of the root
    InetAddress address = address(name);
    return address == null ? name.toLowerCase(Locale.ROOT) : address.getHostAddress();
  }

  /** What an address means; null of a name, which is looked up nowhere. */
  private static @Nullable InetAddress address(String host) {
    if (!ADDRESS.matcher(host).matches()) {
      return null;
    }
    try {
      return InetAddress.ofLiteral(host);
    } catch (IllegalArgumentException e) {
      return null;
    }
  }

  private static ApiException refused(String header, String code, String found) {
    return ApiException.refused(
        403,
        null,
        code,
        header
            + " must have localhost, a loopback address or an allowed host, found "
            + Fields.shown(found)
            + ": without API keys others are let in by --allowed-host NAME (in Java,"
            + " ServerOptions.allowedHosts)");
  }
}
