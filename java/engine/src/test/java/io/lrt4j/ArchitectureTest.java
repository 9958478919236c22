package io.lrt4j;

import static com.tngtech.archunit.library.Architectures.layeredArchitecture;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.ArchConfiguration;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import org.junit.jupiter.api.Test;

/** Lower rooms know nothing of upper ones. */
class ArchitectureTest {
  static {
    // Of Java's own classes and the libraries' nothing but their names matters.
    ArchConfiguration.get().setResolveMissingDependenciesFromClassPath(false);
  }

  private static final JavaClasses CLASSES =
      new ClassFileImporter()
          .withImportOption(new ImportOption.DoNotIncludeTests())
          .importPackages("io.lrt4j");

  /**
   * Of the API's package, all rooms use the options, answers and exceptions; what loads and asks is
   * above them all. It is therefore not in this picture, and {@link #onlyTheLoadedEngineLooksDown}
   * is.
   */
  @Test
  void arrowsPointDown() {
    layeredArchitecture()
        .consideringOnlyDependenciesInAnyPackage("io.lrt4j.(*)..")
        .layer("reasoning")
        .definedBy("io.lrt4j.reasoning..")
        .layer("decode")
        .definedBy("io.lrt4j.decode..")
        .layer("schedule")
        .definedBy("io.lrt4j.schedule..")
        .layer("checkpoint")
        .definedBy("io.lrt4j.checkpoint..")
        .layer("model")
        .definedBy("io.lrt4j.model..")
        .layer("text")
        .definedBy("io.lrt4j.text..")
        .layer("json")
        .definedBy("io.lrt4j.json..")
        .layer("compute")
        .definedBy("io.lrt4j.compute")
        .layer("backends")
        .definedBy("io.lrt4j.compute.*..")
        .whereLayer("reasoning")
        .mayNotBeAccessedByAnyLayer()
        .whereLayer("decode")
        .mayOnlyBeAccessedByLayers("reasoning")
        .whereLayer("schedule")
        .mayOnlyBeAccessedByLayers("reasoning", "decode")
        .whereLayer("checkpoint")
        .mayOnlyBeAccessedByLayers("reasoning", "text")
        .whereLayer("model")
        .mayOnlyBeAccessedByLayers("reasoning", "decode", "schedule", "checkpoint")
        .whereLayer("text")
        .mayOnlyBeAccessedByLayers("reasoning", "decode")
        .whereLayer("json")
        .mayOnlyBeAccessedByLayers("checkpoint", "text")
        .whereLayer("backends")
        .mayNotBeAccessedByAnyLayer()
        .check(CLASSES);
  }

  /** In the API's package, only the loaded engine uses what is below. */
  @Test
  void onlyTheLoadedEngineLooksDown() {
    assertTrue(CLASSES.contain("io.lrt4j.Engine"));
    CLASSES.get("io.lrt4j.Engine").getPackage().getClasses().stream()
        .filter(c -> !c.getName().matches("io\\.lrt4j\\.LoadedEngine(\\$.*)?"))
        .flatMap(c -> c.getDirectDependenciesFromSelf().stream())
        .map(d -> d.getTargetClass().getPackageName())
        .filter(name -> name.startsWith("io.lrt4j"))
        .forEach(name -> assertTrue(name.equals("io.lrt4j"), "a type of the API uses " + name));
  }
}
