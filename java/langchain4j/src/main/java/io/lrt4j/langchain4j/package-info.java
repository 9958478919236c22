/**
 * An engine as LangChain4j's chat models: {@link io.lrt4j.langchain4j.LrtChatModel} and {@link
 * io.lrt4j.langchain4j.LrtStreamingChatModel}, in this process, without a server.
 */
@NullMarked
package io.lrt4j.langchain4j;

import org.jspecify.annotations.NullMarked;
