/**
 * Says whether an answer is right: takes the final answer out of a text, and compares it with the
 * true one by what it means, not by how it is spelled. The rules agree with those that Math-Verify
 * publishes. Any text is taken, however long or deeply nested.
 */
@NullMarked
package io.lrt4j.evaluation.grade;

import org.jspecify.annotations.NullMarked;
