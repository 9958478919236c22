import com.google.googlejavaformat.java.Formatter;
import com.google.googlejavaformat.java.FormatterException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Checks (or, with "write", restores) the format of every Java source: {@code Format check|write
 * DIR...}.
 */
final class Format {
  public static void main(String[] args) throws IOException {
    boolean write = args[0].equals("write");
    List<Path> sources = new ArrayList<>();
    for (int i = 1; i < args.length; i++) {
      if (!Files.isDirectory(Path.of(args[i]))) {
        continue; // git keeps no empty folders
      }
      try (var files = Files.walk(Path.of(args[i]))) {
        files
            .filter(f -> f.toString().endsWith(".java") && !f.toString().contains("/target/"))
            .forEach(sources::add);
      }
    }
    long wrong = sources.parallelStream().filter(source -> !format(source, write)).count();
    System.exit(wrong == 0 ? 0 : 1);
  }

  /** Whether it is well now. */
  private static boolean format(Path source, boolean write) {
    try {
      String text = Files.readString(source);
      String formatted = new Formatter().formatSourceAndFixImports(text);
      if (formatted.equals(text)) {
        return true;
      }
      if (write) {
        Files.writeString(source, formatted);
        System.out.println("formatted " + source);
        return true;
      }
      System.err.println(
          source + ": not in google-java-format (mvn -q validate -N -Dformat=write)");
    } catch (IOException | FormatterException e) {
      System.err.println(source + ": " + e.getMessage());
    }
    return false;
  }
}
