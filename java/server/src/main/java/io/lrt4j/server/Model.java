package io.lrt4j.server;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.lrt4j.Engine;
import java.nio.file.Path;
import java.time.Instant;
import org.jspecify.annotations.Nullable;

/**
 * The one model that is served.
 *
 * @param engine that answers
 * @param name in requests and answers
 * @param fingerprint of what computes: answers of the same seed are the same where it is the same
 * @param created when it was loaded
 */
record Model(Engine engine, String name, String fingerprint, Instant created) {
  static Model of(Engine engine, @Nullable String name) {
    return new Model(
        engine,
        name == null ? nameOf(engine.model()) : name,
        "lrt4j-" + engine.backend(),
        Instant.now());
  }

  private static String nameOf(Path directory) {
    Path last = directory.toAbsolutePath().normalize().getFileName();
    return last == null ? "model" : last.toString();
  }

  /** Refuses a request for another model; one that names none means this one. */
  void check(@Nullable String asked) {
    if (asked != null && !asked.equals(name)) {
      throw ApiException.refused(
          404,
          "model",
          "model_not_found",
          "the model \"" + Fields.shown(asked) + "\" does not exist: this server has " + name);
    }
  }

  ObjectNode json() {
    return Json.object()
        .put("id", name)
        .put("object", "model")
        .put("created", created.getEpochSecond())
        .put("owned_by", "lrt4j");
  }
}
