package io.lrt4j.server;

import io.helidon.http.HeaderNames;
import io.helidon.http.ServerRequestHeaders;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import java.util.Optional;

/** The API keys, kept as digests and compared in a time that does not depend on them. */
final class ApiKeys {
  private static final String SCHEME = "Bearer ";

  private final List<byte[]> digests;

  ApiKeys(List<String> keys) {
    digests = keys.stream().map(ApiKeys::digest).toList();
  }

  /**
   * Lets a request pass that shows one of the keys, or any if there are none.
   *
   * @throws ApiException otherwise
   */
  void check(ServerRequestHeaders headers) {
    if (digests.isEmpty()) {
      return;
    }
    Optional<String> shown =
        headers
            .first(HeaderNames.AUTHORIZATION)
            .filter(h -> h.regionMatches(true, 0, SCHEME, 0, SCHEME.length()))
            .map(h -> h.substring(SCHEME.length()).strip());
    if (shown.isEmpty()) {
      throw ApiException.refused(
          401,
          null,
          null,
          "an API key is needed: send it as a header, Authorization: Bearer YOUR_KEY");
    }
    byte[] digest = digest(shown.get());
    boolean known = false;
    for (byte[] key : digests) {
      known |= MessageDigest.isEqual(key, digest); // all of them, always
    }
    if (!known) {
      throw ApiException.refused(401, null, "invalid_api_key", "the API key is wrong");
    }
  }

  private static byte[] digest(String key) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(key.getBytes(StandardCharsets.UTF_8));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }
}
