package io.lrt4j.text.template;

import io.lrt4j.text.template.Token.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;

/**
 * Cuts a template into tokens, with Jinja's {@code trim_blocks} and {@code lstrip_blocks} on, as
 * chat templates are rendered: the newline after a block or comment goes, and so does the space
 * before one that begins its line; {@code -} takes all space on its side, {@code +} keeps it.
 */
final class Lexer {
  private static final List<String> OPERATORS =
      List.of(
          "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{",
          "}", ">", "<", "=", ".", ":", "|", ",", ";");

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int pos;
  private int line = 1;
  private int counted; // newlines before this position are in line

  /** Whether what came before ended its line: the space that follows is then a line's indent. */
  private boolean lineStarting = true;

  private Lexer(String source) {
    this.source = source;
  }

  /** All tokens of a template, {@link Kind#END} last. */
  static List<Token> tokenize(String source) {
    var unix = source.replace("\r\n", "\n").replace('\r', '\n');
    // Jinja drops one newline at the end of a template.
    var lexer = new Lexer(unix.endsWith("\n") ? unix.substring(0, unix.length() - 1) : unix);
    lexer.run();
    return lexer.tokens;
  }

  private void run() {
    while (pos < source.length()) {
      int begin = nextTag();
      if (begin < 0) {
        data(source.substring(pos));
        pos = source.length();
        break;
      }
      char kind = source.charAt(begin + 1);
      int raw = kind == '%' ? rawBodyStart(begin) : -1;
      int after = textBefore(begin, kind == '{');
      if (raw >= 0) {
        pos = raw;
        raw();
      } else {
        pos = after;
        switch (kind) {
          case '#' -> comment();
          case '%' -> tag(Kind.BLOCK_BEGIN, Kind.BLOCK_END, begin);
          default -> tag(Kind.VARIABLE_BEGIN, Kind.VARIABLE_END, begin);
        }
      }
    }
    add(Kind.END, "", source.length());
  }

  private int nextTag() {
    for (int i = source.indexOf('{', pos); i >= 0; i = source.indexOf('{', i + 1)) {
      if (i + 1 < source.length() && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  /**
   * Emits the text up to a tag, stripped as its sign says; returns where the tag's inside begins.
   */
  private int textBefore(int begin, boolean variable) {
    var text = source.substring(pos, begin);
    int inside = begin + 2;
    char sign = inside < source.length() ? source.charAt(inside) : ' ';
    if (sign == '-') {
      text = Text.stripEnd(text);
    } else if (sign != '+' && !variable) {
      int lineStart = text.lastIndexOf('\n') + 1;
      if ((lineStart > 0 || lineStarting) && Text.isSpace(text.substring(lineStart))) {
        text = text.substring(0, lineStart);
      }
    }
    data(text);
    return sign == '-' || sign == '+' ? inside + 1 : inside;
  }

  private void data(String text) {
    if (!text.isEmpty()) {
      add(Kind.DATA, text, pos);
    }
  }

  private void add(Kind kind, String text, int at) {
    tokens.add(new Token(kind, text, lineAt(at)));
  }

  private int lineAt(int at) {
    for (; counted < at; counted++) {
      if (source.charAt(counted) == '\n') {
        line++;
      }
    }
    return line;
  }

  /** Where the body of {@code {% raw %}} begins, or -1 if the tag at {@code begin} is another. */
  private int rawBodyStart(int begin) {
    int i = skipSpace(skipSign(begin + 2));
    if (!source.startsWith("raw", i)) {
      return -1;
    }
    i = skipSpace(i + 3);
    if (source.startsWith("-%}", i)) {
      return skipSpace(i + 3);
    }
    return source.startsWith("%}", i) ? i + 2 : -1;
  }

  private void raw() {
    for (int i = source.indexOf("{%", pos); i >= 0; i = source.indexOf("{%", i + 1)) {
      int name = skipSpace(skipSign(i + 2));
      if (source.startsWith("endraw", name)) {
        int end = blockEnd(skipSpace(name + 6));
        if (end >= 0) {
          lineStarting = source.charAt(pos - 1) == '\n';
          textBefore(i, false);
          finish(end);
          return;
        }
      }
    }
    throw new SyntaxFault("'raw' is never closed", lineAt(pos));
  }

  private void comment() {
    int end = source.indexOf("#}", pos);
    if (end < 0) {
      throw new SyntaxFault("a comment is never closed", lineAt(pos));
    }
    boolean strip = end > pos && source.charAt(end - 1) == '-';
    boolean keep = end > pos && source.charAt(end - 1) == '+';
    finish(strip ? skipSpace(end + 2) : keep ? end + 2 : skipNewline(end + 2));
  }

  /** The tokens of one tag, its end included. */
  private void tag(Kind beginKind, Kind endKind, int begin) {
    add(beginKind, source.substring(begin, begin + 2), begin);
    Deque<Character> open = new ArrayDeque<>();
    while (pos < source.length()) {
      int end = !open.isEmpty() ? -1 : endKind == Kind.BLOCK_END ? blockEnd(pos) : variableEnd(pos);
      if (end >= 0) {
        add(endKind, "", pos);
        finish(end);
        return;
      }
      char c = source.charAt(pos);
      if (Text.isSpace(c)) {
        pos++;
      } else if (c >= '0' && c <= '9') {
        number();
      } else if (c == '_' || Character.isUnicodeIdentifierStart(source.codePointAt(pos))) {
        name();
      } else if (c == '"' || c == '\'') {
        string(c);
      } else {
        operator(open);
      }
    }
    throw new SyntaxFault("'" + source.substring(begin, begin + 2) + "' is never closed", line);
  }

  private void name() {
    int end = pos;
    while (end < source.length() && Character.isUnicodeIdentifierPart(source.codePointAt(end))) {
      end += Character.charCount(source.codePointAt(end));
    }
    add(Kind.NAME, source.substring(pos, end), pos);
    pos = end;
  }

  private void number() {
    int end = digits(pos, 10);
    char next = end < source.length() ? source.charAt(end) : ' ';
    boolean afterDot = pos > 0 && source.charAt(pos - 1) == '.';
    int end2 = afterDot ? end : fractionAndExponent(end);
    if (end2 > end) {
      add(Kind.FLOAT, source.substring(pos, end2).replace("_", ""), pos);
      pos = end2;
      return;
    }
    int radix =
        switch (next) {
          case 'x', 'X' -> 16;
          case 'o', 'O' -> 8;
          case 'b', 'B' -> 2;
          default -> 10;
        };
    if (radix != 10 && end == pos + 1 && source.charAt(pos) == '0') {
      end = digits(end + 1, radix);
    }
    add(Kind.INTEGER, source.substring(pos, end).replace("_", ""), pos);
    pos = end;
  }

  private int digits(int from, int radix) {
    int i = from;
    while (i < source.length()
        && (Character.digit(source.charAt(i), radix) >= 0
            || (source.charAt(i) == '_'
                && i + 1 < source.length()
                && Character.digit(source.charAt(i + 1), radix) >= 0))) {
      i++;
    }
    return i;
  }

  private int fractionAndExponent(int from) {
    int i = from;
    if (i + 1 < source.length() && source.charAt(i) == '.' && isDigit(i + 1)) {
      i = digits(i + 1, 10);
    }
    if (i < source.length() && Character.toLowerCase(source.charAt(i)) == 'e') {
      int exponent = i + 1;
      if (exponent < source.length() && "+-".indexOf(source.charAt(exponent)) >= 0) {
        exponent++;
      }
      if (isDigit(exponent)) {
        i = digits(exponent, 10);
      }
    }
    return i;
  }

  private boolean isDigit(int at) {
    return at < source.length() && source.charAt(at) >= '0' && source.charAt(at) <= '9';
  }

  private void string(char quote) {
    int end = pos + 1;
    while (end < source.length() && source.charAt(end) != quote) {
      end += source.charAt(end) == '\\' ? 2 : 1;
    }
    if (end >= source.length()) {
      throw new SyntaxFault("a string is never closed", lineAt(pos));
    }
    var body = source.substring(pos + 1, end);
    add(Kind.STRING, body.indexOf('\\') < 0 ? body : unescape(body), pos);
    pos = end + 1;
  }

  /** Python's escapes; an unknown one stays as it is. */
  private String unescape(String body) {
    var out = new StringBuilder(body.length());
    int i = 0;
    while (i < body.length()) {
      char c = body.charAt(i++);
      if (c != '\\') {
        out.append(c);
        continue;
      }
      char escape = body.charAt(i++);
      switch (escape) {
        case '\n' -> {} // a line continued
        case '\\', '\'', '"' -> out.append(escape);
        case 'a' -> out.append('\u0007');
        case 'b' -> out.append('\b');
        case 'f' -> out.append('\f');
        case 'n' -> out.append('\n');
        case 'r' -> out.append('\r');
        case 't' -> out.append('\t');
        case 'v' -> out.append('\u000b');
        case 'x' -> i = hex(body, i, 2, out);
        case 'u' -> i = hex(body, i, 4, out);
        case 'U' -> i = hex(body, i, 8, out);
        case 'N' -> throw new SyntaxFault("the escape \\N is not supported", lineAt(pos));
        case '0', '1', '2', '3', '4', '5', '6', '7' -> {
          int end = i;
          while (end < body.length() && end < i + 2 && Character.digit(body.charAt(end), 8) >= 0) {
            end++;
          }
          out.append((char) Integer.parseInt(body.substring(i - 1, end), 8));
          i = end;
        }
        default -> out.append('\\').append(escape);
      }
    }
    return out.toString();
  }

  private int hex(String body, int from, int digits, StringBuilder out) {
    int code = 0;
    for (int i = from; i < from + digits; i++) {
      int digit = i < body.length() ? Character.digit(body.charAt(i), 16) : -1;
      if (digit < 0 || code > Character.MAX_CODE_POINT >> 4) {
        throw new SyntaxFault("a string has a broken escape", lineAt(pos));
      }
      code = code * 16 + digit;
    }
    if (code > Character.MAX_CODE_POINT) {
      throw new SyntaxFault("a string has a broken escape", lineAt(pos));
    }
    out.appendCodePoint(code);
    return from + digits;
  }

  private void operator(Deque<Character> open) {
    for (var operator : OPERATORS) {
      if (source.startsWith(operator, pos)) {
        switch (operator) {
          case "(" -> open.push(')');
          case "[" -> open.push(']');
          case "{" -> open.push('}');
          case ")", "]", "}" -> {
            if (open.isEmpty() || open.pop() != operator.charAt(0)) {
              throw new SyntaxFault("'" + operator + "' closes nothing", lineAt(pos));
            }
          }
          default -> {}
        }
        add(Kind.OPERATOR, operator, pos);
        pos += operator.length();
        return;
      }
    }
    throw new SyntaxFault(
        "unexpected character '" + Character.toString(source.codePointAt(pos)) + "'", lineAt(pos));
  }

  /** Where the text after a block's end at {@code at} begins, or -1 if there is no end. */
  private int blockEnd(int at) {
    if (source.startsWith("-%}", at)) {
      return skipSpace(at + 3);
    }
    if (source.startsWith("+%}", at)) {
      return at + 3;
    }
    return source.startsWith("%}", at) ? skipNewline(at + 2) : -1;
  }

  private int variableEnd(int at) {
    if (source.startsWith("-}}", at)) {
      return skipSpace(at + 3);
    }
    return source.startsWith("}}", at) ? at + 2 : -1;
  }

  private void finish(int end) {
    pos = end;
    lineStarting = source.charAt(end - 1) == '\n';
  }

  private int skipSign(int at) {
    return at < source.length() && "-+".indexOf(source.charAt(at)) >= 0 ? at + 1 : at;
  }

  private int skipSpace(int at) {
    int i = at;
    while (i < source.length() && Text.isSpace(source.charAt(i))) {
      i++;
    }
    return i;
  }

  private int skipNewline(int at) {
    return at < source.length() && source.charAt(at) == '\n' ? at + 1 : at;
  }
}
