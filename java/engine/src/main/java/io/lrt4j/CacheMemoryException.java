package io.lrt4j;

/**
 * Answers under way need more memory for keys and values than {@link EngineOptions#cacheMemory}
 * allows, or than a device has. Nothing is lost: with fewer tokens, fewer samples or fewer callers
 * at a time it works.
 */
public class CacheMemoryException extends LrtException {
  private static final long serialVersionUID = 1L;

  public CacheMemoryException(String message) {
    super(message);
  }

  public CacheMemoryException(String message, Throwable cause) {
    super(message, cause);
  }
}
