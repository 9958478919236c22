/**
 * An engine behind OpenAI's HTTP interface: {@link io.lrt4j.server.LrtServer} on Helidon's web
 * server, a virtual thread for each connection. The engine is called in one place, {@code Desk}.
 */
@NullMarked
package io.lrt4j.server;

import org.jspecify.annotations.NullMarked;
