/** Data sets: the common ones' own files, and any JSONL with named fields. */
@NullMarked
package io.lrt4j.evaluation.data;

import org.jspecify.annotations.NullMarked;
