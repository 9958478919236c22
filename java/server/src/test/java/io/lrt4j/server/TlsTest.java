package io.lrt4j.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.Inet6Address;
import java.net.NetworkInterface;
import java.net.SocketException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.Base64;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** HTTPS, with a certificate made for the occasion. */
class TlsTest {
  private static final char[] PASSWORD = "password".toCharArray();

  @TempDir Path folder;

  @Test
  void answersAreEncrypted() throws Exception {
    KeyStore store = selfSigned();
    var tls =
        new ServerOptions.Tls(
            pem("CERTIFICATE", store.getCertificate("x").getEncoded()),
            pem("PRIVATE KEY", store.getKey("x", PASSWORD).getEncoded()));
    try (var served = new Served(ServerOptions.builder().tls(tls).build());
        var http = HttpClient.newBuilder().sslContext(trusting(store)).build()) {
      URI address = served.server.address();
      assertEquals("https://127.0.0.1:" + address.getPort(), address.toString());
      String body =
          "{\"stream\":true,\"messages\":[{\"role\":\"user\",\"content\":\""
              + Served.QUESTION
              + "\"}]}";
      for (int i = 0; i < 2; i++) { // the second on the same connection
        var request =
            HttpRequest.newBuilder(
                    URI.create("https://localhost:" + address.getPort() + "/v1/chat/completions"))
                .POST(HttpRequest.BodyPublishers.ofString(body))
                .build();
        var response = http.send(request, HttpResponse.BodyHandlers.ofString());
        assertEquals(200, response.statusCode());
        assertTrue(response.body().contains("[DONE]"), response.body());
      }
      var plain =
          HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + address.getPort())).build();
      assertThrows(
          IOException.class, () -> http.send(plain, HttpResponse.BodyHandlers.discarding()));
    }
  }

  private KeyStore selfSigned() throws IOException, InterruptedException, GeneralSecurityException {
    Path file = folder.resolve("store");
    var keytool =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "keytool").toString(),
                "-genkeypair",
                "-alias",
                "x",
                "-keyalg",
                "EC",
                "-dname",
                "CN=localhost",
                "-ext",
                "san=dns:localhost",
                "-storetype",
                "PKCS12",
                "-storepass",
                new String(PASSWORD),
                "-keystore",
                file.toString())
            .redirectErrorStream(true)
            .start();
    assertEquals(0, keytool.waitFor());
    KeyStore store = KeyStore.getInstance("PKCS12");
    try (InputStream in = Files.newInputStream(file)) {
      store.load(in, PASSWORD);
    }
    return store;
  }

  private static SSLContext trusting(KeyStore store) throws GeneralSecurityException, IOException {
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    trusted.setCertificateEntry("x", store.getCertificate("x"));
    var factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    factory.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(null, factory.getTrustManagers(), null);
    return context;
  }

  private Path pem(String what, byte[] der) throws IOException {
    String text = Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der);
    return Files.writeString(
        folder.resolve(what),
        "-----BEGIN " + what + "-----\n" + text + "\n-----END " + what + "-----\n");
  }

  @Test
  void filesThatAreNoKeyAreSaid() throws IOException {
    Path text = Files.writeString(folder.resolve("text"), "no key");
    for (Path key : new Path[] {text, folder.resolve("none")}) {
      var options = ServerOptions.builder().tls(new ServerOptions.Tls(text, key)).build();
      var thrown = assertThrows(UncheckedIOException.class, () -> new Served(options));
      assertTrue(
          String.valueOf(thrown.getMessage())
              .contains("the TLS key " + key + " and certificates " + text + " cannot be used: "),
          thrown.getMessage());
    }
  }

  @Test
  void addressOfIpv6IsBracketed() throws SocketException {
    Assumptions.assumeTrue(
        NetworkInterface.networkInterfaces()
            .flatMap(NetworkInterface::inetAddresses)
            .anyMatch(a -> a instanceof Inet6Address && a.isLoopbackAddress()));
    try (var served = new Served(ServerOptions.builder().host("::1").build())) {
      URI address = served.server.address();
      assertEquals("[::1]", address.getHost());
      assertTrue(address.getPort() > 0, address.toString());
    }
  }

  @Test
  void takenPortIsSaid() {
    try (var served = new Served(ServerOptions.defaults())) {
      int port = served.server.address().getPort();
      var options = ServerOptions.builder().port(port).build();
      var thrown =
          assertThrows(UncheckedIOException.class, () -> LrtServer.start(served.engine, options));
      assertTrue(
          String.valueOf(thrown.getMessage())
              .contains("cannot listen on 127.0.0.1:" + port + ": Address already in use"),
          thrown.getMessage());
    }
  }
}
