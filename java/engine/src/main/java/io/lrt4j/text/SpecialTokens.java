package io.lrt4j.text;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Finds special tokens that are written out in a text. */
final class SpecialTokens {
  private final Map<Character, List<String>> byFirst = new HashMap<>(); // the longest first

  SpecialTokens(Collection<String> tokens) {
    for (String token : tokens) {
      byFirst.computeIfAbsent(token.charAt(0), c -> new ArrayList<>()).add(token);
    }
    byFirst.values().forEach(l -> l.sort(Comparator.comparingInt(String::length).reversed()));
  }

  /** The longest special token that begins at {@code index}, or null. */
  @Nullable String at(String text, int index) {
    for (String token : byFirst.getOrDefault(text.charAt(index), List.of())) {
      if (text.startsWith(token, index)) {
        return token;
      }
    }
    return null;
  }
}
