package io.lrt4j.cli;

import io.lrt4j.Engine;
import io.lrt4j.EngineOptions;
import io.lrt4j.GenerationOptions;
import io.lrt4j.Question;
import io.lrt4j.evaluation.Statistics.Interval;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Task;
import io.lrt4j.evaluation.study.Geometry;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** {@code lrt study geometry}: the latents of several data sets, compared. */
final class GeometryStudy {
  private GeometryStudy() {}

  static void run(Command command, Arguments arguments, Console console) {
    EvalCommand.required(arguments, "study", "data");
    Path out = Path.of(EvalCommand.required(arguments, "study", "out"));
    List<DataSet> sets = new ArrayList<>();
    for (String file : arguments.texts("data")) {
      sets.add(EvalCommand.dataSet(arguments, Path.of(file)));
    }
    if (sets.size() == 1) {
      sets = groups(sets.getFirst());
      if (sets.size() < 2) {
        throw new UsageException(
            "study geometry needs --data at least twice, or a data set with groups");
      }
    }
    EngineOptions loading = CommonOptions.engine(arguments);
    Path model = CommonOptions.model(arguments, console);
    List<Geometry.Cloud> clouds;
    Map<String, String> setting = new LinkedHashMap<>();
    try (Engine engine = CommonOptions.load(model, loading, console);
        var interrupt = new Interrupt()) {
      if (engine.network() == null) {
        throw new FailureException("study geometry needs a reasoning network: --network DIR");
      }
      setting.put("study", "geometry");
      setting.put("model", engine.model().toString());
      setting.put("network", String.valueOf(engine.network()));
      setting.put("backend", engine.backend());
      clouds =
          clouds(engine, sets, engine.defaultOptions().withCancellation(interrupt.cancellation()));
    }
    var geometry = new Geometry(clouds);
    Studies.report(
        "Geometry of latents", arguments.shown(command), setting, geometry.sections(), out);
    print(clouds, geometry.cosines(false), arguments.has("json"), console);
    console.note(out.resolve("report.html").toString());
  }

  /** The groups of a data set: levels, subjects, numbers of steps. */
  static List<DataSet> groups(DataSet data) {
    Map<String, List<Task>> byGroup = new TreeMap<>();
    data.tasks()
        .forEach(task -> byGroup.computeIfAbsent(task.group(), _ -> new ArrayList<>()).add(task));
    List<DataSet> groups = new ArrayList<>();
    byGroup.forEach(
        (name, tasks) -> {
          if (tasks.size() > 1) {
            groups.add(new DataSet(name.isEmpty() ? "others" : name, tasks));
          }
        });
    return groups;
  }

  /** The network's latents for every question; what calls it off is in the options. */
  static List<Geometry.Cloud> clouds(Engine engine, List<DataSet> sets, GenerationOptions options) {
    List<Geometry.Cloud> clouds = new ArrayList<>();
    Set<String> names = new HashSet<>();
    for (DataSet set : sets) {
      String name = set.name();
      for (int i = 2; !names.add(name); i++) {
        name = set.name() + " (" + i + ")";
      }
      List<float[]> points = new ArrayList<>();
      for (Task task : set.tasks()) {
        float[][] latents = engine.latents(Question.of(task.prompt()).options(options));
        if (latents.length == 0) {
          throw new FailureException("stopped");
        }
        points.add(Geometry.point(latents));
      }
      clouds.add(new Geometry.Cloud(name, points));
    }
    return clouds;
  }

  private static void print(
      List<Geometry.Cloud> clouds, Interval[][] cosines, boolean json, Console console) {
    var object = Reports.object();
    var list = object.putArray("cosines");
    for (int a = 0; a < clouds.size(); a++) {
      for (int b = a + 1; b < clouds.size(); b++) {
        Interval c = cosines[a][b];
        String first = clouds.get(a).name();
        String second = clouds.get(b).name();
        list.addObject()
            .put("first", first)
            .put("second", second)
            .put("cosine", c.value())
            .put("low", c.low())
            .put("high", c.high());
        if (!json) {
          console
              .out()
              .printf(
                  Locale.ROOT,
                  "%-20s %-20s %.4f (%.4f to %.4f)%n",
                  first,
                  second,
                  c.value(),
                  c.low(),
                  c.high());
        }
      }
    }
    if (json) {
      console.out().println(Reports.line(object));
    }
  }
}
