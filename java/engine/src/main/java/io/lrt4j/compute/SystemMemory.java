package io.lrt4j.compute;

import java.lang.foreign.Arena;
import java.lang.foreign.FunctionDescriptor;
import java.lang.foreign.Linker;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.SymbolLookup;
import java.lang.foreign.ValueLayout;
import java.lang.invoke.MethodHandle;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Large blocks of memory outside the Java heap, straight from the operating system: they go back to
 * it when their arena closes (an allocator keeps what it was given), they are zeros that cost
 * nothing until they are written, and on Linux they come in large pages where the system has them,
 * which also read faster. Where that cannot be had (Windows, or native access is not enabled for
 * lrt4j) they are an arena's ordinary memory.
 */
public final class SystemMemory {
  /** Blocks below this are an arena's ordinary memory. */
  private static final long LARGE = 1 << 20;

  private static final long HUGE_PAGE = 2 << 20;

  private SystemMemory() {}

  /**
   * A block of zeros, freed with the arena.
   *
   * @param alignment a power of two, at most 4096
   * @throws OutOfMemoryError if the system has no such block
   */
  public static MemorySegment allocate(long bytes, long alignment, Arena arena) {
    Calls calls = bytes < LARGE ? null : Calls.get();
    return calls == null ? arena.allocate(bytes, alignment) : calls.allocate(bytes, arena);
  }

  /**
   * Gives the pages of a part of such a block back to the system, as far as it has whole ones; what
   * was in them is lost. Elsewhere than on Linux nothing happens.
   */
  public static void release(MemorySegment part) {
    Calls calls = Calls.get();
    if (calls != null) {
      calls.release(part);
    }
  }

  /** The system's calls; there are none where they are not known or not allowed. */
  private record Calls(
      MethodHandle mmap, MethodHandle munmap, @Nullable MethodHandle madvise, int anonymous) {
    private static final int READ_WRITE = 3;
    private static final int PRIVATE = 2;
    private static final int HUGE_PAGES = 14; // MADV_HUGEPAGE
    private static final int NOT_NEEDED = 4; // MADV_DONTNEED
    private static final int PAGE = 4096;

    private static final class Found {
      static final @Nullable Calls CALLS = find();
    }

    static @Nullable Calls get() {
      // Asked each time: before it is enabled, a call would print a warning.
      return SystemMemory.class.getModule().isNativeAccessEnabled() ? Found.CALLS : null;
    }

    @SuppressWarnings("restricted") // asked for above
    private static @Nullable Calls find() {
      String os = System.getProperty("os.name", "").toLowerCase(Locale.ROOT);
      boolean linux = os.equals("linux");
      if (!linux && !os.startsWith("mac")) {
        return null;
      }
      Linker linker = Linker.nativeLinker();
      SymbolLookup library = linker.defaultLookup();
      var address = ValueLayout.ADDRESS;
      var number = ValueLayout.JAVA_LONG;
      var small = ValueLayout.JAVA_INT;
      MethodHandle mmap =
          linker.downcallHandle(
              library.findOrThrow("mmap"),
              FunctionDescriptor.of(address, address, number, small, small, small, number));
      MethodHandle munmap =
          linker.downcallHandle(
              library.findOrThrow("munmap"), FunctionDescriptor.of(small, address, number));
      MethodHandle madvise =
          linux
              ? linker.downcallHandle(
                  library.findOrThrow("madvise"),
                  FunctionDescriptor.of(small, address, number, small))
              : null;
      return new Calls(mmap, munmap, madvise, linux ? 0x20 : 0x1000);
    }

    @SuppressWarnings("restricted") // as above
    MemorySegment allocate(long bytes, Arena arena) {
      long slack = bytes >= 4 * HUGE_PAGE ? HUGE_PAGE : 0; // to begin at a large page
      long size = Math.addExact(bytes, slack);
      MemorySegment mapped = map(size);
      if (mapped.address() == -1) {
        throw new OutOfMemoryError("the system has no block of " + size + " bytes");
      }
      MemorySegment all = mapped.reinterpret(size, arena, this::unmap);
      MemorySegment block = all.asSlice(slack == 0 ? 0 : -all.address() & (HUGE_PAGE - 1), bytes);
      if (slack > 0) {
        advise(block.asSlice(0, bytes & -HUGE_PAGE), HUGE_PAGES);
      }
      return block;
    }

    private MemorySegment map(long size) {
      try {
        return (MemorySegment)
            mmap.invokeExact(MemorySegment.NULL, size, READ_WRITE, PRIVATE | anonymous, -1, 0L);
      } catch (Throwable e) {
        throw new AssertionError("a C function throws nothing", e);
      }
    }

    private void unmap(MemorySegment all) {
      try {
        int _ = (int) munmap.invokeExact(all, all.byteSize());
      } catch (Throwable e) {
        throw new AssertionError("a C function throws nothing", e);
      }
    }

    void release(MemorySegment part) {
      long first = -part.address() & (PAGE - 1);
      long bytes = (part.byteSize() - first) & -PAGE;
      if (bytes > 0) {
        advise(part.asSlice(first, bytes), NOT_NEEDED);
      }
    }

    /** Only a hint: a kernel that knows no large pages says so, and that is all right. */
    private void advise(MemorySegment pages, int advice) {
      if (madvise == null) {
        return;
      }
      try {
        int _ = (int) madvise.invokeExact(pages, pages.byteSize(), advice);
      } catch (Throwable e) {
        throw new AssertionError("a C function throws nothing", e);
      }
    }
  }
}
