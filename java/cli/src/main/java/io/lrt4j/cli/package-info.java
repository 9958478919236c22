/** Commands on top of the engine: parsing, printing, exit statuses; nothing here computes. */
@NullMarked
package io.lrt4j.cli;

import org.jspecify.annotations.NullMarked;
