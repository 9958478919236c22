package io.lrt4j.compute;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotSame;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.lrt4j.CacheMemoryException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Which blocks of which beginnings are found, whose they are, and what becomes of them. */
class PrefixCacheTest {
  private static final int BLOCK = 16;
  private static final int BLOCK_BYTES = 4 * 2 * BLOCK * 4;
  private static final int FEW = PrefixCache.LEAST;

  private final Backend backend = Backends.open("scalar", 1);
  private final CacheMemory memory = new CacheMemory(3 * BLOCK_BYTES);
  private final KvStore store = new KvStore(backend, 1, 1, 4, BLOCK, memory);
  private final PrefixCache prefixes =
      new PrefixCache(backend, store, memory, 0, Long.MAX_VALUE / 2);

  @AfterEach
  void close() {
    prefixes.close();
    store.close();
    assertEquals(0, memory.used());
    backend.close();
  }

  private static int[] tokens(int n) {
    return IntStream.range(0, n).toArray();
  }

  private static void append(KvCache cache, int rows) {
    cache.reserve(rows);
    cache.advance(rows);
  }

  /** A sequence that has been read and is known. */
  private KvCache read(int[] tokens) {
    KvCache cache = store.newCache();
    int known = prefixes.restore(tokens, cache, null);
    append(cache, tokens.length - known);
    prefixes.keep(tokens, cache, null);
    return cache;
  }

  private int known(int[] tokens) {
    try (KvCache cache = store.newCache()) {
      int known = prefixes.restore(tokens, cache, null);
      assertEquals(known, cache.length());
      assertEquals(Math.ceilDiv(known, BLOCK), cache.blocks());
      return known;
    }
  }

  @Test
  void isFoundByItsBeginning() {
    int[] tokens = tokens(BLOCK + 12);
    read(tokens).close();
    int n = tokens.length;
    assertEquals(n, known(tokens(n + 5)));
    assertEquals(n - 1, known(tokens));
    assertEquals(BLOCK + FEW, known(tokens(BLOCK + FEW + 1)));
    assertEquals(BLOCK, known(tokens(BLOCK + FEW)), "few are read again");
    assertEquals(BLOCK - 1, known(tokens(BLOCK)), "the last one always is");
    assertEquals(FEW, known(tokens(FEW + 1)));
    assertEquals(0, known(tokens(FEW)));
    for (int i = 0; i < n; i++) {
      int[] other = tokens(n + 1);
      other[i] = 99;
      int expected = i % BLOCK < FEW ? i / BLOCK * BLOCK : i;
      assertEquals(expected, known(other), "other at " + i);
    }
  }

  /** Of several that begin alike, the one that has most in common. */
  @Test
  void theNearestIsFound() {
    for (int last : new int[] {3, 99}) { // below and above the others
      int[] longer = tokens(14);
      longer[13] = last;
      int[] shorter = tokens(12);
      shorter[10] = 50;
      read(longer).close();
      read(shorter).close();
      assertEquals(13, known(tokens(15)));
      assertEquals(2, prefixes.size());
      prefixes.evict();
      prefixes.evict();
    }
  }

  /** Whoever was first writes on in his block; others have copies, and none if nobody is left. */
  @Test
  void theFirstOwnerNeedNotCopy() {
    KvCache first = read(tokens(10));
    Tensor block = first.block(0);
    append(first, 1);
    assertSame(block, first.block(0));
    KvCache second = store.newCache();
    assertEquals(9, prefixes.restore(tokens(10), second, null));
    assertSame(block, second.block(0));
    append(second, 1);
    assertNotSame(block, second.block(0));
    first.truncate(10);
    append(first, 1);
    assertNotSame(block, first.block(0), "what is known stays as it is");
    first.close();
    second.close();
    assertEquals(9, known(tokens(10)));
  }

  /** A copy for which there is no memory need not be made if only beginnings stand in its way. */
  @Test
  void aBeginningGivesWayToItsSuccessor() {
    read(tokens(10)).close();
    KvCache other = store.newCache();
    append(other, 2 * BLOCK);
    KvCache next = store.newCache();
    assertEquals(9, prefixes.restore(tokens(10), next, null));
    Tensor block = next.block(0);
    append(next, 1);
    assertSame(block, next.block(0));
    assertEquals(0, prefixes.size());
    KvCache fork = next.fork();
    assertThrows(CacheMemoryException.class, () -> fork.reserve(1));
    fork.close();
    next.close();
    other.close();
  }

  /**
   * What begins with something has been used as lately as that: the end of a sequence goes first.
   */
  @Test
  void theEndGoesFirst() {
    read(tokens(2 * BLOCK + 10)).close();
    assertEquals(3, prefixes.size());
    prefixes.evict();
    assertEquals(2 * BLOCK, known(tokens(3 * BLOCK)));
    prefixes.evict();
    assertEquals(BLOCK, known(tokens(3 * BLOCK)));
  }

  /** What needs more than one block gets as many as it takes, and no more are forgotten. */
  @Test
  void asManyGoAsAreInTheWay() {
    read(tokens(3 * BLOCK)).close();
    memory.take(2 * BLOCK_BYTES);
    assertEquals(1, prefixes.size());
    memory.give(2 * BLOCK_BYTES);
  }
}
