package io.lrt4j.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.lrt4j.BackendException;
import io.lrt4j.CacheMemoryException;
import java.lang.reflect.Proxy;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

/** Who owns which blocks: growing, forking, cutting, giving back, and the cap on all of it. */
class KvCacheTest {
  private static final int LAYERS = 3;
  private static final int KV_HEADS = 2;
  private static final int HEAD_DIM = 4;
  private static final int BLOCK = 4;
  private static final int ROWS = 2 * LAYERS * KV_HEADS * BLOCK;
  private static final long BLOCK_BYTES = 4L * ROWS * HEAD_DIM;

  /** A block that knows what was copied into it. */
  private static final class Content implements Tensor {
    final int rows;
    final int cols;
    int number;

    Content(int rows, int cols, int number) {
      this.rows = rows;
      this.cols = cols;
      this.number = number;
    }

    @Override
    public DType dtype() {
      return DType.F32;
    }

    @Override
    public int rows() {
      return rows;
    }

    @Override
    public int cols() {
      return cols;
    }
  }

  private final class OneBlock implements Memory {
    boolean open = true;

    @Override
    public Tensor allocate(int rows, int cols) {
      if (broken) {
        throw new BackendException("no memory");
      }
      if (openBlocks() > device) {
        throw new DeviceMemoryException("the device is full");
      }
      return new Content(rows, cols, allocated++);
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
      return open ? BLOCK_BYTES : 0;
    }

    @Override
    public void close() {
      assertTrue(open, "freed twice");
      open = false;
    }
  }

  private final List<OneBlock> memories = new ArrayList<>();
  private int allocated;
  private boolean broken;
  private long device = Long.MAX_VALUE; // blocks that it has room for
  private final Backend backend =
      (Backend)
          Proxy.newProxyInstance(
              Backend.class.getClassLoader(),
              new Class<?>[] {Backend.class},
              (proxy, method, arguments) ->
                  switch (method.getName()) {
                    case "newMemory" -> {
                      memories.add(new OneBlock());
                      yield memories.getLast();
                    }
                    case "caches" -> arguments[0] != DType.F16;
                    case "name" -> "a backend";
                    case "copyRows" -> {
                      ((Content) arguments[2]).number = ((Content) arguments[0]).number;
                      assertEquals(ROWS, arguments[4]);
                      yield null;
                    }
                    default -> throw new UnsupportedOperationException(method.getName());
                  });

  private final CacheMemory memory = new CacheMemory(10 * BLOCK_BYTES);
  private final KvStore store = new KvStore(backend, LAYERS, KV_HEADS, HEAD_DIM, BLOCK, memory);

  private long openBlocks() {
    return memories.stream().filter(m -> m.open).count();
  }

  private static void append(KvCache cache, int rows) {
    cache.reserve(rows);
    cache.advance(rows);
  }

  private static int number(KvCache cache, int block) {
    return ((Content) cache.block(block)).number;
  }

  @Test
  void growsAsItIsWritten() {
    KvCache cache = store.newCache();
    assertEquals(0, cache.length());
    assertEquals(0, openBlocks());
    cache.reserve(0);
    assertEquals(0, cache.blocks());
    append(cache, 1);
    assertEquals(1, cache.blocks());
    assertEquals(ROWS, cache.block(0).rows());
    assertEquals(HEAD_DIM, cache.block(0).cols());
    assertThrows(IllegalStateException.class, () -> cache.advance(BLOCK));
    append(cache, 3);
    assertEquals(1, cache.blocks());
    append(cache, 9);
    assertEquals(4, cache.blocks());
    assertEquals(13, cache.length());
    assertEquals(4 * BLOCK_BYTES, memory.used());
    cache.close();
    store.close();
    assertEquals(0, openBlocks());
    assertEquals(0, memory.used());
  }

  /** Keys and values of every layer and head have rows of their own. */
  @Test
  void everyHeadHasItsRows() {
    KvCache cache = store.newCache();
    boolean[] taken = new boolean[ROWS];
    for (int layer = 0; layer < LAYERS; layer++) {
      for (int head = 0; head < KV_HEADS; head++) {
        for (int at : new int[] {cache.keyRow(layer, head), cache.valueRow(layer, head)}) {
          for (int row = at; row < at + cache.blockLength(); row++) {
            assertTrue(!taken[row], "row " + row);
            taken[row] = true;
          }
        }
      }
    }
    cache.close();
  }

  @Test
  void truncateGivesBlocksBack() {
    KvCache cache = store.newCache();
    append(cache, 10);
    cache.truncate(10);
    assertThrows(IllegalStateException.class, () -> cache.truncate(11));
    assertThrows(IllegalStateException.class, () -> cache.truncate(-1));
    cache.truncate(4);
    assertEquals(1, cache.blocks());
    Tensor first = cache.block(0);
    cache.truncate(3);
    append(cache, 1);
    assertSame(first, cache.block(0), "nobody else has it");
    cache.truncate(0);
    assertEquals(0, cache.blocks());
    append(cache, 5);
    assertEquals(3, openBlocks(), "blocks are used again");
    cache.close();
  }

  @Test
  void forksShareUntilTheyWrite() {
    KvCache root = store.newCache();
    append(root, 6);
    KvCache fork = root.fork();
    KvCache deep = fork.fork();
    assertEquals(6, deep.length());
    assertEquals(2, openBlocks());
    for (int i = 0; i < 2; i++) {
      assertSame(root.block(i), deep.block(i));
    }
    append(deep, 1);
    assertSame(root.block(0), deep.block(0));
    assertNotSame(root.block(1), deep.block(1));
    assertEquals(number(root, 1), number(deep, 1), "copied");
    append(root, 1);
    assertNotSame(root.block(1), fork.block(1));
    Tensor last = fork.block(1);
    append(fork, 1);
    assertSame(last, fork.block(1), "the last owner need not copy");
    assertEquals(4, openBlocks());
    root.close();
    fork.close();
    append(deep, 5);
    assertEquals(12, deep.length());
    deep.close();
    store.close();
    assertEquals(0, openBlocks());
  }

  @Test
  void aForkAtABlocksEndCopiesNothing() {
    KvCache root = store.newCache();
    append(root, 8);
    KvCache fork = root.fork();
    append(fork, 1);
    append(root, 1);
    assertEquals(4, openBlocks());
    for (int i = 0; i < 2; i++) {
      assertSame(root.block(i), fork.block(i));
    }
    root.truncate(5);
    append(root, 1);
    assertNotSame(root.block(1), fork.block(1), "what the other relies on stays as it is");
    root.close();
    fork.close();
  }

  /** What was in use lately is kept; what nobody has needed between two looks is not. */
  @Test
  void idleBlocksAreGivenBack() {
    int dim = 1 << 15; // 6 MiB a block
    long kept = KvStore.KEPT / (4L * ROWS * dim);
    var all = CacheMemory.unlimited();
    var large = new KvStore(backend, LAYERS, KV_HEADS, dim, BLOCK, all);
    KvCache cache = large.newCache();
    append(cache, 40 * BLOCK);
    cache.close();
    assertEquals(40, openBlocks());
    for (int round = 0; round < 3; round++) {
      cache = large.newCache();
      append(cache, 25 * BLOCK);
      cache.close();
      large.giveBack();
    }
    assertEquals(25, openBlocks(), "as many as were needed");
    assertEquals(40, allocated, "no new ones");
    large.giveBack();
    assertEquals(kept, openBlocks());
    large.close();
    assertEquals(0, openBlocks());
    assertEquals(0, all.used());
  }

  /** Random lives of forks of forks: what a sequence wrote stays its own, and all comes back. */
  @Test
  void nothingIsLostOrSharedWrongly() {
    SplittableRandom random = new SplittableRandom(7);
    var all = new CacheMemory(10_000 * BLOCK_BYTES);
    for (int trial = 0; trial < 200; trial++) {
      var big = new KvStore(backend, LAYERS, KV_HEADS, HEAD_DIM, BLOCK, all);
      List<KvCache> caches = new ArrayList<>(List.of(big.newCache()));
      for (int step = 0; step < 40; step++) {
        KvCache cache = caches.get(random.nextInt(caches.size()));
        switch (random.nextInt(5)) {
          case 0 -> caches.add(cache.fork());
          case 1 -> cache.truncate(random.nextInt(cache.length() + 1));
          case 2 -> {
            if (caches.size() > 1) {
              caches.remove(cache);
              cache.close();
              cache.close(); // a second time changes nothing
            }
          }
          default -> {
            int rows = 1 + random.nextInt(6);
            cache.reserve(rows);
            for (int p = cache.length(); p < cache.length() + rows; p++) {
              for (KvCache other : caches) {
                if (!other.equals(cache) && other.blocks() > p / BLOCK) {
                  assertNotSame(other.block(p / BLOCK), cache.block(p / BLOCK), "of another");
                }
              }
            }
            cache.advance(rows);
          }
        }
      }
      caches.forEach(KvCache::close);
      big.close();
      assertEquals(0, all.used());
    }
    assertEquals(0, openBlocks());
  }

  @Test
  void theCapIsOneClearException() {
    KvCache cache = store.newCache();
    append(cache, 9 * BLOCK);
    KvCache other = store.newCache();
    var refused =
        assertThrows(CacheMemoryException.class, () -> new Batch(1).add(other, 2 * BLOCK));
    assertEquals(
        "no room for more keys and values: 0.0 of 0.0 MiB (cacheMemory) are in use;"
            + " ask for fewer tokens, samples or answers at a time",
        refused.getMessage());
    assertEquals(0, other.length());
    append(other, BLOCK); // the block that did fit is used
    cache.close();
    append(other, 9 * BLOCK);
    other.close();
    assertEquals(10, openBlocks());
  }

  /** What one store keeps in reserve, another one can have. */
  @Test
  void storesShareTheMemory() {
    KvCache cache = store.newCache();
    append(cache, 10 * BLOCK);
    cache.close();
    assertEquals(10 * BLOCK_BYTES, memory.used());
    var second = new KvStore(backend, 1, KV_HEADS, HEAD_DIM, BLOCK, memory);
    KvCache other = second.newCache();
    append(other, 1);
    assertEquals(BLOCK_BYTES / LAYERS, memory.used());
    other.close();
    second.close();
    assertEquals(0, memory.used());
    assertEquals(10, store.capacity(BLOCK));
    assertEquals(5, store.capacity(BLOCK + 1));
  }

  /**
   * Where a device has less than the limit, what is in reserve is given back for what is needed.
   */
  @Test
  void aFullDeviceIsOneClearException() {
    device = 5;
    KvCache cache = store.newCache();
    append(cache, 3 * BLOCK);
    KvCache unused = store.newCache();
    append(unused, 2 * BLOCK);
    unused.close();
    var second = new KvStore(backend, 1, KV_HEADS, HEAD_DIM, BLOCK, memory);
    KvCache other = second.newCache();
    append(other, 2 * BLOCK);
    assertEquals(5, openBlocks());
    var refused = assertThrows(CacheMemoryException.class, () -> other.reserve(1));
    assertEquals(
        "no room for more keys and values: the device is full;"
            + " ask for fewer tokens, samples or answers at a time",
        refused.getMessage());
    assertEquals(5, openBlocks());
    assertEquals(3 * BLOCK_BYTES + 2 * BLOCK_BYTES / LAYERS, memory.used());
    cache.close();
    append(other, 1);
    other.close();
    second.close();
    store.close();
    assertEquals(0, openBlocks());
    assertEquals(0, memory.used());
  }

  @Test
  void aTypeThatTheBackendDoesNotHaveIsRefused() {
    var refused =
        assertThrows(
            BackendException.class,
            () -> new KvStore(backend, 1, 1, 2, BLOCK, new CacheMemory(Long.MAX_VALUE, DType.F16)));
    assertEquals(
        "backend a backend does not store keys and values in f16:"
            + " use --backend native, vector or scalar",
        refused.getMessage());
  }

  /** Heads that are no whole blocks of a type stay as they are. */
  @Test
  void headsThatAreNoWholeBlocksAreNotRounded() {
    var all = new CacheMemory(Long.MAX_VALUE, DType.Q8);
    assertEquals(DType.Q8, new KvStore(backend, LAYERS, KV_HEADS, 64, BLOCK, all).type());
    var odd = new KvStore(backend, LAYERS, KV_HEADS, 48, BLOCK, all);
    assertEquals(DType.F32, odd.type());
    append(odd.newCache(), 1);
    assertEquals(4L * ROWS * 48, all.used());
  }

  @Test
  void closedIsRefused() {
    KvCache cache = store.newCache();
    append(cache, 3);
    KvCache fork = cache.fork();
    cache.close();
    assertThrows(IllegalStateException.class, cache::fork);
    assertThrows(IllegalStateException.class, () -> cache.advance(1));
    assertThrows(IllegalStateException.class, () -> cache.truncate(0));
    assertThrows(IllegalStateException.class, () -> cache.reserve(0));
    assertThrows(IllegalStateException.class, () -> new Batch(1).add(cache, 1));
    store.close();
    append(fork, 1);
    assertThrows(IllegalStateException.class, () -> fork.reserve(1), "no more blocks");
    fork.close();
    assertEquals(0, openBlocks());
  }

  @Test
  void aBlockThatCannotBeMadeLeavesNothing() {
    KvCache cache = store.newCache();
    append(cache, 3);
    KvCache fork = cache.fork();
    broken = true;
    assertThrows(BackendException.class, () -> fork.reserve(1));
    assertThrows(BackendException.class, () -> cache.reserve(9));
    broken = false;
    assertEquals(BLOCK_BYTES, memory.used());
    assertEquals(1, openBlocks());
    append(fork, 1);
    append(cache, 9);
    fork.close();
    cache.close();
    store.close();
    assertEquals(0, openBlocks());
  }
}
