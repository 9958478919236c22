package io.lrt4j.checkpoint;

import io.lrt4j.BackendException;
import io.lrt4j.CheckpointException;
import io.lrt4j.LoadListener;
import io.lrt4j.Quantization;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.RoundedRow;
import io.lrt4j.compute.SystemMemory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.UnroundableException;
import io.lrt4j.compute.Weight;
import io.lrt4j.model.Weights;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import java.util.function.LongConsumer;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * All tensors of a directory, be they in one file or in the shards that an index names. No tensor
 * is in two shards, and the index agrees with what the shards hold. First they are checked, then
 * placed in memory; only then do they have data.
 */
final class TensorFiles implements AutoCloseable {
  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";
  private static final int MAX_SHARDS = 4096;

  /** What a header says of a tensor, and in which file. */
  private record Found(Safetensors shard, SafetensorsHeader.Entry entry) {
    Path file() {
      return shard.file();
    }
  }

  /** What a weight in panels is. */
  private record Rounded(DType type, int rows, int cols) {}

  private final Path directory;
  private final List<Safetensors> shards = new ArrayList<>();
  private final Map<String, Found> found = new LinkedHashMap<>();
  private final Map<String, String> misplaced = new HashMap<>(); // what the index has wrong
  private final Map<String, String> aliases = new LinkedHashMap<>(); // to stored names
  private final Map<String, StoredTensor> tensors = new LinkedHashMap<>();
  private final Map<String, Rounded> rounded = new HashMap<>(); // by stored names

  private final LoadListener listener;
  private long work; // bytes to be read and taken in
  private long done;

  private TensorFiles(Path directory, LoadListener listener) {
    this.directory = directory;
    this.listener = listener;
  }

  /** Checks {@code model.safetensors}, or the shards of its index if there is no such file. */
  static TensorFiles open(ModelFiles files, LoadListener listener) {
    var all = new TensorFiles(files.directory(), listener);
    try {
      Path single = files.find(SINGLE);
      if (single != null) {
        all.add(single);
        return all;
      }
      Path index = files.find(INDEX);
      if (index == null) {
        throw new CheckpointException(
            files.directory()
                + ": expected "
                + SINGLE
                + " or "
                + INDEX
                + ", found neither"
                + ForeignFormats.hint(files));
      }
      all.addShards(files, index);
      return all;
    } catch (Throwable e) {
      all.close();
      throw e;
    }
  }

  /** What the index says must hold of the tensors that are needed: that is known later. */
  private void addShards(ModelFiles files, Path index) {
    Json map = Json.read(index).object("weight_map");
    var shardOf = new LinkedHashMap<String, String>();
    var paths = new TreeMap<String, @Nullable Path>();
    for (String tensor : map.keys()) {
      String name = map.string(tensor);
      shardOf.put(tensor, name);
      if (!paths.containsKey(name)) {
        paths.put(name, files.find(name, index));
      }
      if (paths.size() > MAX_SHARDS) {
        throw new CheckpointException(
            index + ": expected at most " + MAX_SHARDS + " shards, found more");
      }
    }
    if (shardOf.isEmpty()) {
      throw map.wrong("weight_map", "an object that names tensors");
    }
    for (Path shard : paths.values()) {
      if (shard != null) {
        add(shard);
      }
    }
    shardOf.forEach(
        (tensor, name) -> {
          Found stored = found.get(tensor);
          if (paths.get(name) == null) {
            misplaced.put(
                tensor,
                index
                    + ": expected a file "
                    + Json.quote(name)
                    + " in the directory, found none; it has tensor "
                    + Json.quote(tensor));
          } else if (stored == null || !stored.file().endsWith(name)) {
            misplaced.put(
                tensor,
                index
                    + ": expected tensor "
                    + Json.quote(tensor)
                    + " in "
                    + name
                    + ", found it "
                    + (stored == null ? "nowhere" : "in " + stored.file().getFileName()));
          }
        });
  }

  private void add(Path file) {
    Safetensors shard = Safetensors.check(file);
    shards.add(shard);
    for (SafetensorsHeader.Entry entry : shard.entries()) {
      Found other = found.putIfAbsent(entry.name(), new Found(shard, entry));
      if (other != null) {
        throw new CheckpointException(
            file
                + ": tensor "
                + Json.quote(entry.name())
                + " is also in "
                + other.file().getFileName());
      }
    }
  }

  /** Whether the files have a tensor of that name. */
  boolean has(String name) {
    return found.containsKey(name);
  }

  /** Lets a stored tensor be found by a second name as well. */
  void alias(String name, String stored) {
    aliases.put(name, stored);
    found.put(name, where(stored));
  }

  /**
   * Lets tensors of the layout that are stored without its prefix be found with it: a decoder that
   * was saved without its head has no {@code model.} before its names, and transformers takes
   * either, tensor by tensor.
   */
  void aliasWithoutPrefix(TensorLayout layout) {
    String prefix = layout.prefix();
    for (String name : layout.shapes().keySet()) {
      String bare = name.startsWith(prefix) ? name.substring(prefix.length()) : name;
      if (!has(name) && has(bare)) {
        alias(name, bare);
      }
    }
  }

  /**
   * Sees to it that every tensor that the layout expects is here with its shape, and none would
   * change what it computes.
   *
   * @return those that are no part of the layout
   */
  List<String> check(TensorLayout layout) {
    found.forEach((name, tensor) -> ForeignFormats.refuseQuantised(tensor.file(), name, this::has));
    layout.shapes().forEach(this::check);
    Predicate<String> contradicts = layout.contradictions();
    var taken = new HashSet<>(aliases.values());
    var others = new ArrayList<String>();
    found.forEach(
        (name, tensor) -> {
          if (layout.shapes().containsKey(name) || taken.contains(name)) {
            return;
          }
          if (contradicts.test(name)
              || (!taken.isEmpty() && contradicts.test(layout.prefix() + name))) {
            throw new CheckpointException(
                tensor.file()
                    + ": tensor "
                    + Json.quote(name)
                    + " is not part of the model that config.json describes");
          }
          others.add(name);
        });
    return others;
  }

  private void check(String name, List<Long> shape) {
    String wrong = misplaced.get(stored(name));
    if (wrong != null) {
      throw new CheckpointException(wrong);
    }
    Found tensor = found.get(name);
    if (tensor == null) {
      throw new CheckpointException(
          directory + ": tensor " + Json.quote(name) + " is missing; expected shape " + shape);
    }
    SafetensorsHeader.Entry entry = tensor.entry();
    Rounded kept = rounded(tensor, shape);
    if (kept != null) {
      rounded.put(stored(name), kept);
      return;
    }
    // Refuses a type that is not run, before a shape: that of packed weights follows from it.
    var _ = StoredTensor.dtype(name, entry.type().name(), tensor.file());
    if (!entry.shape().equals(shape)) {
      throw new CheckpointException(
          tensor.file()
              + ": tensor "
              + Json.quote(name)
              + " must have shape "
              + shape
              + ", found "
              + Json.brief(entry.shape().toString()));
    }
  }

  /**
   * A weight that a file of our own has in panels, or null: its type stands in the file's metadata,
   * its size must be what the layout's shape comes to.
   */
  private @Nullable Rounded rounded(Found tensor, List<Long> shape) {
    String spelled = Quantizer.spelled(Kind.of(tensor.entry().name()), tensor.shard().metadata());
    if (spelled == null || tensor.entry().type() != StoredType.U8) {
      return null;
    }
    DType type = Quantizer.type(spelled);
    String what = tensor.file() + ": tensor " + Json.quote(tensor.entry().name());
    if (type == null) {
      throw new CheckpointException(
          what + " is rounded to " + Json.quote(spelled) + "; lrt4j runs q8 and q4");
    }
    if (shape.size() != 2 || shape.getLast() % type.blockElements() != 0) {
      throw new CheckpointException(
          what + " must have shape " + shape + ", and is not of whole blocks");
    }
    int rows = Math.toIntExact(shape.getFirst());
    int cols = Math.toIntExact(shape.getLast());
    long panel = Weight.bytes(type, Weight.PANEL, cols, true);
    List<Long> expected = List.of(Weight.bytes(type, rows, cols, true) / panel, panel);
    if (!tensor.entry().shape().equals(expected)) {
      throw new CheckpointException(
          what
              + " must have shape "
              + expected
              + " as "
              + spelled
              + " panels, found "
              + Json.brief(tensor.entry().shape().toString()));
    }
    return new Rounded(type, rows, cols);
  }

  /** What weights of a kind are rounded to, as far as they are. */
  Quantization rounded(Kind kind) {
    return rounded.entrySet().stream()
        .filter(weight -> Kind.of(weight.getKey()) == kind)
        .findFirst()
        .map(weight -> Quantization.valueOf(weight.getValue().type.name()))
        .orElse(Quantization.NONE);
  }

  /**
   * Places tensors: those of the layout if they are to be read, which they are when they are asked
   * for; all if they are mapped, which costs nothing.
   */
  void place(Access access, TensorLayout layout) {
    var wanted = new HashSet<String>();
    layout.shapes().keySet().forEach(name -> wanted.add(stored(name)));
    for (String name : wanted) {
      SafetensorsHeader.Entry entry = where(name).entry();
      work += (entry.end() - entry.begin()) * (access == Access.READ ? 2 : 1);
    }
    for (Safetensors shard : shards) {
      shard.place(access, name -> access == Access.MAP || wanted.contains(name));
      shard.tensors().forEach(tensor -> tensors.put(tensor.name(), tensor));
    }
    aliases.forEach((name, stored) -> tensors.put(name, placed(stored).named(name)));
  }

  private void moved(long bytes) {
    done += bytes;
    listener.onProgress(directory, Math.min(1, (double) done / work)); // some are taken in twice
  }

  /** Whether a tensor of that name is placed. */
  boolean isPlaced(String name) {
    return tensors.containsKey(name);
  }

  /** A placed tensor, read by now. */
  StoredTensor require(String name) {
    StoredTensor tensor = placed(name);
    Found where = where(name);
    where.shard().fill(where.entry(), this::moved);
    return tensor;
  }

  private Found where(String name) {
    return Objects.requireNonNull(found.get(name), name);
  }

  private StoredTensor placed(String name) {
    StoredTensor tensor = tensors.get(name);
    if (tensor == null) {
      throw new CheckpointException(directory + ": tensor " + Json.quote(name) + " is missing");
    }
    return tensor;
  }

  /** What {@code placement} makes of the tensors. */
  Weights.Source on(Placement placement, boolean tied) {
    return source(placement, tied, null);
  }

  /**
   * The same, for the time that {@code taking} lasts. What a memory has copied is given up, so that
   * no weight is in memory twice; weights that it will copy are read one after the other into the
   * same room. The files are closed then.
   */
  <T> T handOver(Placement placement, boolean tied, Function<Weights.Source, T> taking) {
    try (var room = new ReusedMemory()) {
      return taking.apply(source(placement, tied, room));
    } finally {
      shards.forEach(Safetensors::closeFile);
    }
  }

  /**
   * What {@code placement} makes of the tensors.
   *
   * @param tied whether the head is made of the embedding
   * @param room for weights to be copied from; with it, what has been copied is given up
   */
  private Weights.Source source(Placement placement, boolean tied, @Nullable ReusedMemory room) {
    return new Weights.Source() {
      private final Set<String> kept = new HashSet<>(); // used where they lie, perhaps
      private @Nullable Linear tiedHead; // what is embedded from too

      @Override
      public Tensor tensor(String name) {
        Tensor rows = Kind.of(name) == Kind.EMBEDDING ? roundedEmbedding(name) : null;
        if (rows != null) {
          return rows;
        }
        kept.add(stored(name));
        Weight stored = require(name).weight();
        Tensor tensor = placement.layers().weight(stored);
        moved(stored.data().byteSize());
        return tensor;
      }

      // An embedding that is rounded, here or in its file; null if it is not.
      private @Nullable Tensor roundedEmbedding(String name) {
        Weight stored = projection(name);
        if (placement.embedding() == null && !stored.panels()) {
          return null;
        }
        Memory own = placement.embedding() == null ? placement.head() : placement.embedding();
        DType type = kept(own, name, stored);
        if (!RoundedRow.suits(type)) {
          return null;
        }
        boolean shared = tied && kept(placement.head(), name, stored) == type;
        Memory memory = shared ? placement.head() : own;
        String bare = name.substring(0, name.length() - ".weight".length());
        Linear rows = linear(memory, shared || !tied, false, bare);
        tiedHead = shared ? rows : null;
        return Objects.requireNonNull(memory.table(rows));
      }

      @Override
      public Linear linear(boolean bias, String... names) {
        Kind kind = Kind.of(names[0] + ".weight");
        return kind == Kind.EMBEDDING && tiedHead != null
            ? tiedHead
            : linear(placement.of(kind), true, bias, names);
      }

      // With last, nobody asks for these weights again.
      private Linear linear(Memory memory, boolean last, boolean bias, String... names) {
        List<Memory.Part> parts = new ArrayList<>();
        if (room != null) {
          room.reuse();
        }
        for (String name : names) {
          Weight weight = projection(name + ".weight");
          if (!memory.runs(weight)) {
            throw new BackendException(
                directory
                    + ": its weights are rounded to "
                    + weight.dtype().name().toLowerCase(Locale.ROOT)
                    + ", which this backend has no kernels for: use --backend native, vector or"
                    + " scalar");
          }
          var _ = kept(memory, name + ".weight", weight); // refused before it is read
          if (room != null && isCopied(memory, name, weight)) {
            weight = read(name + ".weight", weight, room);
          } else {
            var _ = require(name + ".weight");
          }
          parts.add(new Memory.Part(weight, bias ? require(name + ".bias").weight() : null));
        }
        Linear linear = linear(memory, parts, names);
        for (Memory.Part part : parts) {
          Weight added = part.bias();
          moved(part.weight().data().byteSize() + (added == null ? 0 : added.data().byteSize()));
        }
        if (room != null && last) {
          for (int i = 0; i < names.length; i++) {
            if (isCopied(memory, names[i], parts.get(i).weight())) {
              giveUp(stored(names[i] + ".weight"));
            }
          }
        }
        return linear;
      }

      private Linear linear(Memory memory, List<Memory.Part> parts, String... names) {
        try {
          return memory.linear(parts);
        } catch (UnroundableException e) {
          for (int i = 0; i < names.length; i++) {
            if (e.isAbout(parts.get(i).weight())) {
              throw refusal(where(names[i] + ".weight").file(), stored(names[i] + ".weight"), e);
            }
          }
          throw e;
        }
      }

      private DType kept(Memory memory, String name, Weight weight) {
        try {
          return memory.kept(weight);
        } catch (BackendException e) { // rounded already, to another type
          String what = where(name).file() + ": tensor " + Json.quote(stored(name)) + ": ";
          throw new BackendException(what + e.getMessage(), e);
        }
      }

      private boolean isCopied(Memory memory, String name, Weight weight) {
        return memory.copies(weight) && !kept.contains(stored(name + ".weight"));
      }

      @Override
      public Tensor tied(String name, Tensor embedding, Linear head) {
        Tensor table = placement.head().table(head);
        if (tiedHead != null || table == null || table.dtype() != embedding.dtype()) {
          return embedding; // the head's already, or not as the head is
        }
        if (room != null) {
          giveUp(stored(name));
        }
        return table;
      }
    };
  }

  /** Names the tensor that cannot be rounded. */
  static CheckpointException refusal(Path file, String name, UnroundableException e) {
    return new CheckpointException(file + ": tensor " + Json.quote(name) + " " + e.getMessage(), e);
  }

  private String stored(String name) {
    return aliases.getOrDefault(name, name);
  }

  /** The same weight, read into a room of its own. */
  private Weight read(String name, Weight weight, ReusedMemory room) {
    MemorySegment to;
    try {
      to = room.next(weight.data().byteSize());
    } catch (OutOfMemoryError e) {
      throw new CheckpointException(
          directory
              + ": no memory for the "
              + weight.data().byteSize()
              + " bytes of tensor "
              + Json.quote(name)
              + " ("
              + e.getMessage()
              + ")",
          e);
    }
    LongConsumer counted = weight.data().isMapped() ? bytes -> {} : this::moved;
    Found where = where(name);
    where.shard().read(where.entry(), to, counted);
    return new Weight(weight.dtype(), weight.rows(), weight.cols(), to, weight.panels());
  }

  /** A projection's weight, perhaps not read yet. */
  private Weight projection(String name) {
    StoredTensor stored = placed(name);
    Rounded kept = rounded.get(stored(name));
    return kept == null
        ? stored.weight()
        : new Weight(kept.type, kept.rows, kept.cols, stored.data(), true);
  }

  /** Gives a tensor's memory back; of one that is mapped nothing need be held anyway. */
  private void giveUp(String name) {
    MemorySegment data = placed(name).data();
    if (!data.isMapped()) {
      SystemMemory.release(data);
      tensors.keySet().removeIf(other -> stored(other).equals(name));
    }
  }

  /** All placed tensors, in the order of the files. */
  List<StoredTensor> all() {
    return tensors.keySet().stream().map(this::require).toList();
  }

  /** Frees or unmaps every file. */
  @Override
  public void close() {
    shards.forEach(Safetensors::close);
  }
}
