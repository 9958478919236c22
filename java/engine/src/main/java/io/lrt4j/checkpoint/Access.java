package io.lrt4j.checkpoint;

/**
 * How the weights of a checkpoint come into memory.
 *
 * @see io.lrt4j.EngineOptions#mappedWeights()
 */
public enum Access {
  /** Read into memory of their own: once they are open, the files may do what they like. */
  READ,
  /**
   * Mapped: there at once, and shared with other processes; but a file that is cut or overwritten
   * in place while it is mapped changes the weights, or ends the process.
   */
  MAP
}
