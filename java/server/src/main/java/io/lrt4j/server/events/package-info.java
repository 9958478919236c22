/** What the web server's service loader looks for; not for use by others. */
@NullMarked
package io.lrt4j.server.events;

import org.jspecify.annotations.NullMarked;
