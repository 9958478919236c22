#include "blocks.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <numeric>
#include <sys/mman.h>
#include <utility>
#include <vector>

#if !defined(__x86_64__) || defined(LRT_UCONTEXT)
#include <ucontext.h>
#endif

namespace {
constexpr unsigned MAX_THREADS = 1024, WARP = 32, MAX_WARPS = MAX_THREADS / WARP;
constexpr size_t STACK = (16 << 10) + 320; // not a power of two: their tops must not meet in the same lines of caches
constexpr size_t STACKS = WARP * STACK;    // of a warp
constexpr uint64_t CANARY = 0xC0FFEE5EA1EDF00D;
constexpr size_t SHARED_GUARD = 1024;

// --- switching from one stack to another ---
#if defined(__x86_64__) && !defined(LRT_UCONTEXT)
struct Context {
  void *sp;
};
// Part of the function that it is used in, without a call or a return of its own: those of all lanes that are at the same
// place then go where the processor thinks that they go.
[[gnu::always_inline]] inline void switchTo(Context &from, Context &to) {
  void **save = &from.sp, *sp = to.sp;
  asm volatile("leaq -128(%%rsp), %%rsp\n" // what a function may use below its stack
               "pushq %%rbp\n"
               "leaq 1f(%%rip), %%rax\n"
               "pushq %%rax\n"
               "movq %%rsp, (%0)\n"
               "movq %1, %%rsp\n"
               "popq %%rax\n"
               "popq %%rbp\n"
               "leaq 128(%%rsp), %%rsp\n"
               "jmp *%%rax\n"
               "1:\n"
               : "+D"(save), "+S"(sp)
               :
               : "rax", "rbx", "rcx", "rdx", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc", "memory", "xmm0", "xmm1",
                 "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14",
                 "xmm15"
#ifdef __AVX512F__
                 ,
                 "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22", "xmm23", "xmm24", "xmm25", "xmm26", "xmm27",
                 "xmm28", "xmm29", "xmm30", "xmm31", "k1", "k2", "k3", "k4", "k5", "k6", "k7"
#endif
  );
}
void prepare(Context &context, char *stack, size_t size, void (*entry)()) {
  auto *top = reinterpret_cast<uint64_t *>(stack + size);
  *--top = 0; // where the entry would return to; also aligns the stack as after a call
  top -= 128 / sizeof *top;
  *--top = 0;
  *--top = reinterpret_cast<uint64_t>(entry);
  context.sp = top;
}
#else
struct Context {
  ucontext_t u;
};
void switchTo(Context &from, Context &to) { swapcontext(&from.u, &to.u); }
void prepare(Context &context, char *stack, size_t size, void (*entry)()) {
  getcontext(&context.u);
  context.u.uc_stack.ss_sp = stack;
  context.u.uc_stack.ss_size = size;
  context.u.uc_link = nullptr;
  makecontext(&context.u, entry, 0);
}
#endif

struct Random {
  uint64_t state;
  uint64_t next() { // splitmix64
    uint64_t z = state += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return z ^ z >> 31;
  }
  template <class T> void shuffle(std::vector<T> &v) {
    for (size_t i = v.size(); i > 1; i--) {
      std::swap(v[i - 1], v[next() % i]);
    }
  }
};

// Sets of lanes have a bit for each.
struct Warp {
  unsigned ready, atBarrier;
  unsigned arrived, ended; // at the warp operation under way, and past their last instruction
  char *stacks;            // while it runs
  unsigned masks[WARP], operations[WARP], sources[WARP];
  uint64_t values[WARP], results[WARP];
  Context contexts[WARP];
};

struct Machine {
  Emulator shown{};
  Context scheduler;
  Warp warps[MAX_WARPS];
  EmulatedThread threads[MAX_THREADS];
  char *stacks;
  std::vector<char *> free; // stacks of warps
  std::vector<char> shared;
  unsigned alive = 0, atBarrier = 0;
  Warp *warp = nullptr; // that is running, and its lane
  unsigned lane = 0;
  Random random{};
  bool shuffled = false;
  const Launch *launch = nullptr;
  std::string error;

  Machine() : shared(MAX_SHARED + 2 * SHARED_GUARD) {
    void *all = mmap(nullptr, MAX_WARPS * STACKS, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    stacks = all == MAP_FAILED ? nullptr : static_cast<char *>(all);
    if (stacks != nullptr) {
      madvise(stacks, MAX_WARPS * STACKS, MADV_HUGEPAGE);
    }
  }
};

Machine theMachine;
Machine &machine() { return theMachine; }

uint64_t &canary(char *stacks, unsigned lane) { return *reinterpret_cast<uint64_t *>(stacks + lane * STACK); }

// A lane that can go on; there is one.
unsigned choose(Machine &m, unsigned ready) {
  unsigned from = m.shuffled ? m.random.next() % WARP : 0;
  return (std::countr_zero(std::rotr(ready, int(from))) + from) % WARP;
}

// From a lane that cannot go on to one that can, or to the scheduler if its warp has none; until it comes back.
[[gnu::always_inline]] inline void leave(Machine &m, Warp &w, Context &from) {
  if (w.ready == 0) {
    switchTo(from, m.scheduler);
    return;
  }
  unsigned lane = choose(m, w.ready);
  m.lane = lane;
  m.shown.thread = m.threads + (&w - m.warps) * WARP + lane;
  switchTo(from, w.contexts[lane]);
}

// Ends the launch: the scheduler does not come back to any of its threads.
[[gnu::cold]] void fail(const char *what) {
  Machine &m = machine();
  m.error = what;
  switchTo(m.warp->contexts[m.lane], m.scheduler);
}

void releaseBarrier(Machine &m) {
  if (m.atBarrier > 0 && m.atBarrier == m.alive) {
    for (Warp &w : m.warps) {
      w.ready |= std::exchange(w.atBarrier, 0);
    }
    m.atBarrier = 0;
  }
}

void syncThreads() {
  Machine &m = machine();
  Warp &w = *m.warp;
  unsigned self = 1u << m.lane;
  w.ready &= ~self;
  w.atBarrier |= self;
  m.atBarrier++;
  releaseBarrier(m);
  if (w.atBarrier & self) {
    leave(m, w, w.contexts[m.lane]);
  }
}

// Does a warp operation whose lanes have all come.
[[gnu::noinline]] void complete(Warp &w, unsigned mask, WarpOperation operation) {
  unsigned others = 0, ballot = 0;
  for (unsigned i = 0; i < WARP; i++) {
    unsigned in = 0u - (mask >> i & 1);
    others |= in & ((w.masks[i] ^ mask) | (w.operations[i] ^ unsigned(operation)));
  }
  if (others != 0) {
    fail("lanes of a warp are at different operations");
  }
  if (operation == WarpOperation::Ballot) {
    for (unsigned i = 0; i < WARP; i++) {
      ballot |= unsigned(w.values[i] != 0) << i;
    }
    for (unsigned i = 0; i < WARP; i++) {
      w.results[i] = mask >> i & 1 ? ballot & mask : w.results[i];
    }
  } else if (mask == ~0u) {
    for (unsigned i = 0; i < WARP; i++) {
      w.results[i] = w.values[w.sources[i]];
    }
  } else {
    for (unsigned left = mask; left != 0; left &= left - 1) {
      unsigned i = std::countr_zero(left);
      w.results[i] = w.values[w.sources[i]];
    }
  }
  w.ready |= mask;
  w.arrived &= ~mask;
}

// Of all lanes in the mask, the last to come does it for all.
uint64_t exchange(unsigned mask, WarpOperation operation, uint64_t value, unsigned source) {
  Machine &m = machine();
  Warp &w = *m.warp;
  unsigned lane = m.lane;
  if (!(mask >> lane & 1)) {
    fail("a thread is not in the mask of its own warp operation");
  }
  if (operation == WarpOperation::Shuffle && !(mask >> source & 1)) {
    fail("a shuffle from a lane that is not in its mask");
  }
  if (w.ended & mask) {
    fail("a warp operation waits for a thread that has ended or never was");
  }
  w.masks[lane] = mask;
  w.operations[lane] = unsigned(operation);
  w.values[lane] = value;
  w.sources[lane] = source;
  w.arrived |= 1u << lane;
  if ((w.arrived & mask) != mask) {
    w.ready &= ~(1u << lane);
    leave(m, w, w.contexts[lane]);
    return m.warp->results[m.lane];
  }
  complete(w, mask, operation);
  return w.results[lane];
}

void entry() {
  machine().launch->kernel->invoke(machine().launch->parameters);
  Machine &m = machine();
  Warp &w = *m.warp;
  unsigned self = 1u << m.lane;
  w.ready &= ~self;
  w.ended |= self;
  m.alive--;
  releaseBarrier(m);
  leave(m, w, w.contexts[m.lane]);
}

// Lets a warp run until all of its threads wait or have ended.
void runWarp(Machine &m, Warp &w) {
  if (w.stacks == nullptr) {
    w.stacks = m.free.back();
    m.free.pop_back();
    for (unsigned lane = 0; lane < WARP; lane++) {
      canary(w.stacks, lane) = CANARY;
      prepare(w.contexts[lane], w.stacks + lane * STACK, STACK, entry);
    }
  }
  m.warp = &w;
  leave(m, w, m.scheduler);
  if (w.ended == ~0u && m.error.empty()) {
    for (unsigned lane = 0; lane < WARP; lane++) {
      if (canary(w.stacks, lane) != CANARY) {
        m.error = "a thread's stack overflowed";
      }
    }
    m.free.push_back(w.stacks);
  }
}

void runBlock(Machine &m, const Launch &launch) {
  unsigned threads = m.alive = launch.block.x * launch.block.y * launch.block.z;
  m.atBarrier = 0;
  std::memset(launch.module->shared, 0xFF, launch.module->sharedEnd - launch.module->shared);
  std::memset(m.shared.data(), 0xFF, launch.dynamicShared + 2 * SHARED_GUARD);
  m.free.clear();
  for (unsigned i = MAX_WARPS; i > 0; i--) {
    m.free.push_back(m.stacks + (i - 1) * STACKS);
  }
  unsigned warps = (threads + WARP - 1) / WARP;
  for (unsigned i = 0; i < MAX_WARPS; i++) {
    Warp &w = m.warps[i];
    w.ready = i >= warps ? 0 : i + 1 == warps && threads % WARP != 0 ? ~(~0u << threads % WARP) : ~0u;
    w.ended = ~w.ready;
    w.atBarrier = w.arrived = 0;
    w.stacks = nullptr;
  }
  std::vector<unsigned> order(warps);
  std::iota(order.begin(), order.end(), 0u);
  while (m.alive > 0) {
    bool progress = false;
    if (m.shuffled) {
      m.random.shuffle(order);
    }
    for (unsigned i : order) {
      if (m.warps[i].ready != 0) {
        runWarp(m, m.warps[i]);
        if (!m.error.empty()) {
          return;
        }
        progress = true;
      }
    }
    if (!progress) {
      m.error = "threads wait at a barrier that others do not reach";
      return;
    }
  }
  const char *guard = m.shared.data();
  const char *behind = guard + SHARED_GUARD + launch.dynamicShared;
  for (size_t i = 0; i < SHARED_GUARD; i++) {
    if (guard[i] != char(0xFF) || behind[i] != char(0xFF)) {
      m.error = "a write outside the dynamic shared memory";
      return;
    }
  }
}
} // namespace

const Emulator *emulator() { return &machine().shown; }

std::string runLaunch(const Launch &launch, uint64_t order) {
  Machine &m = machine();
  if (m.stacks == nullptr) {
    return "no memory for the stacks of threads";
  }
  m.launch = &launch;
  EmulatedIndex size = launch.block;
  for (unsigned i = 0; i < size.x * size.y * size.z; i++) {
    m.threads[i] = {{i % size.x, i / size.x % size.y, i / size.x / size.y}, i % WARP};
  }
  m.error.clear();
  m.shown.blockDim = launch.block;
  m.shown.gridDim = launch.grid;
  m.shown.dynamicShared = m.shared.data() + SHARED_GUARD;
  m.shown.syncThreads = syncThreads;
  m.shown.exchange = exchange;
  EmulatedIndex g = launch.grid;
  std::vector<uint64_t> blocks(uint64_t(g.x) * g.y * g.z);
  std::iota(blocks.begin(), blocks.end(), 0);
  m.random = {order};
  m.shuffled = order != 0;
  if (m.shuffled) {
    m.random.shuffle(blocks);
  }
  for (uint64_t i : blocks) {
    m.shown.blockIdx = {unsigned(i % g.x), unsigned(i / g.x % g.y), unsigned(i / g.x / g.y)};
    runBlock(m, launch);
    if (!m.error.empty()) {
      return m.error;
    }
  }
  return {};
}
