/** Latent Reasoning Tuning: what is trained, on what, towards what. */
@NullMarked
package io.lrt4j.training;

import org.jspecify.annotations.NullMarked;
