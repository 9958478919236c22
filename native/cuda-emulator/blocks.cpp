#include "blocks.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <sys/mman.h>
#include <vector>

#if !defined(__x86_64__) || defined(LRT_UCONTEXT)
#include <ucontext.h>
#endif

namespace {
constexpr size_t STACK = 128 << 10;
constexpr unsigned MAX_THREADS = 1024, WARP = 32;
constexpr uint64_t CANARY = 0xC0FFEE5EA1EDF00D;
constexpr size_t SHARED_GUARD = 1024;

// --- switching from one stack to another ---
#if defined(__x86_64__) && !defined(LRT_UCONTEXT)
struct Context {
  void *sp;
};
// Keeps what a call must preserve on the stack that is left, and takes it from the one that is entered.
extern "C" void lrtSwitch(void **save, void *to);
asm(R"(
.text
.type lrtSwitch, @function
lrtSwitch:
  pushq %rbp
  pushq %rbx
  pushq %r12
  pushq %r13
  pushq %r14
  pushq %r15
  movq %rsp, (%rdi)
  movq %rsi, %rsp
  popq %r15
  popq %r14
  popq %r13
  popq %r12
  popq %rbx
  popq %rbp
  ret
.size lrtSwitch, .-lrtSwitch
)");
void switchTo(Context &from, Context &to) { lrtSwitch(&from.sp, to.sp); }
void prepare(Context &context, char *stack, size_t size, void (*entry)()) {
  auto *top = reinterpret_cast<uint64_t *>(stack + size);
  *--top = 0; // where the entry would return to; also aligns the stack as after a call
  *--top = reinterpret_cast<uint64_t>(entry);
  for (int i = 0; i < 6; i++) {
    *--top = 0;
  }
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

enum class State { Ready, AtBarrier, InWarp, Ended };

struct Fiber {
  EmulatedThread thread;
  Context context;
  State state;
  unsigned mask, source;
  WarpOperation operation;
  uint64_t value;
};

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

struct Machine {
  Emulator shown{};
  Context scheduler;
  std::vector<Fiber> fibers{MAX_THREADS};
  char *stacks;
  std::vector<char> shared;
  unsigned threads = 0, alive = 0, atBarrier = 0;
  Fiber *running = nullptr;
  const Launch *launch = nullptr;
  std::string error;

  Machine() : shared(MAX_SHARED + 2 * SHARED_GUARD) {
    void *all = mmap(nullptr, MAX_THREADS * STACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    stacks = all == MAP_FAILED ? nullptr : static_cast<char *>(all);
  }
  char *stack(unsigned thread) { return stacks + thread * STACK; }
  uint64_t &canary(unsigned thread) { return *reinterpret_cast<uint64_t *>(stack(thread)); }
};

Machine &machine() {
  static Machine it;
  return it;
}

// Back to the scheduler, until it comes here again.
void yield() {
  Machine &m = machine();
  switchTo(m.running->context, m.scheduler);
}

// Ends the launch: the scheduler does not come back to any of its threads.
void fail(const std::string &what) {
  Machine &m = machine();
  if (m.error.empty()) {
    m.error = what;
  }
  yield();
}

void releaseBarrier(Machine &m) {
  if (m.atBarrier > 0 && m.atBarrier == m.alive) {
    for (unsigned i = 0; i < m.threads; i++) {
      if (m.fibers[i].state == State::AtBarrier) {
        m.fibers[i].state = State::Ready;
      }
    }
    m.atBarrier = 0;
  }
}

void syncThreads() {
  Machine &m = machine();
  m.running->state = State::AtBarrier;
  m.atBarrier++;
  releaseBarrier(m);
  if (m.running->state == State::AtBarrier) {
    yield();
  }
}

uint64_t exchange(unsigned mask, WarpOperation operation, uint64_t value, unsigned source) {
  Machine &m = machine();
  Fiber &self = *m.running;
  unsigned first = unsigned(&self - m.fibers.data()) / WARP * WARP;
  if (!(mask >> self.thread.lane & 1)) {
    fail("a thread is not in the mask of its own warp operation");
  }
  if (operation == WarpOperation::Shuffle && !(mask >> source & 1)) {
    fail("a shuffle from a lane that is not in its mask");
  }
  self.state = State::InWarp;
  self.mask = mask;
  self.operation = operation;
  self.value = value;
  self.source = source;
  uint64_t ballot = 0;
  bool complete = true;
  for (unsigned lane = 0; lane < WARP; lane++) {
    if (mask >> lane & 1) {
      Fiber &f = m.fibers[first + lane];
      if (first + lane >= m.threads || f.state == State::Ended) {
        fail("a warp operation waits for a thread that has ended or never was");
      }
      complete = complete && f.state == State::InWarp && f.mask == mask && f.operation == operation;
      ballot |= uint64_t(f.value != 0) << lane;
    }
  }
  if (!complete) {
    yield();
    return self.value;
  }
  uint64_t values[WARP];
  for (unsigned lane = 0; lane < WARP; lane++) {
    values[lane] = mask >> lane & 1 ? m.fibers[first + lane].value : 0;
  }
  for (unsigned lane = 0; lane < WARP; lane++) {
    if (mask >> lane & 1) {
      Fiber &f = m.fibers[first + lane];
      f.value = operation == WarpOperation::Ballot ? ballot : values[f.source];
      f.state = State::Ready;
    }
  }
  return self.value;
}

void entry() {
  Machine &m = machine();
  m.launch->kernel->invoke(m.launch->parameters);
  m.running->state = State::Ended;
  m.alive--;
  releaseBarrier(m);
  yield();
}

void runBlock(Machine &m, const Launch &launch, Random &random, bool shuffled) {
  EmulatedIndex b = launch.block;
  m.threads = m.alive = b.x * b.y * b.z;
  m.atBarrier = 0;
  std::memset(launch.module->shared, 0xFF, launch.module->sharedEnd - launch.module->shared);
  std::memset(m.shared.data(), 0xFF, launch.dynamicShared + 2 * SHARED_GUARD);
  for (unsigned i = 0; i < m.threads; i++) {
    Fiber &f = m.fibers[i];
    f.thread = {{i % b.x, i / b.x % b.y, i / b.x / b.y}, i % WARP};
    f.state = State::Ready;
    m.canary(i) = CANARY;
    prepare(f.context, m.stack(i), STACK, entry);
  }
  unsigned warps = (m.threads + WARP - 1) / WARP;
  std::vector<unsigned> warpOrder(warps), laneOrder(WARP);
  std::iota(warpOrder.begin(), warpOrder.end(), 0u);
  std::iota(laneOrder.begin(), laneOrder.end(), 0u);
  while (m.alive > 0) {
    bool progress = false;
    if (shuffled) {
      random.shuffle(warpOrder);
      random.shuffle(laneOrder);
    }
    for (unsigned warp : warpOrder) {
      bool moved;
      do {
        moved = false;
        for (unsigned lane : laneOrder) {
          unsigned i = warp * WARP + lane;
          if (i >= m.threads || m.fibers[i].state != State::Ready) {
            continue;
          }
          m.running = &m.fibers[i];
          m.shown.thread = &m.running->thread;
          switchTo(m.scheduler, m.running->context);
          if (!m.error.empty()) {
            return;
          }
          if (m.canary(i) != CANARY) {
            m.error = "a thread's stack overflowed";
            return;
          }
          moved = progress = true;
        }
      } while (moved);
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
  m.error.clear();
  m.shown.blockDim = launch.block;
  m.shown.gridDim = launch.grid;
  m.shown.dynamicShared = m.shared.data() + SHARED_GUARD;
  m.shown.syncThreads = syncThreads;
  m.shown.exchange = exchange;
  EmulatedIndex g = launch.grid;
  std::vector<uint64_t> blocks(uint64_t(g.x) * g.y * g.z);
  std::iota(blocks.begin(), blocks.end(), 0);
  Random random{order};
  if (order != 0) {
    random.shuffle(blocks);
  }
  for (uint64_t i : blocks) {
    m.shown.blockIdx = {unsigned(i % g.x), unsigned(i / g.x % g.y), unsigned(i / g.x / g.y)};
    runBlock(m, launch, random, order != 0);
    if (!m.error.empty()) {
      return m.error;
    }
  }
  return {};
}
