/** Questions to train on: the lab's generator, files, and what an answer is worth. */
@NullMarked
package io.lrt4j.training.data;

import org.jspecify.annotations.NullMarked;
