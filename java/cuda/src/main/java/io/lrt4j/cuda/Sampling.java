package io.lrt4j.cuda;

import static io.lrt4j.cuda.CudaTensor.floats;
import static io.lrt4j.cuda.Kernels.THREADS;

import io.lrt4j.compute.Draw;
import io.lrt4j.compute.LogitSummary;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;

/**
 * What becomes of logits where they are: summaries of rows, and the choice of a token; only those
 * are read. Its user holds the turn.
 */
final class Sampling {
  private static final int SUMMARY = 16; // bytes of what summarize.cu leaves of a row
  private static final int SUMMARIES = 64; // of a launch
  private static final int DRAWN = 8; // and sample.cu behind it
  private static final int SETTINGS = 56; // bytes, as in sample.cu
  private static final int DRAWING = 512; // threads of a block, as in sample.cu
  private static final int MOST_DRAWN = 1 << 19; // logits, as in sample.cu

  private final Device device;
  private final Commands launch;
  private final CudaTensor summary; // {int, float, float, float} of each row, or one, {int, float}
  private final Slots.Slot settings; // of a draw
  private MemorySegment drawing = MemorySegment.ofArray(new long[SETTINGS]); // the same here
  private final Scratch scores; // of a draw

  Sampling(Device device) {
    this.device = device;
    launch = device.commands();
    summary = new CudaMemory(device).allocate(1, SUMMARIES * SUMMARY / 4);
    settings = device.slots().slot();
    scores = new Scratch(device);
  }

  void summarize(CudaTensor logits, int from, int rows, LogitSummary[] summaries) {
    for (int at = 0; at < rows; at += SUMMARIES) {
      int some = Math.min(SUMMARIES, rows - at);
      launchSummarize(logits, from + at, some);
      MemorySegment result = device.slots().read(summary.data(), (long) some * SUMMARY);
      for (int i = 0; i < some; i++) {
        fill(summaries[at + i], result, (long) i * SUMMARY);
      }
    }
  }

  private void launchSummarize(CudaTensor logits, int from, int rows) {
    launch
        .of(device.kernels().summarize)
        .pointer(floats(logits) + logits.offset(from))
        .number(logits.cols())
        .pointer(summary.row(0))
        .run(rows, 1, THREADS);
  }

  private static void fill(LogitSummary summary, MemorySegment result, long at) {
    summary.argmax = result.get(ValueLayout.JAVA_INT, at);
    summary.max = result.get(ValueLayout.JAVA_FLOAT, at + 4);
    summary.second = result.get(ValueLayout.JAVA_FLOAT, at + 8);
    float sum = result.get(ValueLayout.JAVA_FLOAT, at + 12);
    summary.logSumExp = (float) (summary.max + Math.log(sum));
  }

  /** Whether a row of so many is chosen from here. */
  static boolean takes(int logits) {
    return logits <= MOST_DRAWN;
  }

  /** Chooses a token of a row; false if that row cannot be chosen from. */
  boolean sample(CudaTensor logits, int row, Draw draw, LogitSummary summary) {
    sendSettings(draw);
    long room = scores.floats(logits.cols()); // before a launch is described: it may launch others
    launchSummarize(logits, row, 1);
    launch
        .of(device.kernels().sample)
        .pointer(floats(logits) + logits.offset(row))
        .number(logits.cols())
        .pointer(settings.address())
        .pointer(room)
        .pointer(this.summary.row(0) + SUMMARY)
        .run(1, 1, DRAWING);
    MemorySegment result = device.slots().read(this.summary.data(), SUMMARY + DRAWN);
    fill(summary, result, 0);
    draw.token = result.get(ValueLayout.JAVA_INT, SUMMARY);
    draw.logit = result.get(ValueLayout.JAVA_FLOAT, SUMMARY + 4);
    return draw.token >= 0;
  }

  /** What changes with every token is not among a kernel's arguments: it is replayed. */
  private void sendSettings(Draw draw) {
    long bytes = SETTINGS + 4L * (draw.seenCount + 2L * draw.writtenCount);
    if (bytes > drawing.byteSize()) {
      drawing = MemorySegment.ofArray(new long[Math.toIntExact(bytes / 4)]); // twice as much
    }
    drawing.set(ValueLayout.JAVA_LONG, 0, draw.seed);
    drawing.set(ValueLayout.JAVA_LONG, 8, draw.position);
    drawing.set(ValueLayout.JAVA_LONG, 16, draw.stream);
    drawing.set(ValueLayout.JAVA_FLOAT, 24, draw.temperature);
    drawing.set(ValueLayout.JAVA_FLOAT, 28, draw.topP);
    drawing.set(ValueLayout.JAVA_FLOAT, 32, draw.minP);
    drawing.set(ValueLayout.JAVA_FLOAT, 36, draw.repetitionPenalty);
    drawing.set(ValueLayout.JAVA_INT, 40, draw.topK);
    drawing.set(ValueLayout.JAVA_INT, 44, draw.seenCount);
    drawing.set(ValueLayout.JAVA_INT, 48, draw.writtenCount);
    MemorySegment.copy(draw.seen, 0, drawing, ValueLayout.JAVA_INT, SETTINGS, draw.seenCount);
    long at = SETTINGS + 4L * draw.seenCount;
    MemorySegment.copy(draw.written, 0, drawing, ValueLayout.JAVA_INT, at, draw.writtenCount);
    at += 4L * draw.writtenCount;
    for (int i = 0; i < draw.writtenCount; i++) {
      float less = draw.presencePenalty + draw.times[draw.written[i]] * draw.frequencyPenalty;
      drawing.set(ValueLayout.JAVA_FLOAT, at + 4L * i, less);
    }
    settings.send(drawing, bytes);
  }
}
