package io.lrt4j.evaluation.study;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.evaluation.Answered;
import io.lrt4j.evaluation.EvaluationException;
import io.lrt4j.evaluation.Summary;
import io.lrt4j.evaluation.Trial;
import io.lrt4j.evaluation.data.DataSet;
import io.lrt4j.evaluation.data.Task;
import io.lrt4j.evaluation.grade.Grader;
import io.lrt4j.evaluation.report.Report;
import io.lrt4j.evaluation.study.Hybrid.Measure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import javax.xml.parsers.DocumentBuilderFactory;
import javax.xml.parsers.ParserConfigurationException;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.xml.sax.SAXException;

class StudyTest {
  @TempDir Path folder;

  private static Answered answered(
      String cell, int id, boolean right, int tokens, double confidence, double margin) {
    Trial trial =
        new Trial(
            "a", "", "a", right, cell, "stop", 9, 4, 0, tokens, confidence, margin, 1, 1, tokens);
    return new Answered(cell + "/9", "q" + id, "", "1", List.of(trial));
  }

  /**
   * Twenty questions: the margin tells exactly which latent answers are wrong, the rest nothing.
   */
  private static Hybrid hybrid() {
    List<Answered> latent = new ArrayList<>();
    List<Answered> explicit = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      boolean right = i % 5 != 1 && i % 5 != 4;
      latent.add(answered("latent", i, right, 2, -0.5, right ? 5 + i : 1));
      explicit.add(answered("explicit", i, true, 30, 0, 0));
    }
    return new Hybrid(latent, explicit);
  }

  @Test
  void aCurveGoesFromLatentToExplicit() {
    var curve = hybrid().curve(Measure.SMALLEST_MARGIN);
    assertEquals(new Hybrid.Setting(-Double.MAX_VALUE, 0.6, 1, 2, 2), curve.getFirst());
    assertEquals(new Hybrid.Setting(3, 1, 0.6, 2 + 0.4 * 30, 14), curve.get(1));
    assertEquals(new Hybrid.Setting(Double.MAX_VALUE, 1, 0, 32, 32), curve.getLast());
    assertEquals(2, hybrid().curve(Measure.MEAN_LOGPROB).size()); // equal ones are not parted
  }

  @Test
  void theCheapestThresholdIsChosenAndTestedOnOtherQuestions() {
    var c = hybrid().calibrate(0);
    assertEquals(Measure.SMALLEST_MARGIN, c.measure());
    assertEquals(1, c.tested().accuracy());
    assertEquals(0.6, c.tested().kept());
    assertEquals(1, c.explicit());
    assertEquals(1, hybrid().calibrate(1).chosen().kept()); // everything is good enough
    assertThrows(EvaluationException.class, () -> new Hybrid(List.of(), List.of()));
  }

  /** Nothing of the half that it is tested on has a say: here it is wrong wherever it is sure. */
  @Test
  void theChoiceKnowsNothingOfTheTest() {
    List<Answered> latent = new ArrayList<>();
    List<Answered> explicit = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      latent.add(answered("latent", i, i % 2 == 0, 2, -0.5, 5 + i));
      explicit.add(answered("explicit", i, i > 1, 30, 0, 0));
    }
    var c = new Hybrid(latent, explicit).calibrate(0);
    assertEquals(1, c.chosen().accuracy());
    assertEquals(1, c.chosen().kept());
    assertEquals(0, c.tested().accuracy());
    assertEquals(1, c.tested().kept());
    assertEquals(0.9, c.explicit());
  }

  /** As those of models that gave no logits: nothing says that they are to be kept. */
  @Test
  void answersOfUnknownConfidenceAreGivenUpFirst() {
    List<Answered> latent = new ArrayList<>();
    List<Answered> explicit = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      var known = answered("latent", i, true, 2, -0.5, 5);
      Trial unknown = Trial.of(new Task("q", "?", "1", Grader.NUMBER, ""), "2");
      latent.add(i > 0 ? known : new Answered("latent/9", "q0", "", "1", List.of(unknown)));
      explicit.add(answered("explicit", i, true, 30, 0, 0));
    }
    for (Measure measure : List.of(Measure.MEAN_LOGPROB, Measure.SMALLEST_MARGIN)) {
      var curve = new Hybrid(latent, explicit).curve(measure);
      assertEquals(0.75, curve.getFirst().accuracy());
      assertEquals(1, curve.get(1).accuracy());
      assertEquals(0.75, curve.get(1).kept());
    }
  }

  /** Of two samples as good as the answers: what they cost counts, and what they agree on. */
  @Test
  void agreementIsAMeasureThatIsPaidFor() {
    List<Answered> latent = new ArrayList<>();
    List<Answered> explicit = new ArrayList<>();
    List<Answered> samples = new ArrayList<>();
    for (int i = 0; i < 4; i++) {
      latent.add(answered("latent", i, i > 0, 2, -0.5, 1));
      explicit.add(answered("explicit", i, true, 30, 0, 0));
      Trial trial = latent.getLast().trials().getFirst();
      Trial other = Trial.of(new Task("q", "?", "1", Grader.AUTO, ""), "b");
      samples.add(new Answered("s/9", "q" + i, "", "1", List.of(trial, i > 0 ? trial : other)));
    }
    var hybrid = new Hybrid(latent, explicit, samples);
    assertEquals(3, hybrid.measures().size());
    var curve = hybrid.curve(Measure.AGREEMENT);
    assertEquals(3, curve.size());
    double drawn = (3 * 4 + 2) / 4.0;
    assertEquals(2 + drawn, curve.getFirst().tokens());
    assertEquals(new Hybrid.Setting(0.75, 1, 0.75, 2 + drawn + 7.5, 2 + 2 + 7.5), curve.get(1));
    assertEquals(2, hybrid().measures().size());
  }

  @Test
  void percentilesOfFewTimesAreInOrder() {
    List<Answered> answers =
        List.of(answered("auto", 0, true, 2, 0, 0), answered("auto", 1, true, 30, 0, 0));
    Report.Section section = Sections.efficiency(answers, Map.of());
    List<String> row = section.table().rows().getFirst();
    assertEquals("median, ms 16.0", section.table().columns().get(3) + " " + row.get(3));
    assertEquals("95 %, ms 30.0", section.table().columns().get(4) + " " + row.get(4));
    List<Report.Point> drawn = section.charts().getFirst().series().getFirst().points();
    assertEquals(2, drawn.getFirst().y());
    assertEquals(30, drawn.getLast().y());
    assertTrue(section.text().contains("auto gave a latent answer up"), section.text());
  }

  private static Report report() {
    List<Answered> answers = new ArrayList<>();
    List<Task> tasks = new ArrayList<>();
    for (int i = 0; i < 20; i++) {
      tasks.add(new Task("q" + i, "?", "1", Grader.AUTO, ""));
      answers.add(answered("latent", i, i % 2 == 0, 2, -0.5, i));
      answers.add(answered("explicit", i, true, 30, 0, 0));
    }
    Summary summary = Summary.of(new DataSet("<d>", tasks), Map.of(), answers);
    List<Report.Section> sections = new ArrayList<>(Sections.accuracy(summary));
    sections.add(Sections.efficiency(answers, Map.of("latent/9", 123.4)));
    sections.add(Sections.curve("Curve", "…", "x", summary, r -> r.generated()));
    sections.add(hybrid().section(hybrid().calibrate(0)));
    return new Report("A & <b>", Map.of("command", "lrt \"x\""), sections);
  }

  @Test
  void aReportStandsAlone() throws IOException {
    report().write(folder, "report");
    String page = Files.readString(folder.resolve("report.html"));
    assertTrue(page.contains("<h1>A &amp; &lt;b&gt;</h1>"), page);
    assertTrue(page.contains("<svg viewBox"), page);
    assertFalse(page.contains("NaN") || page.contains("http") || page.contains("<script"), page);
    String text = Files.readString(folder.resolve("report.md"));
    assertTrue(text.contains("| explicit/9 | 20 | 100.0 | 83.9 to 100.0 |"), text);
    assertTrue(text.contains("| latent/9 − explicit/9 | -50.0 (-70.0 to -30.0) |"), text);
    assertTrue(Files.size(folder.resolve("report.json")) > 1000);
  }

  /** Every drawing is well-formed, and stays inside its box. */
  @Test
  void chartsAreWhole() throws IOException, SAXException, ParserConfigurationException {
    report().write(folder, "report");
    String page = Files.readString(folder.resolve("report.html"));
    int from = 0;
    int charts = 0;
    while ((from = page.indexOf("<svg viewBox=\"0 0 420", from)) >= 0) {
      int end = page.indexOf("</svg>", from) + "</svg>".length();
      String svg = page.substring(from, end);
      var xml =
          DocumentBuilderFactory.newInstance()
              .newDocumentBuilder()
              .parse(
                  new java.io.ByteArrayInputStream(
                      svg.getBytes(java.nio.charset.StandardCharsets.UTF_8)));
      var circles = xml.getElementsByTagName("circle");
      assertTrue(circles.getLength() > 0, svg);
      for (int i = 0; i < circles.getLength(); i++) {
        var at = circles.item(i).getAttributes();
        double x = Double.parseDouble(at.getNamedItem("cx").getNodeValue());
        double y = Double.parseDouble(at.getNamedItem("cy").getNodeValue());
        assertTrue(x >= 44 && x <= 408 && y >= 10 && y <= 220, svg);
      }
      from = end;
      charts++;
    }
    assertEquals(4, charts);
  }
}
