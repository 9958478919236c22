package io.lrt4j.reasoning;

import io.lrt4j.compute.Backend;
import io.lrt4j.compute.Batch;
import io.lrt4j.compute.DType;
import io.lrt4j.compute.DecoderLayers;
import io.lrt4j.compute.Linear;
import io.lrt4j.compute.LogitSummary;
import io.lrt4j.compute.Memory;
import io.lrt4j.compute.Tensor;
import io.lrt4j.compute.Weight;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.lang.reflect.Proxy;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;

/**
 * A backend that notes every forward pass and every memory, and can put words into the model's
 * mouth; all else it leaves to a real one.
 */
final class SpyBackend {
  /**
   * A forward pass.
   *
   * @param layers of the model that it went through: base and network differ in it
   * @param runs what was appended to each sequence
   */
  record Step(int layers, List<Run> runs) {}

  /**
   * Rows of one sequence in a forward pass.
   *
   * @param start length of its cache before
   */
  record Run(int start, int rows) {}

  private final Backend real;
  private final List<Step> steps = new ArrayList<>();
  private final List<Integer> products = new ArrayList<>();
  private final Deque<Integer> script = new ArrayDeque<>();
  private int said = -1; // of the script, by the last step
  private IntConsumer beforeStep = step -> {};
  private final AtomicInteger openMemories = new AtomicInteger(); // callers make theirs at one time
  private final AtomicInteger memories = new AtomicInteger();
  private boolean closed;
  private boolean failing;

  SpyBackend(Backend real) {
    this.real = real;
  }

  /** What the engine is to be given. */
  Backend backend() {
    return (Backend)
        Proxy.newProxyInstance(
            Backend.class.getClassLoader(), new Class<?>[] {Backend.class}, this::invoke);
  }

  /** Forward passes so far, which are then forgotten. */
  List<Step> takeSteps() {
    List<Step> taken = List.copyOf(steps);
    steps.clear();
    return taken;
  }

  /** Rows of every product so far that gave {@code cols} columns; all are then forgotten. */
  List<Integer> takeProducts(int cols) {
    List<Integer> taken = new ArrayList<>();
    for (int i = 0; i < products.size(); i += 2) {
      if (products.get(i) == cols) {
        taken.add(products.get(i + 1));
      }
    }
    products.clear();
    return taken;
  }

  /** The tokens that are chosen next, if they may be; after them the model speaks for itself. */
  void script(List<Integer> tokens) {
    script.clear();
    script.addAll(tokens);
  }

  /** Called before every forward pass with the number of those before it. */
  void beforeStep(IntConsumer action) {
    beforeStep = action;
  }

  /** From now on every memory throws when it is closed, which it then is. */
  void failToClose() {
    failing = true;
  }

  int openMemories() {
    return openMemories.get();
  }

  int memories() {
    return memories.get();
  }

  boolean closed() {
    return closed;
  }

  private Object invoke(Object proxy, Method method, Object[] arguments) throws Throwable {
    switch (method.getName()) {
      case "layers" -> step(((DecoderLayers) arguments[0]).layers().size(), (Batch) arguments[1]);
      case "project" ->
          products.addAll(List.of(((Tensor) arguments[3]).cols(), (int) arguments[1]));
      case "close" -> closed = true;
      default -> {}
    }
    Object result;
    try {
      result = method.invoke(real, arguments);
    } catch (InvocationTargetException e) {
      throw e.getCause();
    }
    if (method.getName().equals("summarize") && arguments[2] instanceof LogitSummary one) {
      said = script.isEmpty() ? -1 : script.pop();
      one.argmax = said < 0 ? one.argmax : said;
    } else if (method.getName().equals("read") && said >= 0) {
      ((float[]) arguments[2])[said] = 1e6f;
    } else if (method.getName().equals("summarize")) {
      said = -1;
      for (int i = 0; i < (int) arguments[2] && !script.isEmpty(); i++) {
        said = script.pop();
        ((LogitSummary[]) arguments[3])[i].argmax = said;
      }
    }
    return result instanceof Memory memory ? new SpyMemory(memory) : result;
  }

  private void step(int layers, Batch batch) {
    beforeStep.accept(steps.size());
    List<Run> runs = new ArrayList<>();
    for (int run = 0; run < batch.runs(); run++) {
      int rows = batch.firstRow(run + 1) - batch.firstRow(run);
      runs.add(new Run(batch.cache(run).length(), rows));
    }
    steps.add(new Step(layers, runs));
  }

  private final class SpyMemory implements Memory {
    private final Memory memory;
    private boolean open = true;

    SpyMemory(Memory memory) {
      this.memory = memory;
      memories.incrementAndGet();
      openMemories.incrementAndGet();
    }

    @Override
    public Tensor allocate(int rows, int cols) {
      return Objects.requireNonNull(memory.allocate(rows, cols));
    }

    @Override
    public Tensor allocate(DType type, int rows, int cols) {
      return memory.allocate(type, rows, cols);
    }

    @Override
    public Tensor weight(Weight stored) {
      return memory.weight(stored);
    }

    @Override
    public Linear linear(List<Part> parts) {
      return memory.linear(parts);
    }

    @Override
    public long bytes() {
      return memory.bytes();
    }

    @Override
    public void close() {
      openMemories.addAndGet(open ? -1 : 0);
      open = false;
      memory.close();
      if (failing) {
        throw new IllegalStateException("not closed");
      }
    }
  }
}
