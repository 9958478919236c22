import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.jar.Attributes;
import java.util.jar.JarFile;
import java.util.regex.Pattern;
import java.util.zip.Deflater;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * Copies a jar and the jars that its manifest names, as small as zip makes them, to a folder:
 * {@code CopyJars JAR DIR PATTERN}. Jars and entries whose whole name fits the pattern are left
 * out.
 */
final class CopyJars {
  public static void main(String[] args) throws IOException {
    Path main = Path.of(args[0]);
    Path folder = Path.of(args[1]);
    Pattern without = Pattern.compile(args[2]);
    List<String> names = new ArrayList<>(List.of(main.getFileName().toString()));
    try (var jar = new JarFile(main.toFile())) {
      String others = jar.getManifest().getMainAttributes().getValue(Attributes.Name.CLASS_PATH);
      names.addAll(List.of(others.split(" ")));
    }
    names.removeIf(without.asMatchPredicate());
    for (String name : names) {
      Path copy = folder.resolve(name);
      Files.createDirectories(copy.getParent());
      copy(main.resolveSibling(name), copy, without);
    }
  }

  private static void copy(Path jar, Path copy, Pattern without) throws IOException {
    try (var from = new ZipFile(jar.toFile());
        var to = new ZipOutputStream(Files.newOutputStream(copy))) {
      to.setLevel(Deflater.BEST_COMPRESSION);
      for (ZipEntry entry : from.stream().toList()) {
        if (entry.isDirectory() || without.matcher(entry.getName()).matches()) {
          continue;
        }
        ZipEntry same = new ZipEntry(entry.getName());
        same.setTimeLocal(entry.getTimeLocal());
        to.putNextEntry(same);
        try (var content = from.getInputStream(entry)) {
          content.transferTo(to);
        }
      }
    }
  }
}
