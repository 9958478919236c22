package io.lrt4j.text.template;

import java.time.LocalDateTime;
import java.time.format.TextStyle;
import java.time.temporal.ChronoField;
import java.time.temporal.IsoFields;
import java.util.Locale;

/** Python's {@code strftime}, in English. */
final class Strftime {
  private Strftime() {}

  static String format(String format, LocalDateTime time) {
    var out = new StringBuilder();
    for (int i = 0; i < format.length(); i++) {
      char c = format.charAt(i);
      if (c != '%' || i + 1 == format.length()) {
        out.append(c);
        continue;
      }
      char code = format.charAt(++i);
      boolean unpadded = code == '-' && i + 1 < format.length(); // as in glibc: %-d
      if (unpadded) {
        code = format.charAt(++i);
      }
      var text = directive(code, time);
      out.append(unpadded ? text.replaceFirst("^0+(?=\\d)", "") : text);
    }
    return out.toString();
  }

  private static String directive(char code, LocalDateTime t) {
    return switch (code) {
      case 'Y' -> Integer.toString(t.getYear());
      case 'y' -> padded(t.getYear() % 100, 2);
      case 'm' -> padded(t.getMonthValue(), 2);
      case 'B' -> t.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
      case 'b', 'h' -> shortened(t.getMonth().getDisplayName(TextStyle.FULL, Locale.ENGLISH));
      case 'd' -> padded(t.getDayOfMonth(), 2);
      case 'e' -> String.format(Locale.ROOT, "%2d", t.getDayOfMonth());
      case 'j' -> padded(t.getDayOfYear(), 3);
      case 'A' -> t.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH);
      case 'a' -> shortened(t.getDayOfWeek().getDisplayName(TextStyle.FULL, Locale.ENGLISH));
      case 'w' -> Integer.toString(t.getDayOfWeek().getValue() % 7);
      case 'u' -> Integer.toString(t.getDayOfWeek().getValue());
      case 'H' -> padded(t.getHour(), 2);
      case 'I' -> padded(t.get(ChronoField.CLOCK_HOUR_OF_AMPM), 2);
      case 'p' -> t.getHour() < 12 ? "AM" : "PM";
      case 'M' -> padded(t.getMinute(), 2);
      case 'S' -> padded(t.getSecond(), 2);
      case 'f' -> padded(t.getNano() / 1000, 6);
      case 'V' -> padded(t.get(IsoFields.WEEK_OF_WEEK_BASED_YEAR), 2);
      case 'F' -> format("%Y-%m-%d", t);
      case 'T', 'X' -> format("%H:%M:%S", t);
      case 'R' -> format("%H:%M", t);
      case 'D', 'x' -> format("%m/%d/%y", t);
      case 'c' -> format("%a %b %e %H:%M:%S %Y", t);
      case 'n' -> "\n";
      case 't' -> "\t";
      case 'Z', 'z' -> ""; // the clock's reading has no zone
      case '%' -> "%";
      default -> throw Fault.unsupported("the date format %" + code);
    };
  }

  private static String padded(int value, int width) {
    return String.format(Locale.ROOT, "%0" + width + "d", value);
  }

  private static String shortened(String name) {
    return name.substring(0, 3); // not TextStyle.SHORT: "Sept" in newer locale data
  }
}
