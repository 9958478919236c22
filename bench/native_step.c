/*
 * A decode step, or a prefill, of Qwen3-0.6B's shape in C, part by part, in wall time: where it goes, and what one build of the library takes
 * beside another, by turns, on the same weights and the same keys and values. See native_step.
 */
#define _GNU_SOURCE /* RTLD_DEEPBIND: or the first library would answer the calls of the others */
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "native.h"

#define HIDDEN 1024
#define INNER 3072
#define VOCABULARY 151936
#define STEPS 41
#define MOST_LIBRARIES 4
#define READ_BYTES (INT64_C(64) << 20)

enum part { QKV, ROPE, ATTENTION, OUTPUT, GATE_UP, DOWN, HEAD, SUMMARY, APART, WHOLE, PARTS };
static const char *const part_names[] = {"q, k, v", "RoPE", "attention", "output", "gate, up", "down", "head", "summary", "step in these parts", "step, layers in one call"};

typedef struct {
  const char *path;
  lrt_context *context;
  int (*project)(lrt_context *, const float *, int, int, const float *, float, int, const lrt_part *, int, float *, int);
  void (*rope)(lrt_context *, float *, int, int, int, const float *, const float *, float, const float *, const lrt_run *, int);
  int (*attend)(lrt_context *, const float *, int, int, int, int, const lrt_run *, int, float *);
  void (*summarize)(lrt_context *, const float *, int64_t, int, int, double *);
  int (*layers)(lrt_context *, const lrt_layer *, int, const lrt_activations *, lrt_run *, int);
  int (*forward)(lrt_context *, const lrt_layer *, const lrt_activations *, const lrt_run *, int); /* before there was that */
  int64_t (*read)(lrt_context *, const void *, int64_t, int, int);
  double took[PARTS][STEPS];
} library;

static struct {
  lrt_part qkv[LAYERS][3], output[LAYERS], gate_up[LAYERS][2], down[LAYERS];
  lrt_part head;
  lrt_layer layers[LAYERS];
  lrt_span *spans; /* [LAYERS, blocks] */
  lrt_span *used; /* [blocks], of a step */
  int blocks, position, rows;
  float *x, *qkv_out, *mixed, *mlp, *logits, *norm, *rope;
  int64_t bytes[PARTS];
} model;

static double micros(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static float *numbers(int64_t n, float scale) {
  float *to = memory(n * 4);
  for (int64_t i = 0; i < n; i++) {
    to[i] = (float)(rand() % 2001 - 1000) * 1e-3f * scale;
  }
  return to;
}

static void *symbol(void *library, const char *name) {
  void *found = dlsym(library, name);
  if (!found) {
    fail(dlerror());
  }
  return found;
}

static library open_library(const char *path, int threads) {
  void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
  if (!handle) {
    fail(dlerror());
  }
  library l = {.path = path};
  lrt_context *(*open)(int, int) = (lrt_context * (*)(int, int)) symbol(handle, "lrt_open");
  int (*best)(void) = (int (*)(void))symbol(handle, "lrt_best_level");
  *(void **)&l.project = symbol(handle, "lrt_project");
  *(void **)&l.rope = symbol(handle, "lrt_rope");
  *(void **)&l.attend = symbol(handle, "lrt_attend");
  *(void **)&l.summarize = symbol(handle, "lrt_summarize");
  *(void **)&l.layers = dlsym(handle, "lrt_layers");
  if (!l.layers) {
    *(void **)&l.forward = symbol(handle, "lrt_forward");
  }
  *(void **)&l.read = symbol(handle, "lrt_read");
  l.context = open(threads, best());
  return l;
}

/* A weight of random bytes that are small numbers in every type, packed by this program's own library. */
static lrt_part weight(lrt_context *c, int dtype, int out, int in, enum part part) {
  char *raw = memory((int64_t)out * in * 2);
  for (int64_t i = 0; i < (int64_t)out * in; i++) {
    set_bf16(raw, i, (float)(rand() % 2001 - 1000) * 1e-5f * (float)(1 + rand() % 4));
  }
  void *packed;
  int64_t bytes;
  if (dtype == LRT_DTYPE_FOLDED) {
    bytes = fold(c, out, in, raw, &packed);
  } else {
    bytes = lrt_packed_bytes(dtype, out, in);
    packed = memory(bytes);
    lrt_pack(c, LRT_DTYPE_BF16, dtype, out, in, raw, packed);
  }
  lrt_free(raw, (int64_t)out * in * 2);
  model.bytes[part] += bytes;
  return (lrt_part){.weight = packed, .dtype = dtype, .out = out};
}

static void make_model(int threads, int dtype, int cache, int positions, int rows) {
  lrt_context *c = lrt_open(threads, lrt_best_level());
  if (dtype == LRT_DTYPE_FOLDED && !lrt_folds(c)) {
    dtype = LRT_DTYPE_BF16;
  }
  for (int l = 0; l < LAYERS; l++) {
    model.qkv[l][0] = weight(c, dtype, HEADS * DIM, HIDDEN, QKV);
    model.qkv[l][1] = weight(c, dtype, KV_HEADS * DIM, HIDDEN, QKV);
    model.qkv[l][2] = weight(c, dtype, KV_HEADS * DIM, HIDDEN, QKV);
    model.output[l] = weight(c, dtype, HIDDEN, HEADS * DIM, OUTPUT);
    model.gate_up[l][0] = weight(c, dtype, INNER, HIDDEN, GATE_UP);
    model.gate_up[l][1] = weight(c, dtype, INNER, HIDDEN, GATE_UP);
    model.down[l] = weight(c, dtype, HIDDEN, INNER, DOWN);
  }
  model.head = weight(c, dtype, VOCABULARY, HIDDEN, HEAD);
  lrt_close(c);
  model.position = positions - rows;
  model.rows = rows;
  model.blocks = (positions + BLOCK - 1) / BLOCK;
  model.spans = keys_and_values(cache, positions, model.blocks);
  model.bytes[ATTENTION] = block_bytes(cache) / BLOCK * positions * 2 * LAYERS;
  for (int p = 0; p < APART; p++) {
    model.bytes[APART] += model.bytes[p];
  }
  model.bytes[WHOLE] = model.bytes[APART];
  model.x = numbers((int64_t)rows * HIDDEN, 1);
  model.qkv_out = numbers((int64_t)rows * (HEADS + 2 * KV_HEADS) * DIM, 1);
  model.mixed = numbers((int64_t)rows * HEADS * DIM, 1);
  model.mlp = numbers((int64_t)rows * 2 * INNER, 1);
  model.logits = numbers(VOCABULARY, 1);
  model.norm = numbers(HIDDEN, 1);
  model.rope = numbers((int64_t)positions * DIM, 1);
  model.used = calloc((size_t)model.blocks, sizeof *model.used);
  for (int i = 0; i < LAYERS; i++) {
    model.layers[i] = (lrt_layer){.input_norm = model.norm,
                                  .qkv = model.qkv[i],
                                  .query_norm = model.norm,
                                  .key_norm = model.norm,
                                  .output = &model.output[i],
                                  .post_norm = model.norm,
                                  .gate_up = model.gate_up[i],
                                  .down = &model.down[i],
                                  .qkv_parts = 3,
                                  .output_parts = 1,
                                  .gate_up_parts = 2,
                                  .down_parts = 1,
                                  .hidden = HIDDEN,
                                  .inner = INNER,
                                  .heads = HEADS,
                                  .kv_heads = KV_HEADS,
                                  .dim = DIM,
                                  .window = 1 << 30,
                                  .eps = 1e-6f};
  }
}

static void step_in_parts(library *l, int turn) {
  double at = micros();
  double begin = at;
#define DONE(part) (l->took[part][turn] += micros() - at, at = micros())
  for (int p = 0; p < APART; p++) {
    l->took[p][turn] = 0;
  }
  for (int i = 0; i < LAYERS; i++) {
    lrt_run run = {0, model.rows, model.position, model.blocks, model.spans + i * model.blocks, model.rows};
    l->project(l->context, model.x, model.rows, HIDDEN, model.norm, 1e-6f, 0, model.qkv[i], 3, model.qkv_out, 0);
    DONE(QKV);
    l->rope(l->context, model.qkv_out, HEADS, KV_HEADS, DIM, model.norm, model.norm, 1e-6f, model.rope, &run, 1);
    DONE(ROPE);
    l->attend(l->context, model.qkv_out, HEADS, KV_HEADS, DIM, 1 << 30, &run, 1, model.mixed);
    DONE(ATTENTION);
    l->project(l->context, model.mixed, model.rows, HEADS * DIM, NULL, 0, 0, &model.output[i], 1, model.x, 1);
    DONE(OUTPUT);
    l->project(l->context, model.x, model.rows, HIDDEN, model.norm, 1e-6f, 0, model.gate_up[i], 2, model.mlp, 0);
    DONE(GATE_UP);
    l->project(l->context, model.mlp, model.rows, INNER, NULL, 0, 1, &model.down[i], 1, model.x, 1);
    DONE(DOWN);
  }
  l->project(l->context, model.x, 1, HIDDEN, model.norm, 1e-6f, 0, &model.head, 1, model.logits, 0);
  DONE(HEAD);
  double summary[4];
  l->summarize(l->context, model.logits, 0, 1, VOCABULARY, summary);
  DONE(SUMMARY);
  l->took[APART][turn] = micros() - begin;
}

static void step(library *l, int turn) {
  double begin = micros();
  lrt_activations flow = {model.x, model.qkv_out, model.mixed, model.mlp, model.rope};
  lrt_run run = {0, model.rows, model.position, model.blocks, model.spans, model.rows};
  if (l->layers) {
    memcpy(model.used, model.spans, (size_t)model.blocks * sizeof *model.spans);
    run.span = model.used;
    l->layers(l->context, model.layers, LAYERS, &flow, &run, 1);
  } else {
    for (int i = 0; i < LAYERS; i++, run.span += model.blocks) {
      l->forward(l->context, &model.layers[i], &flow, &run, 1);
    }
  }
  l->project(l->context, model.x, 1, HIDDEN, model.norm, 1e-6f, 0, &model.head, 1, model.logits, 0);
  double summary[4];
  l->summarize(l->context, model.logits, 0, 1, VOCABULARY, summary);
  l->took[WHOLE][turn] = micros() - begin;
}

static double median(const double *of) {
  double sorted[STEPS];
  memcpy(sorted, of, sizeof sorted);
  qsort(sorted, STEPS, sizeof *sorted, ascending);
  return sorted[STEPS / 2];
}

/* GB/s of a read of memory that no cache holds. */
static double read_rate(const library *l, const char *data, int64_t bytes, int turn) {
  const char *from = data + turn * READ_BYTES % bytes;
  double begin = micros();
  volatile int64_t sum = l->read(l->context, from, READ_BYTES, 4, turn % 2 ? 2048 : 512);
  (void)sum;
  return (double)READ_BYTES / (micros() - begin) * 1e-3;
}

static _Atomic int ball;
enum { THROWS = 20000 };

static void *throw_back(void *unused) {
  (void)unused;
  for (int i = 1; i < 2 * THROWS; i += 2) {
    while (atomic_load(&ball) != i) {
    }
    atomic_store(&ball, i + 1);
  }
  return NULL;
}

/* Nanoseconds that a cache line takes to another core and back: some 90 on one die, 400 on two. */
static double there_and_back(void) {
  pthread_t other;
  if (pthread_create(&other, NULL, throw_back, NULL)) {
    fail("no more threads");
  }
  double begin = 0;
  for (int i = 0; i < 2 * THROWS; i += 2) {
    if (i == THROWS) { /* both are there */
      begin = micros();
    }
    atomic_store(&ball, i + 1);
    while (atomic_load(&ball) != i + 2) {
    }
  }
  double took = micros() - begin;
  pthread_join(other, NULL);
  atomic_store(&ball, 0);
  return took / (THROWS / 2) * 1e3;
}

typedef struct {
  const char *name;
  int dtype;
} named;

static const named weights[] = {{"bf16", LRT_DTYPE_FOLDED}, {"q8", LRT_DTYPE_Q8}, {"q4", LRT_DTYPE_Q4}, {0}};
static const named caches[] = {{"f32", LRT_DTYPE_F32}, {"f16", LRT_DTYPE_F16}, {"q8", LRT_DTYPE_Q8}, {0}};

static int one_of(const char *name, const named *types) {
  while (types->name && strcmp(name, types->name)) {
    types++;
  }
  return types->name ? types->dtype : -1;
}

int main(int count, char **arguments) {
  if (count < 7 || count > 6 + MOST_LIBRARIES) {
    fail("expected: THREADS WEIGHTS(bf16|q8|q4) CACHE(f32|f16|q8) POSITIONS ROWS LIBRARY …");
  }
  int threads = atoi(arguments[1]);
  int dtype = one_of(arguments[2], weights);
  int cache = one_of(arguments[3], caches);
  int positions = atoi(arguments[4]);
  int rows = atoi(arguments[5]);
  if (dtype < 0 || cache < 0) {
    fail("WEIGHTS are bf16, q8 or q4, the CACHE is of f32, f16 or q8");
  }
  if (threads < 1 || rows < 1 || positions < rows) {
    fail("threads and rows are at least 1, positions as many as rows");
  }
  srand(1);
  make_model(threads, dtype, cache, positions, rows);
  static library libraries[MOST_LIBRARIES];
  int n = count - 6;
  for (int i = 0; i < n; i++) {
    libraries[i] = open_library(arguments[6 + i], threads);
  }
  int64_t bytes = 8 * READ_BYTES;
  char *data = memory(bytes);
  memset(data, 1, (size_t)bytes);
  static double rates[STEPS];
  double before = threads > 1 ? there_and_back() : 0;
  for (int turn = -2; turn < STEPS; turn++) { /* two to warm up */
    int slot = turn < 0 ? 0 : turn;
    rates[slot] = read_rate(&libraries[0], data, bytes, turn + 2);
    for (int i = 0; i < n; i++) {
      step(&libraries[(i + slot) % n], slot);
      step_in_parts(&libraries[(i + slot) % n], slot);
    }
  }
  double fastest = 0;
  for (int i = 0; i < STEPS; i++) {
    fastest = rates[i] > fastest ? rates[i] : fastest;
  }
  printf("%s weights, %s keys and values, %d positions, %d rows, %d threads; memory between steps %.1f GB/s (fastest %.1f)\n\n", arguments[2],
         arguments[3], positions, rows, threads, median(rates), fastest);
  if (threads > 1) {
    printf("A cache line to another core and back: %.0f ns before, %.0f ns behind\n\n", before, there_and_back());
  }
  printf("| part | MB | µs | GB/s | of the read rate |");
  for (int i = 1; i < n; i++) {
    printf(" %s, µs | of the first (quartiles) |", libraries[i].path);
  }
  printf("\n|---|---|---|---|---|");
  for (int i = 1; i < n; i++) {
    printf("---|---|");
  }
  for (int p = 0; p < PARTS; p++) {
    double took = median(libraries[0].took[p]);
    double rate = (double)model.bytes[p] / took * 1e-3;
    printf("\n| %s | %.1f | %.0f | %.1f | %.2f |", part_names[p], (double)model.bytes[p] * 1e-6, took, rate, rate / median(rates));
    for (int i = 1; i < n; i++) {
      double ratios[STEPS];
      for (int turn = 0; turn < STEPS; turn++) {
        ratios[turn] = libraries[i].took[p][turn] / libraries[0].took[p][turn];
      }
      qsort(ratios, STEPS, sizeof *ratios, ascending);
      printf(" %.0f | %.3f (%.2f to %.2f) |", median(libraries[i].took[p]), ratios[STEPS / 2], ratios[STEPS / 4],
             ratios[STEPS - 1 - STEPS / 4]);
    }
  }
  printf("\n");
  return 0;
}
