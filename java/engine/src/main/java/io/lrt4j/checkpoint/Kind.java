package io.lrt4j.checkpoint;

/** What a weight that may be rounded is for; each kind may be rounded in a way of its own. */
enum Kind {
  /** Projections of decoder layers, and all of a reasoning network's. */
  LAYERS,

  /** From hidden states to logits; where it is tied to the embedding, that is its kind. */
  HEAD,

  /** From tokens to hidden states. */
  EMBEDDING;

  static final String EMBEDDING_NAME = "embed_tokens.weight";
  static final String HEAD_NAME = "lm_head.weight";

  /** That of a matrix of this name. */
  static Kind of(String name) {
    return name.equals(HEAD_NAME) ? HEAD : name.endsWith(EMBEDDING_NAME) ? EMBEDDING : LAYERS;
  }
}
