// libcuda.so.1 that runs on the CPU, for tests: the functions of the CUDA driver API that lrt4j calls, and no others.
// Work given to a stream is done as late as the API allows (when somebody waits for it), so that a missing wait is
// seen; every allocation is surrounded by guards, poisoned when it is new and when it is freed.
#include "blocks.h"
#include "work.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <dlfcn.h>
#include <elf.h>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <sys/mman.h>
#include <unistd.h>
#include <vector>

#define API extern "C" __attribute__((visibility("default"))) int

namespace {
enum Result {
  SUCCESS = 0,
  INVALID_VALUE = 1,
  OUT_OF_MEMORY = 2,
  NOT_INITIALIZED = 3,
  NO_DEVICE = 100,
  INVALID_DEVICE = 101,
  INVALID_IMAGE = 200,
  INVALID_CONTEXT = 201,
  NO_BINARY_FOR_GPU = 209,
  INVALID_HANDLE = 400,
  NOT_FOUND = 500,
  NOT_READY = 600,
  ILLEGAL_ADDRESS = 700,
  LAUNCH_OUT_OF_RESOURCES = 701,
  LAUNCH_FAILED = 719,
  STREAM_CAPTURE_UNSUPPORTED = 900,
};
const std::map<int, std::pair<const char *, const char *>> RESULTS = {
    {SUCCESS, {"CUDA_SUCCESS", "no error"}},
    {INVALID_VALUE, {"CUDA_ERROR_INVALID_VALUE", "invalid argument"}},
    {OUT_OF_MEMORY, {"CUDA_ERROR_OUT_OF_MEMORY", "out of memory"}},
    {NOT_INITIALIZED, {"CUDA_ERROR_NOT_INITIALIZED", "initialization error"}},
    {NO_DEVICE, {"CUDA_ERROR_NO_DEVICE", "no CUDA-capable device is detected"}},
    {INVALID_DEVICE, {"CUDA_ERROR_INVALID_DEVICE", "invalid device ordinal"}},
    {INVALID_IMAGE, {"CUDA_ERROR_INVALID_IMAGE", "device kernel image is invalid"}},
    {INVALID_CONTEXT, {"CUDA_ERROR_INVALID_CONTEXT", "invalid device context"}},
    {NO_BINARY_FOR_GPU, {"CUDA_ERROR_NO_BINARY_FOR_GPU", "no kernel image is available for execution on the device"}},
    {INVALID_HANDLE, {"CUDA_ERROR_INVALID_HANDLE", "invalid resource handle"}},
    {NOT_FOUND, {"CUDA_ERROR_NOT_FOUND", "named symbol not found"}},
    {NOT_READY, {"CUDA_ERROR_NOT_READY", "device not ready"}},
    {ILLEGAL_ADDRESS, {"CUDA_ERROR_ILLEGAL_ADDRESS", "an illegal memory access was encountered"}},
    {LAUNCH_OUT_OF_RESOURCES, {"CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES", "too many resources requested for launch"}},
    {LAUNCH_FAILED, {"CUDA_ERROR_LAUNCH_FAILED", "unspecified launch failure"}},
    {STREAM_CAPTURE_UNSUPPORTED, {"CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED", "operation not permitted when stream is capturing"}},
};

constexpr size_t GUARD = 512;
constexpr unsigned char POISON = 0xFF; // a NaN in every floating-point type
constexpr size_t DEFAULT_SHARED = 48 << 10;
constexpr uint32_t FATBIN = 0xBA55ED50;

using Work = std::function<int()>;

struct Stream {
  bool blocking;
  std::deque<Work> queue;
  std::vector<Work> *capture = nullptr; // where work goes instead, while capturing
};
struct Event {
  Stream *stream = nullptr;
  std::shared_ptr<bool> done = std::make_shared<bool>(true);
  double millis = 0;
};
struct Graph {
  std::vector<Work> work;
};
struct Module {
  void *handle;
  const EmulatedModule *module;
  std::vector<std::unique_ptr<struct Function>> functions;
};
struct Function {
  const EmulatedKernel *kernel;
  const EmulatedModule *module;
  size_t maxDynamicShared = DEFAULT_SHARED;
};
struct Allocation {
  char *base; // of the guard before
  size_t size;
};

std::recursive_mutex lock; // everything below is guarded by it
bool initialized;
int contexts; // how often the primary context is retained
int sticky;   // what a kernel did wrong; all later calls say so
std::string fault;
size_t memory = size_t(1) << 30, used, pinned;
int architecture = 90;
uint64_t order;
std::map<uint64_t, Allocation> allocations;
std::vector<Allocation> freed; // and not given back yet, as work under way may use it
std::map<void *, size_t> hostAllocations;
std::vector<Stream *> streams;
Stream legacy{true, {}, nullptr};
std::atomic<uint64_t> graphLaunches;
std::map<std::string, std::pair<int, int>> failures; // function: calls until it fails, and how
thread_local bool current;

// Whether a function fails because a test wants it to.
int planned(const char *function) {
  auto it = failures.find(function);
  if (it == failures.end() || it->second.first-- > 0) {
    return SUCCESS;
  }
  int code = it->second.second;
  failures.erase(it);
  if (code == ILLEGAL_ADDRESS || code == LAUNCH_FAILED) {
    sticky = code; // as these are on a device
  }
  return code;
}

int enter(const char *function) {
  if (!initialized) {
    return NOT_INITIALIZED;
  }
  if (!current || contexts == 0) {
    return INVALID_CONTEXT;
  }
  return sticky != SUCCESS ? sticky : planned(function);
}
#define BEGIN                                                                                      \
  std::lock_guard guard(lock);                                                                     \
  if (int failed = enter(__func__)) {                                                              \
    return failed;                                                                                 \
  }

// A test may take more away than is free.
size_t available() {
  return memory > used ? memory - used : 0;
}

int broken(int code, const std::string &what) {
  sticky = code;
  fault = what;
  if (std::getenv("LRT_EMULATOR_VERBOSE") != nullptr) {
    fprintf(stderr, "emulated CUDA device: %s\n", what.c_str());
  }
  return code;
}

void giveBack();

int drain(Stream *stream) {
  while (!stream->queue.empty() && sticky == SUCCESS) {
    Work work = std::move(stream->queue.front());
    stream->queue.pop_front();
    if (int failed = work()) {
      sticky = failed;
    }
  }
  stream->queue.clear(); // what a broken context had to do is not done
  giveBack();
  return sticky;
}
int drainAll(bool blockingOnly = false) {
  drain(&legacy);
  for (Stream *s : streams) {
    if (s->blocking || !blockingOnly) {
      drain(s);
    }
  }
  return sticky;
}

bool known(Stream *s) {
  for (Stream *other : streams) {
    if (other == s) {
      return true;
    }
  }
  return false;
}

// Does it, later; what is done in the legacy stream comes after all work of blocking streams.
int enqueue(Stream *s, Work work) {
  if (s == nullptr) {
    legacy.queue.push_back(std::move(work));
    return drainAll(true);
  }
  if (!known(s)) {
    return INVALID_HANDLE;
  }
  if (s->capture != nullptr) {
    s->capture->push_back(std::move(work));
  } else {
    s->queue.push_back(std::move(work));
  }
  return SUCCESS;
}

bool capturing() {
  for (Stream *s : streams) {
    if (s->capture != nullptr) {
      return true;
    }
  }
  return false;
}

bool device(uint64_t address, size_t bytes) {
  auto it = allocations.upper_bound(address);
  if (it == allocations.begin()) {
    return false;
  }
  --it;
  return address - it->first <= it->second.size && bytes <= it->second.size - (address - it->first);
}

// Whether nothing was written around an allocation.
bool intact(const Allocation &a) {
  size_t behind = GUARD + a.size;
  for (size_t i = 0; i < GUARD; i++) {
    if ((unsigned char)a.base[i] != POISON || (unsigned char)a.base[behind + i] != POISON) {
      return false;
    }
  }
  return true;
}
int checkGuards(const Allocation &a) {
  return intact(a) ? SUCCESS : broken(ILLEGAL_ADDRESS, "a write outside an allocation of " + std::to_string(a.size) + " bytes");
}

// Gives back what was freed, once nothing is under way. It is poisoned until then: who reads it gets NaN, and who wrote is seen.
void giveBack() {
  bool underWay = !legacy.queue.empty();
  for (Stream *s : streams) {
    underWay |= !s->queue.empty();
  }
  if (underWay) {
    return;
  }
  for (const Allocation &a : freed) {
    size_t size = a.size + 2 * GUARD;
    if (sticky == SUCCESS && std::any_of(a.base, a.base + size, [](char c) { return c != char(POISON); })) {
      broken(ILLEGAL_ADDRESS, "a write to an allocation of " + std::to_string(a.size) + " bytes that had been freed");
    }
    std::free(a.base);
  }
  freed.clear();
}

int copy(Stream *s, void *to, const void *from, size_t bytes, bool now) {
  Work work = [=] {
    std::memmove(to, from, bytes);
    return int(SUCCESS);
  };
  if (now) {
    int failed = drainAll(true);
    return failed != SUCCESS ? failed : work();
  }
  return enqueue(s, std::move(work));
}
} // namespace

API cuInit(unsigned) {
  std::lock_guard guard(lock);
  if (int failed = planned(__func__)) {
    return failed;
  }
  if (const char *text = std::getenv("LRT_EMULATOR_ORDER")) {
    order = std::strtoull(text, nullptr, 10);
  }
  initialized = true;
  return SUCCESS;
}
API cuDriverGetVersion(int *version) {
  *version = 12060;
  return SUCCESS;
}
API cuGetErrorName(int code, const char **name) {
  auto it = RESULTS.find(code);
  *name = it == RESULTS.end() ? nullptr : it->second.first;
  return it == RESULTS.end() ? INVALID_VALUE : SUCCESS;
}
API cuGetErrorString(int code, const char **text) {
  auto it = RESULTS.find(code);
  *text = it == RESULTS.end() ? nullptr : it->second.second;
  return it == RESULTS.end() ? INVALID_VALUE : SUCCESS;
}
API cuDeviceGetCount(int *count) {
  std::lock_guard guard(lock);
  *count = 1;
  return initialized ? planned(__func__) : NOT_INITIALIZED;
}
API cuDeviceGet(int *device, int ordinal) {
  *device = 0;
  return ordinal == 0 ? SUCCESS : INVALID_DEVICE;
}
API cuDeviceGetName(char *name, int length, int) {
  strncpy(name, "emulated device", length);
  return SUCCESS;
}
API cuDeviceTotalMem_v2(size_t *bytes, int) {
  *bytes = memory;
  return SUCCESS;
}
API cuDeviceGetAttribute(int *value, int attribute, int) {
  switch (attribute) {
  case 1: *value = 1024; return SUCCESS;        // threads per block
  case 8: *value = DEFAULT_SHARED; return SUCCESS;
  case 10: *value = 32; return SUCCESS;         // warp
  case 16: *value = 2; return SUCCESS;          // multiprocessors
  case 75: *value = architecture / 10; return SUCCESS;
  case 76: *value = architecture % 10; return SUCCESS;
  case 97: *value = MAX_SHARED; return SUCCESS; // shared memory per block, opted in to
  default: return INVALID_VALUE;
  }
}

API cuDevicePrimaryCtxRetain(void **context, int) {
  std::lock_guard guard(lock);
  if (!initialized) {
    return NOT_INITIALIZED;
  }
  if (int failed = planned(__func__)) {
    return failed;
  }
  contexts++;
  *context = &contexts;
  return SUCCESS;
}
API cuDevicePrimaryCtxRelease_v2(int) {
  std::lock_guard guard(lock);
  if (contexts == 0) {
    return INVALID_CONTEXT;
  }
  if (--contexts == 0) { // its end is the end of everything in it
    drainAll();
    for (auto &[address, a] : allocations) {
      std::free(a.base);
    }
    for (auto &[address, bytes] : hostAllocations) {
      std::free(address);
    }
    for (Stream *s : streams) {
      delete s->capture;
      delete s;
    }
    allocations.clear();
    hostAllocations.clear();
    streams.clear();
    used = pinned = 0;
    sticky = SUCCESS;
  }
  return SUCCESS;
}
API cuCtxSetCurrent(void *context) {
  current = context != nullptr;
  return initialized ? SUCCESS : NOT_INITIALIZED;
}
API cuCtxGetCurrent(void **context) {
  *context = current ? &contexts : nullptr;
  return initialized ? SUCCESS : NOT_INITIALIZED;
}
API cuCtxSynchronize() {
  BEGIN
  return capturing() ? STREAM_CAPTURE_UNSUPPORTED : drainAll();
}

API cuMemGetInfo_v2(size_t *free, size_t *total) {
  BEGIN
  *free = available();
  *total = memory;
  return SUCCESS;
}
API cuMemAlloc_v2(uint64_t *address, size_t bytes) {
  BEGIN
  if (bytes == 0) {
    return INVALID_VALUE;
  }
  if (capturing()) {
    return STREAM_CAPTURE_UNSUPPORTED;
  }
  if (bytes > available()) {
    return OUT_OF_MEMORY;
  }
  size_t size = (GUARD + bytes + GUARD + 511) / 512 * 512;
  auto *base = static_cast<char *>(std::aligned_alloc(512, size));
  if (base == nullptr) {
    return OUT_OF_MEMORY;
  }
  std::memset(base, POISON, size);
  used += bytes;
  *address = reinterpret_cast<uint64_t>(base + GUARD);
  allocations[*address] = {base, bytes};
  return SUCCESS;
}
API cuMemFree_v2(uint64_t address) {
  BEGIN
  if (capturing()) {
    return STREAM_CAPTURE_UNSUPPORTED;
  }
  auto it = allocations.find(address);
  if (it == allocations.end()) {
    return INVALID_VALUE;
  }
  int failed = checkGuards(it->second); // work that uses it may still be under way: only its author can wait for that
  std::memset(it->second.base, POISON, it->second.size + 2 * GUARD);
  used -= it->second.size;
  freed.push_back(it->second);
  allocations.erase(it);
  giveBack();
  return failed;
}
API cuMemHostAlloc(void **address, size_t bytes, unsigned) {
  BEGIN
  *address = std::aligned_alloc(4096, (bytes + 4095) / 4096 * 4096);
  if (*address == nullptr) {
    return OUT_OF_MEMORY;
  }
  std::memset(*address, POISON, bytes);
  hostAllocations[*address] = bytes;
  pinned += bytes;
  return SUCCESS;
}
API cuMemFreeHost(void *address) {
  BEGIN
  auto it = hostAllocations.find(address);
  if (it == hostAllocations.end()) {
    return INVALID_VALUE;
  }
  int failed = drainAll();
  pinned -= it->second;
  hostAllocations.erase(it);
  std::free(address);
  return failed;
}
API cuMemcpyHtoD_v2(uint64_t to, const void *from, size_t bytes) {
  BEGIN
  return device(to, bytes) ? copy(nullptr, reinterpret_cast<void *>(to), from, bytes, true) : INVALID_VALUE;
}
API cuMemcpyDtoH_v2(void *to, uint64_t from, size_t bytes) {
  BEGIN
  return device(from, bytes) ? copy(nullptr, to, reinterpret_cast<void *>(from), bytes, true) : INVALID_VALUE;
}
API cuMemcpyHtoDAsync_v2(uint64_t to, const void *from, size_t bytes, Stream *s) {
  BEGIN
  return device(to, bytes) ? copy(s, reinterpret_cast<void *>(to), from, bytes, false) : INVALID_VALUE;
}
API cuMemcpyDtoHAsync_v2(void *to, uint64_t from, size_t bytes, Stream *s) {
  BEGIN
  return device(from, bytes) ? copy(s, to, reinterpret_cast<void *>(from), bytes, false) : INVALID_VALUE;
}
API cuMemcpyDtoDAsync_v2(uint64_t to, uint64_t from, size_t bytes, Stream *s) {
  BEGIN
  bool inside = device(to, bytes) && device(from, bytes);
  return inside ? copy(s, reinterpret_cast<void *>(to), reinterpret_cast<void *>(from), bytes, false) : INVALID_VALUE;
}
API cuMemsetD8Async(uint64_t to, unsigned char value, size_t bytes, Stream *s) {
  BEGIN
  if (!device(to, bytes)) {
    return INVALID_VALUE;
  }
  return enqueue(s, [=] {
    std::memset(reinterpret_cast<void *>(to), value, bytes);
    return int(SUCCESS);
  });
}

API cuModuleLoadData(Module **result, const void *image) {
  BEGIN
  uint32_t magic;
  std::memcpy(&magic, image, sizeof magic);
  if (magic == FATBIN) {
    return NO_BINARY_FOR_GPU; // made for a real one
  }
  if (std::memcmp(image, ELFMAG, SELFMAG) != 0) {
    return INVALID_IMAGE;
  }
  Elf64_Ehdr header;
  std::memcpy(&header, image, sizeof header);
  size_t size = header.e_shoff + size_t(header.e_shentsize) * header.e_shnum;
  int file = memfd_create("lrt4j-kernels", MFD_CLOEXEC);
  if (file < 0 || write(file, image, size) != ssize_t(size)) {
    close(file);
    return OUT_OF_MEMORY;
  }
  void *handle = dlopen(("/proc/self/fd/" + std::to_string(file)).c_str(), RTLD_NOW | RTLD_LOCAL);
  close(file);
  if (handle == nullptr) {
    return INVALID_IMAGE;
  }
  auto *module = static_cast<const EmulatedModule *>(dlsym(handle, "emulated_module"));
  if (module == nullptr) {
    dlclose(handle);
    return NO_BINARY_FOR_GPU;
  }
  *module->emulator = emulator();
  *result = new Module{handle, module, {}};
  return SUCCESS;
}
API cuModuleUnload(Module *module) {
  BEGIN
  int failed = drainAll();
  dlclose(module->handle);
  delete module;
  return failed;
}
API cuModuleGetFunction(Function **result, Module *module, const char *name) {
  BEGIN
  auto *kernel = static_cast<const EmulatedKernel *>(dlsym(module->handle, ("emulated_" + std::string(name)).c_str()));
  if (kernel == nullptr) {
    return NOT_FOUND;
  }
  module->functions.push_back(std::make_unique<Function>(Function{kernel, module->module}));
  *result = module->functions.back().get();
  return SUCCESS;
}
API cuFuncSetAttribute(Function *function, int attribute, int value) {
  BEGIN
  if (attribute != 8 || value < 0 || size_t(value) > MAX_SHARED) {
    return INVALID_VALUE;
  }
  function->maxDynamicShared = value;
  return SUCCESS;
}
API cuFuncGetAttribute(int *value, int attribute, Function *) {
  BEGIN
  *value = architecture;
  return attribute == 6 ? SUCCESS : INVALID_VALUE; // of the binary
}
API cuLaunchKernel(Function *f, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz, unsigned shared, Stream *s,
                   void **parameters, void **extra) {
  BEGIN
  uint64_t threads = uint64_t(bx) * by * bz;
  if (extra != nullptr || gx == 0 || gy == 0 || gz == 0 || threads == 0 || gy > 65535 || gz > 65535 || gx > 0x7FFFFFFF) {
    return INVALID_VALUE;
  }
  if (threads > 1024) {
    return INVALID_VALUE;
  }
  if (shared > f->maxDynamicShared) {
    return INVALID_VALUE;
  }
  std::vector<std::vector<char>> values;
  for (unsigned i = 0; i < f->kernel->count; i++) {
    auto *p = static_cast<const char *>(parameters[i]);
    values.emplace_back(p, p + f->kernel->sizes[i]);
  }
  return enqueue(s, [=]() mutable {
    std::vector<void *> pointers;
    for (auto &v : values) {
      pointers.push_back(v.data());
    }
    std::string wrong = runLaunch({{gx, gy, gz}, {bx, by, bz}, shared, f->kernel, pointers.data(), f->module}, order == 0 ? 0 : order++);
    return wrong.empty() ? int(SUCCESS) : broken(LAUNCH_FAILED, wrong);
  });
}

API cuStreamCreate(Stream **result, unsigned flags) {
  BEGIN
  *result = new Stream{(flags & 1) == 0, {}, nullptr};
  streams.push_back(*result);
  return SUCCESS;
}
API cuStreamDestroy_v2(Stream *s) {
  BEGIN
  if (!known(s)) {
    return INVALID_HANDLE;
  }
  int failed = drain(s);
  std::erase(streams, s);
  delete s;
  return failed;
}
API cuStreamSynchronize(Stream *s) {
  BEGIN
  if (s == nullptr) {
    return drainAll(true);
  }
  if (!known(s)) {
    return INVALID_HANDLE;
  }
  return s->capture != nullptr ? STREAM_CAPTURE_UNSUPPORTED : drain(s);
}
API cuStreamWaitEvent(Stream *s, Event *event, unsigned) {
  BEGIN
  Stream *other = event->stream;
  auto done = event->done;
  return enqueue(s, [=] { return *done || !known(other) ? int(SUCCESS) : drain(other); });
}
API cuStreamBeginCapture_v2(Stream *s, int) {
  BEGIN
  if (!known(s) || s->capture != nullptr) {
    return INVALID_HANDLE;
  }
  s->capture = new std::vector<Work>;
  return SUCCESS;
}
API cuStreamEndCapture(Stream *s, Graph **graph) {
  BEGIN
  if (!known(s) || s->capture == nullptr) {
    return INVALID_HANDLE;
  }
  *graph = new Graph{std::move(*s->capture)};
  delete s->capture;
  s->capture = nullptr;
  return SUCCESS;
}
API cuGraphInstantiateWithFlags(Graph **exec, Graph *graph, unsigned long long) {
  BEGIN
  *exec = new Graph{graph->work};
  return SUCCESS;
}
API cuGraphLaunch(Graph *exec, Stream *s) {
  BEGIN
  if (capturing()) {
    return STREAM_CAPTURE_UNSUPPORTED;
  }
  graphLaunches++;
  for (const Work &work : exec->work) {
    if (int failed = enqueue(s, work)) {
      return failed;
    }
  }
  return SUCCESS;
}
API cuGraphDestroy(Graph *graph) {
  std::lock_guard guard(lock);
  delete graph;
  return SUCCESS;
}
API cuGraphExecDestroy(Graph *exec) {
  std::lock_guard guard(lock);
  drainAll();
  delete exec;
  return SUCCESS;
}

API cuEventCreate(Event **result, unsigned) {
  BEGIN
  *result = new Event;
  return SUCCESS;
}
API cuEventDestroy_v2(Event *event) {
  BEGIN
  int failed = drainAll();
  delete event;
  return failed;
}
API cuEventRecord(Event *event, Stream *s) {
  BEGIN
  auto done = std::make_shared<bool>(false);
  event->stream = s;
  event->done = done;
  return enqueue(s, [=] {
    *done = true;
    event->millis = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
    return int(SUCCESS);
  });
}
API cuEventSynchronize(Event *event) {
  BEGIN
  return *event->done || event->stream == nullptr ? SUCCESS : drain(event->stream);
}
API cuEventQuery(Event *event) {
  BEGIN
  return *event->done ? SUCCESS : NOT_READY;
}
API cuEventElapsedTime(float *millis, Event *from, Event *to) {
  BEGIN
  if (!*from->done || !*to->done) {
    return NOT_READY;
  }
  *millis = float(to->millis - from->millis);
  return SUCCESS;
}

// --- for the emulated cuBLAS ---

EMULATED int emulator_enqueue(void *stream, std::function<int()> *work) {
  std::lock_guard guard(lock);
  return enqueue(static_cast<Stream *>(stream), *work);
}
EMULATED int emulator_enter(const char *function) {
  std::lock_guard guard(lock);
  return enter(function);
}
EMULATED bool emulator_allocated(const void *address, size_t bytes) {
  std::lock_guard guard(lock);
  return device(reinterpret_cast<uint64_t>(address), bytes);
}
EMULATED bool emulator_capturing() {
  std::lock_guard guard(lock);
  return capturing();
}
EMULATED int emulator_broken(const char *what) {
  std::lock_guard guard(lock);
  return broken(ILLEGAL_ADDRESS, what);
}

// --- for tests ---

// Bytes that are allocated on the device.
extern "C" __attribute__((visibility("default"))) long emulator_used() {
  std::lock_guard guard(lock);
  return long(used);
}
// Bytes of pinned host memory.
extern "C" __attribute__((visibility("default"))) long emulator_pinned() {
  std::lock_guard guard(lock);
  return long(pinned);
}
extern "C" __attribute__((visibility("default"))) long emulator_graph_launches() { return long(graphLaunches.load()); }
// How much memory the device has.
extern "C" __attribute__((visibility("default"))) void emulator_memory(long bytes) {
  std::lock_guard guard(lock);
  memory = size_t(bytes);
}
// From now on blocks and threads take turns in an order drawn with this seed; 0 is as they are numbered.
extern "C" __attribute__((visibility("default"))) void emulator_order(long seed) {
  std::lock_guard guard(lock);
  order = uint64_t(seed);
}
// Lets a function fail once, with this code, after so many more calls of it.
extern "C" __attribute__((visibility("default"))) void emulator_fail(const char *function, int calls, int code) {
  std::lock_guard guard(lock);
  failures[function] = {calls, code};
}
// Whether nothing was written around any allocation, and no kernel went wrong: what did, or an empty text.
extern "C" __attribute__((visibility("default"))) const char *emulator_fault() {
  std::lock_guard guard(lock);
  for (auto &[address, a] : allocations) {
    if (sticky == SUCCESS) {
      checkGuards(a);
    }
  }
  return fault.c_str();
}
// A device that was reset: the fault is forgotten.
extern "C" __attribute__((visibility("default"))) void emulator_reset() {
  std::lock_guard guard(lock);
  sticky = SUCCESS;
  fault.clear();
  failures.clear();
}
