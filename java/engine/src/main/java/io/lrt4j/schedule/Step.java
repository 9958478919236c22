package io.lrt4j.schedule;

import io.lrt4j.compute.Batch;
import io.lrt4j.model.Transformer;
import io.lrt4j.model.Workspace;
import io.lrt4j.schedule.Scheduler.Client;
import io.lrt4j.schedule.Scheduler.State;
import java.util.List;
import java.util.Objects;

/**
 * One step of a model: whose rows it has, and what is computed of them. Those who decode come
 * first, behind them those who read; so lie their rows, and the logits of those that are wanted.
 * Several who share it have at most {@link Transformer#CHUNK} rows in all, and those of them who
 * decode at most {@link Scheduler#SLOTS} whose logits are wanted.
 *
 * <p>It is formed under the scheduler's lock, and from then on the leader's alone, until it is
 * cleared; nobody else touches what is in it meanwhile.
 */
final class Step {
  /** Questions that are read in one step. */
  private static final int READERS = 8;

  /** Clients in one step, at most. */
  static final int MEMBERS = Scheduler.SLOTS + READERS;

  private final Client[] members = new Client[MEMBERS];
  private int size;
  private int decoding; // of them, those that decode: the first

  int size() {
    return size;
  }

  Client member(int i) {
    return members[i];
  }

  void clear() {
    size = 0;
    decoding = 0;
  }

  /** Consists of a single piece of work. */
  void form(Client piece) {
    add(piece);
  }

  /** Those of the lane that decode, as many as fit, and beside them some of what is to be read. */
  void form(Lane lane, List<Client> waiting) {
    int heads = 0;
    int rows = 0;
    for (int i = 0; i < waiting.size(); i++) {
      Client next = waiting.get(i);
      if (!lane.equals(next.lane) || next.input != null) {
        continue;
      }
      int more = next.batch().rows();
      int wanted = next.batch().wantedRows();
      if (size > 0 && (heads + wanted > Scheduler.SLOTS || rows + more > lane.ids.length)) {
        break;
      }
      heads += wanted;
      rows += more;
      add(next);
    }
    decoding = size;
    int room = lane.ids.length - rows;
    addReaders(lane, waiting, rows == 0 ? room : Math.min(room, Scheduler.READ_BESIDE));
  }

  /**
   * Shares {@code room} rows among what is to be read; what one does not need others get. If one of
   * them is read to its end, and is about to decode, the others get no more than {@link
   * Scheduler#READ_BESIDE}.
   */
  private void addReaders(Lane lane, List<Client> waiting, int room) {
    int first = size;
    for (int i = 0; i < waiting.size() && size < first + READERS; i++) {
      Client next = waiting.get(i);
      if (lane.equals(next.lane) && next.input != null && size - first < room) {
        add(next);
      }
    }
    for (int left = size - first; left > 0 && room > 0; ) {
      int share = Math.max(1, room / left);
      left = 0;
      for (int i = first; i < size && room > 0; i++) {
        Client reader = members[i];
        int more = Math.min(share, Math.min(room, reader.left - reader.rows));
        reader.rows += more;
        room -= more;
        left += reader.rows < reader.left ? 1 : 0;
      }
    }
    int others = 0; // that are not read to their ends
    for (int i = first; i < size; i++) {
      others += members[i].rows < members[i].left ? 1 : 0;
    }
    for (int i = first; i < size && others < size - first; i++) {
      if (members[i].rows < members[i].left) {
        members[i].rows = Math.min(members[i].rows, Scheduler.READ_BESIDE / others);
      }
    }
  }

  private void add(Client client) {
    client.state = State.RUNNING;
    client.rows = 0;
    members[size++] = client;
  }

  /** Computes it. */
  void run() {
    Client first = members[0];
    if (first.piece != null) {
      first.piece.run();
    } else if (size > 1) {
      together(first.lane());
    } else if (first.input == null) {
      decode(first);
    } else {
      read(first, first.input);
    }
  }

  private static void decode(Client alone) {
    Transformer model = alone.lane().model;
    Batch batch = alone.batch();
    Workspace w = alone.w();
    model.embed(alone.ids, 0, batch.rows(), w.x);
    model.forward(batch, w);
    model.logitsOfWantedRows(batch, w);
    if (alone.summaries.length > 0) {
      model.backend().summarize(w.logits, 0, batch.wantedRows(), alone.summaries);
    }
  }

  private static void read(Client alone, Rows input) {
    Transformer model = alone.lane().model;
    Workspace w = alone.w();
    input.write(w.x, 0, alone.done, alone.rows);
    int wanted = input.wanted(alone.done, alone.rows);
    Batch batch = alone.batch().clear();
    batch.read(Objects.requireNonNull(alone.cache), alone.rows, wanted);
    model.forward(batch, w);
    input.take(w.hidden, 0, alone.done + alone.rows - wanted, wanted);
    if (alone.ends()) {
      model.logitsOfLastRows(batch, w);
    }
  }

  private void together(Lane lane) {
    Transformer model = lane.model;
    Workspace w = lane.workspace();
    Batch shared = lane.shared.clear();
    for (int i = 0; i < decoding; i++) {
      Batch own = members[i].batch();
      System.arraycopy(members[i].ids, 0, lane.ids, shared.rows(), own.rows());
      for (int run = 0; run < own.runs(); run++) {
        shared.add(own.cache(run), own.firstRow(run + 1) - own.firstRow(run), own.wanted(run));
      }
    }
    int sequences = shared.runs();
    if (sequences > 0) {
      model.embed(lane.ids, 0, shared.rows(), w.x);
    }
    for (int i = decoding; i < size; i++) {
      Client reader = members[i];
      Rows input = Objects.requireNonNull(reader.input);
      input.write(w.x, shared.rows(), reader.done, reader.rows);
      int wanted = input.wanted(reader.done, reader.rows);
      shared.read(Objects.requireNonNull(reader.cache), reader.rows, wanted);
    }
    model.forward(shared, w);
    Batch wantedRows = shared.wanted();
    int decoded = wantedRows.firstRow(sequences); // rows whose logits go to those who decode
    if (decoded > 0) {
      model.backend().copyRows(w.hidden, 0, w.headInput, 0, decoded);
    }
    int heads = decoded;
    for (int i = decoding; i < size; i++) {
      if (members[i].ends()) {
        model.toHead(wantedRows, sequences + i - decoding, heads++, w);
      }
    }
    if (heads > 0) {
      model.logits(heads, w);
    }
    handOut(lane, w, decoded);
    int head = decoded;
    for (int i = decoding; i < size; i++) {
      Client reader = members[i];
      int run = sequences + i - decoding;
      int wanted = shared.wanted(run);
      Objects.requireNonNull(reader.input)
          .take(w.hidden, wantedRows.firstRow(run), reader.done + reader.rows - wanted, wanted);
      if (reader.ends()) {
        model.backend().copyRows(w.logits, head++, reader.w().logits, 0, 1);
      }
    }
  }

  /** Gives everybody who decodes what he wants of the logits of {@code rows} rows. */
  private void handOut(Lane lane, Workspace w, int rows) {
    boolean summed = false;
    for (int i = 0; i < decoding; i++) {
      summed |= members[i].summaries.length > 0;
    }
    if (summed) {
      lane.model.backend().summarize(w.logits, 0, rows, lane.summaries);
    }
    int at = 0;
    for (int i = 0; i < decoding; i++) {
      Client client = members[i];
      int own = client.batch().wantedRows();
      for (int row = 0; row < own && client.summaries.length > 0; row++) {
        client.summaries[row].set(lane.summaries[at + row]);
      }
      if (client.logits) {
        lane.model.backend().copyRows(w.logits, at, client.w().logits, 0, own);
      }
      at += own;
    }
  }
}
