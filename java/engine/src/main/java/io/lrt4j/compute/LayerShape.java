package io.lrt4j.compute;

/**
 * What a decoder layer's weights do not tell.
 *
 * @param index the layer's, from 0 on: where its keys and values are
 * @param heads of the queries
 * @param window how many positions a row sees, itself included
 * @param eps of all its norms
 */
public record LayerShape(int index, int heads, int window, float eps) {}
