/* What Java calls: memory, the context, packing and folding, logits. Decoder layers: layers.c, attention: attend.c. */
#include "lrt4j.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#if WITH_AVX_VNNI || (WITH_AMX && !EMULATED_AMX)
#include <cpuid.h>
#endif
#if WITH_AMX && !EMULATED_AMX
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined __aarch64__ && defined __linux__
#include <sys/auxv.h>
#elif defined __aarch64__ && defined __APPLE__
#include <sys/sysctl.h>
#endif

#include "context.h"

#define LARGE_PAGE (INT64_C(2) << 20)
#define LISTED_BYTES 8

/* --- memory ---------------------------------------------------------------------------------- */

void *lrt_allocate(int64_t bytes) {
  int64_t size = up(bytes, LARGE_PAGE);
  /* mmap knows no alignment: a page more, and what is too much at both ends goes back. */
  char *all = mmap(NULL, (size_t)(size + LARGE_PAGE), PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (all == MAP_FAILED) {
    return NULL;
  }
  int64_t before = up((int64_t)(intptr_t)all, LARGE_PAGE) - (int64_t)(intptr_t)all;
  if (before) {
    munmap(all, (size_t)before);
  }
  if (before < LARGE_PAGE) {
    munmap(all + before + size, (size_t)(LARGE_PAGE - before));
  }
#ifdef MADV_HUGEPAGE
  madvise(all + before, (size_t)size, MADV_HUGEPAGE);
#endif
  return all + before;
}

void lrt_free(void *p, int64_t bytes) { munmap(p, (size_t)up(bytes, LARGE_PAGE)); }

void *lrt_ensure(scratch *s, int64_t bytes) {
  if (s->bytes < bytes) {
    if (s->data) {
      lrt_free(s->data, s->bytes);
    }
    s->data = lrt_allocate(bytes);
    s->bytes = s->data ? bytes : 0;
  }
  return s->data;
}

/* --- context --------------------------------------------------------------------------------- */

#if WITH_AMX && !EMULATED_AMX
#define ASK_FOR_STATE 0x1023 /* ARCH_REQ_XCOMP_PERM, of Linux 5.16 */
#define STATE_OF_TILES 18

/* Linux gives a process the tiles' registers for the asking. */
static int has_amx(void) {
  const unsigned needed = 1u << 22 | 1u << 24 | 1u << 25; /* bf16, tiles, bytes */
  unsigned a, b, c, d = 0;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & needed) == needed &&
         !syscall(SYS_arch_prctl, ASK_FOR_STATE, STATE_OF_TILES) && lrt_amx_works();
}
#endif

#if WITH_AVX_VNNI
/* Every compiler has names for the others. Its registers are AVX2's. */
static int has_avx_vnni(void) {
  unsigned leaves, a, b, c, d;
  return __get_cpuid_count(7, 0, &leaves, &b, &c, &d) && leaves >= 1 && __get_cpuid_count(7, 1, &a, &b, &c, &d) &&
         a >> 4 & 1;
}
#endif

static int find_levels(void) {
  int levels = 1 << LRT_BASELINE;
#if EMULATED_AMX /* test/amx.h, on AVX2 */
  levels |= 1 << LRT_AVX2 | lrt_amx_works() << LRT_AMX;
#elif defined __x86_64__
  __builtin_cpu_init();
  if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c"))) {
    return levels;
  }
  levels |= 1 << LRT_AVX2;
#if WITH_AVX_VNNI
  levels |= has_avx_vnni() << LRT_AVX_VNNI;
#endif
  if (!(__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq"))) {
    return levels;
  }
  levels |= 1 << LRT_AVX512;
  if (!__builtin_cpu_supports("avx512vnni")) {
    return levels;
  }
  levels |= 1 << LRT_VNNI;
  if (!__builtin_cpu_supports("avx512bf16")) {
    return levels;
  }
  levels |= 1 << LRT_BF16;
#if WITH_AMX
  levels |= has_amx() << LRT_AMX;
#endif
#elif defined __aarch64__ && defined __linux__
  const unsigned long dot_products = 1ul << 20; /* HWCAP_ASIMDDP, which not every C library names */
  levels |= !!(getauxval(AT_HWCAP) & dot_products) << LRT_DOT;
#elif defined __aarch64__ && defined __APPLE__
  int has = 0;
  size_t size = sizeof has;
  levels |= (!sysctlbyname("hw.optional.arm.FEAT_DotProd", &has, &size, NULL, 0) && has) << LRT_DOT;
#endif
  return levels;
}

/* Found out once, as trying AMX takes half a millisecond. */
int lrt_levels(void) {
  static atomic_int known;
  int levels = atomic_load(&known);
  if (!levels) {
    levels = find_levels();
    atomic_store(&known, levels);
  }
  return levels;
}

/* Of some levels the best one, and none better than `most`. */
static int best_of(int levels, int most) {
  static const int best_first[] = {LRT_AMX, LRT_BF16, LRT_VNNI, LRT_AVX512, LRT_AVX_VNNI, LRT_AVX2, LRT_BASELINE};
  const int *level = best_first;
  while (*level != most) {
    level++;
  }
  while (!(levels >> *level & 1)) {
    level++;
  }
  return *level;
}

int lrt_best_level(void) {
  int best = best_of(lrt_levels(), LRT_AMX);
#if defined __x86_64__
  if (best == LRT_BF16 && __builtin_cpu_is("intel")) {
    return LRT_VNNI; /* its products of bf16 pairs take four times as long as those of f32 numbers that do as much */
  }
#endif
  return best;
}

/* Those of a level: what each adds to the ones before it. */
static void kernels_of(int level, int others_way, lrt_kernels *kernels) {
  (void)others_way;
#if defined __x86_64__
  const int intel = __builtin_cpu_is("intel") != 0;
  if (level == LRT_AVX2 || level == LRT_AVX_VNNI) {
    lrt_kernels_1(kernels);
#if WITH_AVX_VNNI
    if (level == LRT_AVX_VNNI) {
      lrt_kernels_6(kernels);
    }
#endif
    kernels->asks = intel != others_way;
    return;
  }
  if (level >= LRT_AVX512) {
    lrt_kernels avx2;
    lrt_kernels_1(&avx2);
    lrt_kernels_2(kernels);
    const int bytes[] = {LRT_DTYPE_Q8, LRT_DTYPE_Q4};
    for (int i = 0; i < 2; i++) {
      kernels->product[bytes[i]] = avx2.product[bytes[i]];
      kernels->few_rows[bytes[i]] = avx2.few_rows[bytes[i]];
    }
    if (level >= LRT_VNNI) {
      lrt_kernels_3(kernels);
    }
    kernels->asks = intel != others_way;
    if (kernels->asks) {
      for (int dtype = 0; dtype < LRT_DTYPES; dtype++) {
        kernels->few_rows[dtype].of_one_row = LRT_MOST_RUNS;
      }
    }
    if (level >= LRT_BF16) {
      lrt_kernels_4(kernels);
    }
#if WITH_AMX
    if (level >= LRT_AMX) {
      lrt_kernels_5(kernels);
    }
#endif
    return;
  }
#endif
  lrt_kernels_0(kernels);
#if defined __aarch64__
  if (level >= LRT_DOT) {
    lrt_kernels_3(kernels);
  }
#endif
}

lrt_context *lrt_open(int threads, int level) {
  lrt_context *c = calloc(1, sizeof(lrt_context));
  if (!c) {
    return NULL;
  }
  int others_way = level & LRT_OTHERS_WAY;
  kernels_of(best_of(lrt_levels(), level - others_way), others_way != 0, &c->kernels);
  c->pool = pool_open(threads);
  if (!c->pool) {
    free(c);
    return NULL;
  }
  return c;
}

void lrt_close(lrt_context *c) {
  pool_close(c->pool);
  if (c->input.data) {
    lrt_free(c->input.data, c->input.bytes);
  }
  if (c->attention.data) {
    lrt_free(c->attention.data, c->attention.bytes);
  }
  free(c);
}

/* --- packing --------------------------------------------------------------------------------- */

int64_t lrt_packed_bytes(int dtype, int out, int in) {
  if (is_quantized(dtype)) {
    int bytes = dtype == LRT_DTYPE_Q8 ? LRT_Q8_BYTES : LRT_Q4_BYTES;
    return up(out, LRT_WIDE) * (in / LRT_BLOCK) * bytes;
  }
  int64_t bytes = dtype == LRT_DTYPE_F32 ? 4 : 2;
  int64_t width = dtype == LRT_DTYPE_BF16 || dtype == LRT_DTYPE_BF16_ROUNDED ? up(in, 2) : in;
  return up(out, LRT_WIDE) * width * bytes;
}

typedef struct {
  const lrt_kernels *kernels;
  int stored, dtype, out, in;
  const void *from;
  void *to;
  atomic_int wrong;
} packing;

static void pack_panel(void *arguments, int task, int worker) {
  (void)worker;
  packing *p = arguments;
  if (!p->kernels->pack(p->stored, p->dtype, p->out, p->in, p->from, p->to, task)) {
    atomic_store(&p->wrong, 1);
  }
}

int lrt_pack(lrt_context *c, int stored, int dtype, int out, int in, const void *from, void *to) {
  packing p = {&c->kernels, stored, dtype, out, in, from, to, 0};
  pool_run(c->pool, pack_panel, &p, panels_of(out));
  return !atomic_load(&p.wrong);
}

/* --- folding --------------------------------------------------------------------------------- */

#define MOST_STEPS 65535 /* so that a list can name them */

int lrt_folds(const lrt_context *c) { return c->kernels.fold != NULL; }

int64_t lrt_folded_bytes(int out, int in) {
  return up(in, 2) / 2 > MOST_STEPS ? 0 : up(out, LRT_FOLDED) / LRT_FOLDED * lrt_group_bytes(in);
}

typedef struct {
  const lrt_kernels *kernels;
  int out, in;
  const void *from;
  char *to, *list;
  int64_t *lists;
} folding;

static void fold_group(void *arguments, int task, int worker) {
  (void)worker;
  const folding *f = arguments;
  if (f->to) {
    f->kernels->fold(f->out, f->in, f->from, task, f->to + task * lrt_group_bytes(f->in),
                     f->list + f->lists[task] * LISTED_BYTES);
  } else {
    f->lists[task] = f->kernels->fold(f->out, f->in, f->from, task, NULL, NULL);
  }
}

int64_t lrt_fold(lrt_context *c, int out, int in, const void *from, void *to, void *list, int64_t *lists, int64_t before) {
  folding f = {&c->kernels, out, in, from, to, list, lists};
  int groups = (out + LRT_FOLDED - 1) / LRT_FOLDED;
  pool_run(c->pool, fold_group, &f, groups);
  for (int group = 0; !to && group < groups; group++) {
    int64_t here = lists[group];
    lists[group] = before;
    before += here;
  }
  return before;
}

/* --- logits ---------------------------------------------------------------------------------- */

typedef struct {
  const lrt_kernels *kernels;
  const float *x;
  int n;
  double *summaries;
} summary;

static void summarize_row(void *arguments, int task, int worker) {
  (void)worker;
  const summary *j = arguments;
  j->kernels->summarize(j->x + (int64_t)task * j->n, j->n, j->summaries + 4 * task);
}

void lrt_summarize(lrt_context *c, const float *x, int64_t at, int rows, int n, double *summaries) {
  summary j = {&c->kernels, x + at, n, summaries};
  run(c, summarize_row, &j, rows, (int64_t)rows * n * ROW_WORK);
}

/* --- reading --------------------------------------------------------------------------------- */

#define READ_TASK (INT64_C(256) << 10)

typedef struct {
  const lrt_kernels *kernels;
  const char *data;
  int64_t bytes;
  int streams, ahead;
  _Atomic int64_t sum;
} reading;

static void read_task(void *arguments, int task, int worker) {
  (void)worker;
  reading *j = arguments;
  int64_t left = j->bytes - task * READ_TASK;
  j->sum += j->kernels->read(j->data + task * READ_TASK, left < READ_TASK ? left : READ_TASK,
                             j->streams, j->ahead);
}

int64_t lrt_read(lrt_context *c, const void *data, int64_t bytes, int streams, int ahead) {
  reading j = {&c->kernels, data, bytes, streams, ahead, 0};
  pool_run(c->pool, read_task, &j, (int)((bytes + READ_TASK - 1) / READ_TASK));
  return j.sum;
}

/* --- from Java ------------------------------------------------------------------------------- */

int64_t lrt_call(int function, void *p0, void *p1, void *p2, void *p3, void *p4, void *p5, int64_t n0,
                 int64_t n1, int64_t n2, int64_t n3, int64_t n4, float eps) {
  switch (function) {
    case LRT_LEVELS:
      return lrt_levels();
    case LRT_BEST_LEVEL:
      return lrt_best_level();
    case LRT_OPEN:
      return (intptr_t)lrt_open((int)n0, (int)n1);
    case LRT_CLOSE:
      lrt_close(p0);
      return 0;
    case LRT_ALLOCATE:
      return (intptr_t)lrt_allocate(n0);
    case LRT_FREE:
      lrt_free(p0, n0);
      return 0;
    case LRT_PACKED_BYTES:
      return lrt_packed_bytes((int)n0, (int)n1, (int)n2);
    case LRT_PACK:
      return lrt_pack(p0, (int)n0, (int)n1, (int)n2, (int)n3, p1, p2);
    case LRT_PROJECT:
      return lrt_project(p0, p1, (int)n0, (int)n1, p2, eps, (int)n2, p3, (int)n3, p4, (int)n4);
    case LRT_NORM:
      lrt_norm(p0, p1, (int)n0, (int)n1, p2, eps, p3);
      return 0;
    case LRT_ROPE:
      lrt_rope(p0, p1, (int)n0, (int)n1, (int)n2, p2, p3, eps, p4, p5, (int)n3);
      return 0;
    case LRT_ATTEND:
      return lrt_attend(p0, p1, (int)n0, (int)n1, (int)n2, (int)n3, p2, (int)n4, p3);
    case LRT_SUMMARIZE:
      lrt_summarize(p0, p1, n0, (int)n1, (int)n2, p2);
      return 0;
    case LRT_READ:
      return lrt_read(p0, p1, n0, (int)n1, (int)n2);
    case LRT_FOLDS:
      return lrt_folds(p0);
    case LRT_FOLDED_BYTES:
      return lrt_folded_bytes((int)n0, (int)n1);
    case LRT_FOLD:
      return lrt_fold(p0, (int)n0, (int)n1, p1, p2, p3, p4, n2);
    case LRT_LAYERS:
      return lrt_layers(p0, p1, (int)n0, p2, p3, (int)n1);
    default:
      return 0;
  }
}
