package io.lrt4j.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.BackendException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Room, cutting, forks, and when the memory of each goes. */
class KvCacheTest {
  private static final int LAYERS = 3;
  private static final int KV_HEADS = 2;
  private static final int HEAD_DIM = 4;

  private record Shape(DType dtype, int rows, int cols) implements Tensor {}

  /** Counts what is allocated; refuses from the {@code limit}-th tensor on. */
  private static final class CountingMemory implements Memory {
    int limit = Integer.MAX_VALUE;
    int tensors;
    boolean closed;

    @Override
    public Tensor allocate(int rows, int cols) {
      if (tensors == limit) {
        throw new BackendException("no memory");
      }
      tensors++;
      return new Shape(DType.F32, rows, cols);
    }

    @Override
    public Tensor weight(Weight stored) {
      throw new UnsupportedOperationException();
    }

    @Override
    public Linear linear(List<Part> parts) {
      throw new UnsupportedOperationException();
    }

    @Override
    public long bytes() {
      return tensors;
    }

    @Override
    public void close() {
      closed = true;
    }
  }

  private final List<CountingMemory> memories = new ArrayList<>();
  private int limit = Integer.MAX_VALUE;
  private final Backend backend =
      (Backend)
          Proxy.newProxyInstance(
              Backend.class.getClassLoader(),
              new Class<?>[] {Backend.class},
              (proxy, method, arguments) -> {
                if (!method.getName().equals("newMemory")) {
                  throw new UnsupportedOperationException(method.getName());
                }
                CountingMemory memory = new CountingMemory();
                memory.limit = limit;
                memories.add(memory);
                return memory;
              });

  private KvCache cache(int capacity) {
    return new KvCache(backend, LAYERS, KV_HEADS, HEAD_DIM, capacity);
  }

  private List<Boolean> freed() {
    return memories.stream().map(memory -> memory.closed).toList();
  }

  @Test
  void room() {
    KvCache cache = cache(10);
    assertEquals(0, cache.length());
    assertEquals(10, cache.remaining());
    assertEquals(KV_HEADS * 10, cache.keys(LAYERS - 1).rows());
    assertEquals(HEAD_DIM, cache.values(0).cols());
    assertEquals(2 * LAYERS, cache.bytes());
    cache.advance(7);
    cache.advance(3);
    assertEquals(0, cache.remaining());
    cache.checkRoom(0);
    Throwable full = assertThrows(IllegalStateException.class, () -> cache.advance(1));
    assertEquals("K/V cache is full: 10 positions stored, room for 0, needed 1", full.getMessage());
    assertEquals(10, cache.length());
    cache.close();
  }

  @Test
  void truncate() {
    KvCache cache = cache(10);
    cache.advance(8);
    cache.truncate(8);
    assertEquals(8, cache.length());
    assertThrows(IllegalStateException.class, () -> cache.truncate(9));
    assertThrows(IllegalStateException.class, () -> cache.truncate(-1));
    cache.truncate(3);
    assertEquals(7, cache.remaining());
    cache.truncate(0);
    assertEquals(10, cache.remaining());
    cache.close();
  }

  @Test
  void aForkKeepsWhatItReliesOn() {
    KvCache root = cache(10);
    root.advance(6);
    KvCache early = root.fork(4);
    root.advance(2);
    KvCache late = root.fork(4);
    Throwable refused = assertThrows(IllegalStateException.class, () -> root.truncate(7));
    assertEquals("cannot cut a cache of 8 positions to 7", refused.getMessage());
    assertThrows(IllegalStateException.class, () -> early.truncate(5), "the ancestor's part");
    early.advance(3);
    early.truncate(6);
    root.advance(2);
    root.truncate(8);
    late.close();
    early.close();
    root.truncate(2);
    assertEquals(2, root.length());
    root.close();
  }

  /** What former forks relied on does not bind later ones. */
  @Test
  void afterTheLastForkTheCacheIsFreeAgain() {
    KvCache root = cache(10);
    root.advance(8);
    root.fork(1).close();
    root.truncate(2);
    KvCache fork = root.fork(1);
    root.advance(5);
    root.truncate(3);
    assertEquals(3, root.length());
    assertThrows(IllegalStateException.class, () -> root.truncate(1));
    fork.close();
    root.close();
    assertEquals(List.of(true, true, true), freed());
  }

  @Test
  void forksShareTheirPast() {
    KvCache root = cache(10);
    root.advance(6);
    KvCache fork = root.fork(5);
    root.advance(1);
    assertEquals(6, fork.length());
    assertEquals(6, fork.base());
    assertEquals(5, fork.remaining());
    assertEquals(5, fork.capacity());
    fork.advance(2);
    KvCache deep = fork.fork(3);
    fork.advance(2);
    assertEquals(3, deep.spans());
    assertSame(root, deep.span(0));
    assertSame(fork, deep.span(1));
    assertSame(deep, deep.span(2));
    assertEquals(6, deep.spanEnd(0, 100));
    assertEquals(8, deep.spanEnd(1, 100));
    assertEquals(100, deep.spanEnd(2, 100));
    assertEquals(4, deep.spanEnd(0, 4));
    assertEquals(4, deep.spanEnd(1, 4));
    assertThrows(IllegalStateException.class, () -> deep.advance(4));
    deep.advance(3);
    assertEquals(11, deep.length());
    List.of(deep, fork, root).forEach(KvCache::close);
  }

  /** In every order of closing, a cache's memory goes with the last cache that reads it. */
  @Test
  void memoryGoesWithTheLastReader() {
    int[] parent = {-1, 0, 0, 1, 3}; // a fork of a fork of a fork, and a sibling
    List<List<Integer>> orders = new ArrayList<>();
    permutations(new ArrayList<>(), parent.length, orders);
    assertEquals(120, orders.size());
    for (List<Integer> order : orders) {
      memories.clear();
      List<KvCache> caches = new ArrayList<>();
      for (int p : parent) {
        KvCache cache = p < 0 ? cache(4) : caches.get(p).fork(4);
        cache.advance(2);
        caches.add(cache);
      }
      boolean[] closed = new boolean[parent.length];
      for (int i : order) {
        caches.get(i).close();
        caches.get(i).close(); // a second time changes nothing
        closed[i] = true;
        for (int c = 0; c < parent.length; c++) {
          boolean read = false;
          for (int reader = c; reader < parent.length; reader++) {
            read |= !closed[reader] && descends(parent, reader, c);
          }
          assertEquals(!read, memories.get(c).closed, "cache " + c + ", closing " + order);
        }
      }
    }
  }

  private static boolean descends(int[] parent, int cache, int ancestor) {
    return cache == ancestor || (cache > 0 && descends(parent, parent[cache], ancestor));
  }

  private static void permutations(List<Integer> begun, int n, List<List<Integer>> all) {
    if (begun.size() == n) {
      all.add(List.copyOf(begun));
    }
    for (int i = 0; i < n; i++) {
      if (!begun.contains(i)) {
        begun.add(i);
        permutations(begun, n, all);
        begun.removeLast();
      }
    }
  }

  @Test
  void closedIsRefused() {
    KvCache cache = cache(4);
    KvCache fork = cache.fork(4);
    cache.close();
    assertThrows(IllegalStateException.class, () -> cache.fork(1));
    assertThrows(IllegalStateException.class, () -> cache.advance(1));
    assertThrows(IllegalStateException.class, () -> cache.truncate(0));
    assertThrows(IllegalStateException.class, () -> cache.checkRoom(0));
    assertThrows(IllegalStateException.class, () -> new Batch(1).add(cache, 1));
    fork.advance(4);
    fork.close();
    assertEquals(List.of(true, true), freed());
  }

  @Test
  void aCacheThatDoesNotFitLeavesNothing() {
    KvCache root = cache(4);
    root.advance(3);
    limit = 2 * LAYERS - 1;
    assertThrows(BackendException.class, () -> cache(4));
    assertThrows(BackendException.class, () -> root.fork(4));
    assertEquals(List.of(false, true, true), freed());
    root.truncate(0); // nobody relies on it
    root.close();
    assertTrue(memories.getFirst().closed);
  }
}
