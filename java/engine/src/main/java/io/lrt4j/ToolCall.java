package io.lrt4j;

import java.util.Objects;

/**
 * What the model wants to have called: {@link Question#tools} are offered to it, the caller calls
 * and asks again, with the call in the assistant's message and the result in one of {@link
 * Role#TOOL}.
 *
 * @param name of the function, as the model wrote it: unless one of those that it was offered is
 *     {@linkplain Tool#strict strict}, or the question has a {@linkplain
 *     GenerationOptions#jsonSchema JSON schema} or another {@link ToolChoice} than {@link
 *     ToolChoice#AUTO}, it may be none of them
 * @param arguments a JSON object, in no way checked against the function's schema unless that is
 *     strict
 */
public record ToolCall(String name, String arguments) {
  public ToolCall {
    Objects.requireNonNull(name, "name");
    Objects.requireNonNull(arguments, "arguments");
  }
}
