package io.lrt4j;

import java.util.Locale;

/** Who says a message of a conversation. */
public enum Role {
  SYSTEM,
  USER,
  ASSISTANT,
  /** What a tool gave that the assistant had called. */
  TOOL;

  /** As chat templates and JSON call it: {@code system}, {@code user} … */
  public String key() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * The role of that {@link #key}.
   *
   * @throws QuestionException if there is none
   */
  public static Role of(String key) {
    for (Role role : values()) {
      if (role.key().equals(key)) {
        return role;
      }
    }
    throw new QuestionException(
        "a message's role must be system, user, assistant or tool, found " + key);
  }
}
