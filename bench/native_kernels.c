/*
 * The C kernels alone, one thread, in processor time: what other processes take of the machine does
 * not count, except where they use up the memory's bandwidth. Best of several runs. With the numbers of two levels (lrt4j.h),
 * products of both by turns, on the same weights. See native_kernels.
 */
#include <time.h>

#include "native.h"

#define IN 1024 /* Qwen3-0.6B's width */
#define OUT 3072
#define ROWS 512
#define WEIGHTS 64 /* 100 MB of q4: no cache holds them */
#define RUNS 5

static double seconds(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

#if defined __AVX512F__
#define LANES 16
#elif defined __AVX2__
#define LANES 8
#else
#define LANES 4
#endif

/* GFLOP/s of fused multiply-adds from registers. */
static double peak(void) {
  typedef float vec __attribute__((vector_size(4 * LANES)));
  vec sums[12];
  vec factor = (vec){0} + 0.999f;
  vec term = (vec){0} + 0.001f;
  volatile float unknown = 1; /* or the compiler sums up beforehand */
  factor *= unknown;
  term *= unknown;
  for (int i = 0; i < 12; i++) {
    sums[i] = term + (float)i;
  }
  double best = 0;
  for (int run = 0; run < RUNS; run++) {
    const int steps = 2000000;
    double start = seconds();
    for (int i = 0; i < steps; i++) {
#pragma GCC unroll 12
      for (int j = 0; j < 12; j++) {
        sums[j] = sums[j] * factor + term;
      }
    }
    double rate = 2.0 * 12 * LANES * steps / (seconds() - start) * 1e-9;
    best = rate > best ? rate : best;
  }
  for (int i = 1; i < 12; i++) {
    sums[0] += sums[i];
  }
  volatile float used = sums[0][0];
  (void)used;
  return best;
}

static double read_rate(lrt_context *c) {
  static const int streams[] = {1, 2, 4, 8};
  static const int ahead[] = {0, 512, 2048, 8192};
  const int64_t bytes = INT64_C(256) << 20;
  char *data = memory(bytes);
  memset(data, 1, (size_t)bytes);
  double best = 0;
  for (int run = 0; run < 3; run++) {
    for (int way = 0; way < 16; way++) {
      double start = seconds();
      lrt_read(c, data, bytes, streams[way % 4], ahead[way / 4]);
      double rate = (double)bytes / (seconds() - start) * 1e-9;
      best = rate > best ? rate : best;
    }
  }
  lrt_free(data, bytes);
  return best;
}

/* Seconds for all layers' attention of one row over so many positions, and the bytes that it reads. */
static double attend(lrt_context *c, int dtype, int positions, float *x, float *y, double *bytes) {
  int blocks = (positions + BLOCK - 1) / BLOCK;
  int64_t size = block_bytes(dtype);
  lrt_span *spans = keys_and_values(dtype, positions, blocks);
  double best = 1e9;
  for (int run = 0; run < 2 * RUNS; run++) {
    double start = seconds();
    for (int l = 0; l < LAYERS; l++) {
      lrt_run one = {0, 1, positions - 1, blocks, spans + l * blocks, 1};
      if (lrt_attend(c, x, HEADS, KV_HEADS, DIM, 1 << 30, &one, 1, y)) {
        fail("not enough memory");
      }
    }
    double took = seconds() - start;
    best = took < best ? took : best;
  }
  *bytes = (double)size / BLOCK * positions * 2 * LAYERS;
  for (int i = 0; i < blocks; i++) {
    lrt_free((void *)spans[i].keys, size * 2 * LAYERS);
  }
  free(spans);
  return best;
}

/* Packs or folds a weight of raw bytes; returns how many bytes it has become. */
static int64_t pack(lrt_context *c, int dtype, const char *raw, void **packed) {
  if (dtype == LRT_DTYPE_FOLDED || dtype == LRT_DTYPE_FOLDED_ROUNDED) {
    return fold(c, OUT, IN, raw, packed);
  }
  int64_t bytes = lrt_packed_bytes(dtype, OUT, IN);
  *packed = memory(bytes);
  lrt_pack(c, dtype, dtype, OUT, IN, raw, *packed);
  return bytes;
}

static const struct {
  const char *name;
  int dtype;
} types[] = {{"f32", LRT_DTYPE_F32},
             {"bf16", LRT_DTYPE_BF16},
             {"bf16, activations too", LRT_DTYPE_BF16_ROUNDED},
             {"bf16 in 12 bits", LRT_DTYPE_FOLDED},
             {"bf16 in 12 bits, activations too", LRT_DTYPE_FOLDED_ROUNDED},
             {"q8", LRT_DTYPE_Q8},
             {"q4", LRT_DTYPE_Q4}};

/* Seconds for products of so many of the weights. */
static double multiply(lrt_context *c, int dtype, void **packed, int layers, int rows, float *x, float *y) {
  double start = seconds();
  for (int l = 0; l < layers; l++) {
    lrt_part part = {packed[l], NULL, dtype, OUT};
    if (lrt_project(c, x, rows, IN, NULL, 0, 0, &part, 1, y, 0)) {
      fail("not enough memory");
    }
  }
  return seconds() - start;
}

/* A table of two levels' products, medians, with the quartiles of their ratio. The weights are packed alike for both. */
static void compare(const int levels[2], const char *raw, float *x, float *y) {
  enum { TURNS = 41 };
  static const int rows[] = {1, 2, 4, 16, 64, 256};
  lrt_context *c[2];
  for (int i = 0; i < 2; i++) {
    if (!(lrt_levels() >> levels[i] & 1)) {
      fprintf(stderr, "this processor does not have level %d\n", levels[i]);
      exit(1);
    }
    c[i] = lrt_open(1, levels[i]);
  }
  printf("| weights | rows | level %d, GFLOP/s (GB/s) | level %d | times as fast (quartiles) |\n|---|---|---|---|---|\n",
         levels[0], levels[1]);
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    const int dtype = types[t].dtype;
    if (dtype != LRT_DTYPE_BF16 && dtype != LRT_DTYPE_Q8 && dtype != LRT_DTYPE_Q4) {
      continue;
    }
    int64_t bytes = 0;
    void *packed[WEIGHTS];
    for (int l = 0; l < WEIGHTS; l++) {
      bytes = pack(c[0], dtype, raw, &packed[l]);
    }
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
      int layers = rows[r] > 16 ? 4 : rows[r] > 2 ? WEIGHTS / 2 : WEIGHTS;
      double took[2][TURNS], ratio[TURNS];
      for (int turn = 0; turn < TURNS; turn++) {
        for (int i = 0; i < 2; i++) {
          int which = (turn + i) % 2;
          took[which][turn] = multiply(c[which], dtype, packed, layers, rows[r], x, y);
        }
        ratio[turn] = took[0][turn] / took[1][turn];
      }
      qsort(ratio, TURNS, sizeof *ratio, ascending);
      printf("| %s | %d |", types[t].name, rows[r]);
      for (int i = 0; i < 2; i++) {
        qsort(took[i], TURNS, sizeof *took[i], ascending);
        double median = took[i][TURNS / 2];
        double rate = (double)layers / median * 1e-9;
        printf(" %.0f (%.1f) |", 2.0 * IN * OUT * rows[r] * rate, (double)bytes * rate);
      }
      printf(" %.2f (%.2f to %.2f) |\n", ratio[TURNS / 2], ratio[TURNS / 4], ratio[TURNS - 1 - TURNS / 4]);
    }
    for (int l = 0; l < WEIGHTS; l++) {
      lrt_free(packed[l], bytes);
    }
  }
  lrt_close(c[0]);
  lrt_close(c[1]);
}

int main(int count, char **arguments) {
  static const int rows[] = {1, 2, 6, 16, 64, 256};
  float *x = memory(ROWS * IN * 4);
  float *y = memory(ROWS * OUT * 4);
  char *raw = memory((int64_t)OUT * IN * 4);
  srand(1);
  for (int i = 0; i < ROWS * IN; i++) {
    x[i] = (float)(rand() % 1000 - 500) / 500;
  }
  for (int i = 0; i < OUT * IN * 4; i++) {
    raw[i] = (char)(rand() % 64); /* small numbers of either sign in every type */
  }
  char *normal = memory((int64_t)OUT * IN * 2); /* what can be folded: bf16 numbers about 0 */
  for (int i = 0; i < OUT * IN; i++) {
    float sum = 0;
    for (int n = 0; n < 4; n++) {
      sum += (float)(rand() % 2001 - 1000) / 30000;
    }
    set_bf16(normal, i, sum);
  }
  if (count == 3) {
    compare((int[]){atoi(arguments[1]), atoi(arguments[2])}, raw, x, y);
    return 0;
  }
  lrt_context *c = lrt_open(1, lrt_best_level());
  double limit = read_rate(c);
  double flops = peak();
  printf("level %d, one thread; memory is read at %.1f GB/s; f32 multiply-adds %.0f GFLOP/s\n\n",
         lrt_best_level(), limit, flops);
  printf("| weights | rows | GB/s | GFLOP/s | of the f32 peak |\n|---|---|---|---|---|\n");
  for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
    const int folded = types[t].dtype == LRT_DTYPE_FOLDED || types[t].dtype == LRT_DTYPE_FOLDED_ROUNDED;
    if (folded && !lrt_folds(c)) {
      continue;
    }
    int64_t bytes = 0;
    void *packed[WEIGHTS];
    for (int l = 0; l < WEIGHTS; l++) {
      bytes = pack(c, types[t].dtype, folded ? normal : raw, &packed[l]);
    }
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
      int layers = rows[r] > 16 ? 8 : WEIGHTS;
      double best = 1e9;
      for (int run = 0; run < RUNS; run++) {
        double took = multiply(c, types[t].dtype, packed, layers, rows[r], x, y);
        best = took < best ? took : best;
      }
      double rate = 2.0 * IN * OUT * rows[r] * layers / best * 1e-9;
      printf("| %s | %d | %.1f | %.0f | %.0f %% |\n", types[t].name, rows[r],
             (double)bytes * layers / best * 1e-9, rate, 100 * rate / flops);
    }
    for (int l = 0; l < WEIGHTS; l++) {
      lrt_free(packed[l], bytes);
    }
  }
  static const struct {
    const char *name;
    int dtype;
  } caches[] = {{"f32", LRT_DTYPE_F32}, {"f16", LRT_DTYPE_F16}, {"q8", LRT_DTYPE_Q8}};
  static const int positions[] = {256, 2048};
  printf("\n| one row's attention to keys and values | positions | ms, %d layers | GB/s |\n|---|---|---|---|\n", LAYERS);
  for (int i = 0; i < 6; i++) {
    double bytes;
    double took = attend(c, caches[i / 2].dtype, positions[i % 2], x, y, &bytes);
    printf("| %s | %d | %.2f | %.1f |\n", caches[i / 2].name, positions[i % 2], took * 1e3, bytes / took * 1e-9);
  }
  lrt_close(c);
  return 0;
}
