package io.lrt4j.compute;

import io.lrt4j.BackendException;

/** A device has less memory free than was asked for; what lies there already is as it was. */
public final class DeviceMemoryException extends BackendException {
  private static final long serialVersionUID = 1L;

  public DeviceMemoryException(String message) {
    super(message);
  }
}
