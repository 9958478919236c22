package io.lrt4j.schedule;

import io.lrt4j.compute.Batch;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Workspace;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What all who want something of one model have in common, with room for the steps they share. */
final class Lane {
  final Transformer model;
  final List<Scheduler.Client> clients = new ArrayList<>(); // guarded by the scheduler

  // The room: whose step it is, his alone.
  final Batch shared = new Batch(Step.MEMBERS);
  final int[] ids = new int[Transformer.CHUNK];
  final LogitSummary[] summaries = LogitSummary.array(Scheduler.SLOTS);
  private @Nullable Workspace workspace; // made for the first step that is shared

  Lane(Transformer model) {
    this.model = model;
  }

  Workspace workspace() {
    Workspace w = workspace;
    if (w == null) {
      w = model.newWorkspace(ids.length, Step.MEMBERS);
      workspace = w;
    }
    return w;
  }

  /** Frees the room. */
  void close() {
    Workspace w = workspace;
    workspace = null;
    if (w != null) {
      w.close();
    }
  }
}
