package io.lrt4j.server;

import io.helidon.http.encoding.ContentDecoder;
import io.helidon.http.encoding.ContentEncoder;
import io.helidon.http.encoding.ContentEncoding;
import java.util.Set;

/** The only encoding of a request's body that is taken: none, said by its name. */
final class PlainContent implements ContentEncoding {
  @Override
  public Set<String> ids() {
    return Set.of("identity");
  }

  @Override
  public boolean supportsEncoding() {
    return false;
  }

  @Override
  public boolean supportsDecoding() {
    return true;
  }

  @Override
  public ContentDecoder decoder() {
    return ContentDecoder.NO_OP;
  }

  @Override
  public ContentEncoder encoder() {
    return ContentEncoder.NO_OP;
  }

  @Override
  public String name() {
    return "identity";
  }

  @Override
  public String type() {
    return name();
  }
}
