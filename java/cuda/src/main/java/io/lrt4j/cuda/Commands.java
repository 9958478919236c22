package io.lrt4j.cuda;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import jcuda.Pointer;
import jcuda.driver.CUfunction;
import jcuda.driver.CUgraph;
import jcuda.driver.CUgraphExec;
import jcuda.driver.CUstreamCaptureMode;
import jcuda.driver.JCudaDriver;

/**
 * The kernels that are to be launched: {@code commands.of(kernel).pointer(x).number(rows).run(…)}.
 * They are kept until somebody needs what they compute ({@link #flush}), and then launched as a
 * whole: a list that comes the second time, to the last argument, becomes a CUDA graph, which from
 * then on is one launch. As what changes from token to token lies at fixed places on the device
 * ({@link Slot}), a decode step is such a list. Nothing is allocated once a list is known. Its user
 * holds the turn.
 */
final class Commands {
  private static final int MOST_ARGUMENTS = 24;
  private static final int MOST_GRAPHS = 64;
  private static final int LONGEST = 1 << 16; // numbers of a list
  private static final int SHORTEST_GRAPH = 8; // launches
  private static final int HEAD = 4; // numbers of a launch before its arguments
  private static final long PRODUCT = -1; // of cuBLAS, instead of a kernel

  private final Device device;
  private final Arena arena = Arena.ofAuto(); // as long as the buffers below
  private final MemorySegment arguments =
      arena.allocate(MOST_ARGUMENTS * ValueLayout.JAVA_LONG.byteSize(), 8);
  private final Pointer pointers;

  // The list: of each launch the kernel, x and y, z and threads, how many arguments, the arguments.
  private long[] list = new long[4096];
  private int end;
  private int launches;
  private int at; // where the launch goes on that is being described, behind the end
  private CUfunction[] kernels = new CUfunction[0]; // those that occurred, by number
  private final Map<Key, Graph> graphs =
      new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Key, Graph> eldest) {
          boolean full = size() > MOST_GRAPHS;
          if (full) {
            eldest.getValue().destroy();
          }
          return full;
        }
      };

  private final Key asked = new Key(list, 0); // to look for one without making an object

  Commands(Device device) {
    this.device = device;
    MemorySegment addresses = arena.allocate(arguments.byteSize(), 8);
    for (int i = 0; i < MOST_ARGUMENTS; i++) {
      addresses.setAtIndex(
          ValueLayout.JAVA_LONG, i, arguments.address() + i * ValueLayout.JAVA_LONG.byteSize());
    }
    pointers = Pointer.to(addresses.asByteBuffer());
  }

  /** A list, or the beginning of an array that holds one; compared by what it says. */
  private static final class Key {
    private long[] list;
    private int length;

    Key(long[] list, int length) {
      this.list = list;
      this.length = length;
    }

    Key of(long[] list, int length) {
      this.list = list;
      this.length = length;
      return this;
    }

    @Override
    public boolean equals(Object o) {
      return o instanceof Key other && Arrays.equals(list, 0, length, other.list, 0, other.length);
    }

    @Override
    public int hashCode() {
      long hash = length;
      for (int i = 0; i < length; i++) {
        hash = hash * 0x9E3779B97F4A7C15L + list[i];
      }
      return (int) (hash >>> 32);
    }
  }

  /** A list that was seen once; from the second time on there is a graph. */
  private static final class Graph {
    private final CUgraphExec graph = new CUgraphExec();
    private boolean made;

    void destroy() {
      if (made) {
        int _ = JCudaDriver.cuGraphExecDestroy(graph);
        made = false;
      }
    }
  }

  Commands of(CUfunction kernel) {
    begin(number(kernel));
    return this;
  }

  private void begin(long kernel) {
    if (end + HEAD + MOST_ARGUMENTS > list.length) {
      list = Arrays.copyOf(list, 2 * list.length);
    }
    list[end] = kernel;
    at = end + HEAD;
  }

  <K> Commands of(Map<K, CUfunction> kernels, K key) {
    return of(Objects.requireNonNull(kernels.get(key)));
  }

  /** Kernels are few and always the same objects. */
  @SuppressWarnings("ReferenceEquality")
  private int number(CUfunction kernel) {
    for (int i = 0; i < kernels.length; i++) {
      if (kernels[i] == kernel) {
        return i;
      }
    }
    kernels = Arrays.copyOf(kernels, kernels.length + 1);
    kernels[kernels.length - 1] = kernel;
    return kernels.length - 1;
  }

  /** An address, or a number of 64 bits. */
  Commands pointer(long value) {
    list[at++] = value;
    return this;
  }

  Commands number(int value) {
    return pointer(Integer.toUnsignedLong(value)); // of 64 bits, the first 32 in memory
  }

  Commands number(float value) {
    return number(Float.floatToRawIntBits(value));
  }

  /** Launches {@code x} by {@code y} blocks of {@code threads}; nothing if there are no blocks. */
  void run(int x, int y, int threads) {
    run(x, y, 1, threads);
  }

  /** The same, with {@code z} layers of blocks. */
  void run(int x, int y, int z, int threads) {
    if (x == 0 || y == 0) {
      return;
    }
    list[end + 1] = (long) x << 32 | y;
    list[end + 2] = (long) z << 32 | threads;
    list[end + 3] = (long) at - end - HEAD;
    end = at;
    launches++;
    if (end > LONGEST) {
      flush();
    }
  }

  /** A product of cuBLAS: {@link Cublas#multiply}. */
  void product(long weights, int out, int padded, long x, int rows, long sums) {
    begin(PRODUCT);
    pointer(weights).number(out).number(padded).pointer(x).number(rows).pointer(sums).run(1, 1, 1);
  }

  /** Hands everything to the device. */
  void flush() {
    if (end == 0) {
      return;
    }
    boolean done = false;
    try {
      device.enter();
      if (launches < SHORTEST_GRAPH) {
        launchAll();
      } else {
        launchAsGraph();
      }
      done = true;
    } finally {
      if (!done) {
        forget(); // a graph that was begun may not be whole
      }
      end = 0;
      launches = 0;
      device.slots().flushed();
    }
  }

  private void launchAsGraph() {
    Graph graph = graphs.get(asked.of(list, end));
    if (graph == null) {
      graphs.put(new Key(Arrays.copyOf(list, end), end), new Graph());
      launchAll();
      return;
    }
    if (!graph.made) {
      capture(graph);
    }
    device.check(JCudaDriver.cuGraphLaunch(graph.graph, device.stream()), "launching a graph");
  }

  private void capture(Graph graph) {
    device.check(
        JCudaDriver.cuStreamBeginCapture(
            device.stream(), CUstreamCaptureMode.CU_STREAM_CAPTURE_MODE_THREAD_LOCAL),
        "beginning a graph");
    var captured = new CUgraph();
    boolean whole = false;
    try {
      launchAll();
      whole = true;
    } finally {
      int code = JCudaDriver.cuStreamEndCapture(device.stream(), captured);
      if (whole) {
        device.check(code, "ending a graph");
      }
    }
    try {
      device.check(
          JCudaDriver.cuGraphInstantiate(graph.graph, captured, 0), "instantiating a graph");
      graph.made = true;
    } finally {
      int _ = JCudaDriver.cuGraphDestroy(captured);
    }
  }

  private void launchAll() {
    for (int i = 0; i < end; ) {
      int count = (int) list[i + 3];
      int first = i + HEAD;
      i = first + count;
      if (list[first - HEAD] == PRODUCT) {
        multiply(first);
        continue;
      }
      MemorySegment.copy(list, first, arguments, ValueLayout.JAVA_LONG, 0, count);
      device.check(
          JCudaDriver.cuLaunchKernel(
              kernels[(int) list[first - HEAD]],
              (int) (list[first - HEAD + 1] >>> 32),
              (int) list[first - HEAD + 1],
              (int) (list[first - HEAD + 2] >>> 32),
              (int) list[first - HEAD + 2],
              1,
              1,
              0,
              device.stream(),
              pointers,
              null),
          "launching a kernel");
    }
  }

  private void multiply(int first) {
    Objects.requireNonNull(device.cublas())
        .multiply(
            list[first],
            (int) list[first + 1],
            (int) list[first + 2],
            list[first + 3],
            (int) list[first + 4],
            list[first + 5]);
  }

  /** Forgets all lists. */
  void forget() {
    graphs.values().forEach(Graph::destroy);
    graphs.clear();
  }
}
