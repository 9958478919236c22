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
    int wrong = 0;
    for (Path source : sources) {
      String text = Files.readString(source);
      String formatted;
      try {
        formatted = new Formatter().formatSourceAndFixImports(text);
      } catch (FormatterException e) {
        System.err.println(source + ": " + e.getMessage());
        wrong++;
        continue;
      }
      if (formatted.equals(text)) {
        continue;
      }
      if (write) {
        Files.writeString(source, formatted);
        System.out.println("formatted " + source);
      } else {
        System.err.println(
            source + ": not in google-java-format (mvn -q validate -N -Dformat=write)");
        wrong++;
      }
    }
    System.exit(wrong == 0 ? 0 : 1);
  }
}
