/*
 * Runs what Java calls, on every level that this processor has, against reference.h: odd sizes, extreme
 * numbers, and each row alone and in company. Inputs end where readable memory ends. Prints a line for each
 * level; see NativeKernelsTest, which also runs it for other processors, under emulation.
 */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "reference.h"

#define COUNT(array) ((int)(sizeof(array) / sizeof *(array)))

static int level;
static int most_rows;
#define MANY_ROWS 40
static int fused;
static int pairs; /* of bf16 are multiplied: near the reference, not the same */
static int64_t checks;
static int failures;
static lrt_context *crews[2]; /* of one thread and of three */

static void check(int right, const char *format, ...) {
  checks++;
  if (!right && failures++ < 20) {
    va_list arguments;
    va_start(arguments, format);
    printf("level %d: ", level);
    vprintf(format, arguments);
    printf("\n");
    va_end(arguments);
  }
}

static int same(float a, float b) { return isnan(a) ? isnan(b) : bits_of(a) == bits_of(b); }

/* --- memory and numbers ---------------------------------------------------------------------- */

static struct {
  char *from;
  size_t bytes;
} maps[4096];
static int mapped;

/* Zeroed memory with none behind it. */
static void *room(int64_t bytes) {
  size_t page = (size_t)sysconf(_SC_PAGESIZE);
  size_t size = ((size_t)bytes + page - 1) / page * page;
  char *from = mmap(NULL, size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (from == MAP_FAILED || mapped == COUNT(maps) || mprotect(from + size, page, PROT_NONE)) {
    printf("no memory\n");
    exit(1);
  }
  maps[mapped].from = from;
  maps[mapped++].bytes = size + page;
  return from + size - bytes;
}

static void forget_all(void) {
  while (mapped > 0) {
    mapped--;
    munmap(maps[mapped].from, maps[mapped].bytes);
  }
}

static uint64_t seed;

static uint64_t next(void) { /* splitmix64 */
  uint64_t z = (seed += 0x9E3779B97F4A7C15u);
  z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
  z = (z ^ z >> 27) * 0x94D049BB133111EBu;
  return z ^ z >> 31;
}

static float uniform(void) { return (float)((double)(next() >> 11) * 0x1p-52 - 1); }

static float *numbers(int64_t n) {
  float *x = room(4 * n);
  for (int64_t i = 0; i < n; i++) {
    x[i] = uniform() + uniform() + uniform();
  }
  return x;
}

static const float EXTREMES[] = {0.f,        -0.f,      1e-8f,    -3e-8f,   2.98e-8f, 6.1e-5f, 6.0975e-5f, 0x1.003p-3f,
                                 0x1.001p0f, 65519.99f, 65520.f,  -7e4f,    2049.f,   2051.f,  1e-30f,     -1e-41f,
                                 0.5f,       -127.5f,   126.499f, 3e38f,    NAN,      INFINITY, -INFINITY, 1e-5f};

/* x as a plain type, q8 or q4. */
static void *stored(int dtype, const float *x, int64_t n) {
  char *to = room(bytes_of(dtype, n));
  for (int64_t i = 0; i < n; i++) {
    if (dtype == LRT_DTYPE_F32) {
      memcpy(to + 4 * i, x + i, 4);
    } else if (dtype == LRT_DTYPE_F16 || dtype == LRT_DTYPE_BF16) {
      uint16_t two = is_half(dtype) ? to_half(x[i]) : (uint16_t)(bits_of(x[i]) >> 16);
      memcpy(to + 2 * i, &two, 2);
    } else if (i % LRT_BLOCK == 0) {
      (dtype == LRT_DTYPE_Q8 ? round_q8 : round_q4)(x + i, to + bytes_of(dtype, i));
    }
  }
  return to;
}

/* --- products -------------------------------------------------------------------------------- */

static const char *NAMES[] = {"f32", "f16", "bf16", "q8", "bf16 rounded", "q4"};

/* Rows with what makes sums largest: all, none or every second number at its end. */
static void extreme_rows(float *x, int rows, int in, float least, float most) {
  for (int r = 0; r < rows; r++) {
    for (int k = 0; k < in; k++) {
      int up = r % 4 == 0 || (r % 4 == 2 && k % 2) || (r % 4 == 3 && k % 4 < 2);
      x[r * in + k] = up ? most : least;
    }
  }
}

static void check_products(int dtype, int in, int out, int extreme) {
  int plain = dtype == LRT_DTYPE_BF16_ROUNDED ? LRT_DTYPE_BF16 : dtype;
  int blocks = dtype == LRT_DTYPE_Q8 || dtype == LRT_DTYPE_Q4;
  float *values = numbers((int64_t)out * in);
  float *x = numbers((int64_t)most_rows * in);
  if (extreme) {
    extreme_rows(x, most_rows, in, -127, 127);
    extreme_rows(values, out, in, dtype == LRT_DTYPE_Q4 ? -8 : -127, dtype == LRT_DTYPE_Q4 ? 7 : 127);
  }
  char *rows = stored(plain, values, (int64_t)out * in);
  if (extreme && dtype == LRT_DTYPE_Q8) { /* a byte that rounding never gives */
    for (int64_t i = 0; i < (int64_t)out * in; i++) {
      int8_t *byte = (int8_t *)rows + i / LRT_BLOCK * LRT_Q8_BYTES + 2 + i % LRT_BLOCK;
      *byte = *byte == -127 ? -128 : *byte;
    }
  } else if (extreme == 0) {
    x[in / 2] = NAN;
  }
  float *bias = numbers(out);
  float *before = numbers((int64_t)most_rows * 2 * out);
  float *expected = room(4 * (int64_t)most_rows * out);
  double *most = room(8 * (int64_t)most_rows * out); /* the sum of magnitudes */
  for (int r = 0; r < most_rows; r++) {
    for (int o = 0; o < out; o++) {
      const float *row = x + (int64_t)r * in;
      expected[r * out + o] = product(fused, plain, row, in, rows, (int64_t)o * in);
      for (int k = 0; !blocks && k < in; k++) {
        most[r * out + o] += fabs((double)row[k] * (double)number(plain, rows, (int64_t)o * in + k, NULL));
      }
    }
  }
  int64_t packed_bytes = lrt_packed_bytes(dtype, out, in);
  void *packed = room(packed_bytes);
  lrt_pack(crews[1], plain, dtype, out, in, rows, packed);
  if (blocks && !extreme) { /* rounded and packed at once */
    const float wrong[] = {0, 1e9f, INFINITY, -INFINITY, NAN}; /* 0: none */
    int64_t where = (int64_t)out * in - 3;
    for (int i = 0; i < 15; i++) {
      int from = i % 3;
      float kept = values[where];
      values[where] = wrong[i / 3] == 0 ? kept : wrong[i / 3];
      float *exact = room(4 * (int64_t)out * in);
      void *unrounded = stored(from, values, (int64_t)out * in);
      values[where] = kept;
      for (int64_t k = 0; k < (int64_t)out * in; k++) {
        exact[k] = number(from, unrounded, k, NULL);
      }
      void *expect = room(packed_bytes);
      void *got = room(packed_bytes);
      lrt_pack(crews[0], dtype, dtype, out, in, stored(dtype, exact, (int64_t)out * in), expect);
      int whole = lrt_pack(crews[1], from, dtype, out, in, unrounded, got);
      check(whole == (i < 3), "%s of %s, %d to %d, with %g", NAMES[dtype], NAMES[from], in, out, (double)wrong[i / 3]);
      check(!memcmp(expect, got, (size_t)packed_bytes), "%s of %s, %d to %d: rounded", NAMES[dtype], NAMES[from], in, out);
    }
  }
  lrt_part parts[2] = {{packed, bias, dtype, out}, {packed, NULL, dtype, out}};
  float *all = room(4 * (int64_t)most_rows * 2 * out);
  const int step = most_rows > MANY_ROWS ? 27 : 1;
  for (int n = most_rows; n > (step > 1 ? MANY_ROWS : 0); n -= step) {
    int add = n % 2;
    float *y = room(4 * (int64_t)n * 2 * out);
    memcpy(y, before, 4 * (size_t)n * 2 * (size_t)out);
    float *input = room(4 * (int64_t)n * in);
    memcpy(input, x, 4 * (size_t)n * (size_t)in);
    check(!lrt_project(crews[n / 2 % 2], input, n, in, NULL, 0, 0, parts, 2, y, add), "no memory");
    if (n == most_rows) {
      memcpy(all, y, 4 * (size_t)n * 2 * (size_t)out);
    }
    for (int r = 0; r < n; r++) {
      for (int i = 0; i < 2 * out; i++) {
        int o = i % out;
        float sum = i < out ? expected[r * out + o] + bias[o] : expected[r * out + o];
        float got = y[(int64_t)r * 2 * out + i];
        float with_before = before[r * 2 * out + i] + sum;
        float right = add ? with_before : sum;
        if (pairs && plain == LRT_DTYPE_BF16) { /* of an output with what was there, the sum is got back */
          float alone = all[(int64_t)r * 2 * out + i];
          double off = fabs((double)(add ? got : before[r * 2 * out + i] + got) - (double)with_before);
          double most_off = (dtype == plain ? 0x1p-15 : 0x1p-8) * most[r * out + o] + 1e-5;
          check(off <= most_off || isnan(sum), "%s, %d to %d, row %d of %d, output %d: %g, not %g", NAMES[dtype], in, out,
                r, n, i, got, right);
          check(!add || same(alone, got), "%s, %d to %d, row %d of %d, output %d: not as among %d", NAMES[dtype], in, out,
                r, n, i, most_rows);
        } else {
          check(same(right, got), "%s, %d to %d, row %d of %d, output %d: %.9g, not %.9g", NAMES[dtype], in, out, r, n, i,
                got, right);
        }
      }
    }
  }
  forget_all();
}

/* What is folded is multiplied as what is packed, to the bit; `wild` weights have all exponents. */
static void check_folded(int in, int out, int wild) {
  if (!lrt_folds(crews[0])) {
    return;
  }
  float *values = numbers((int64_t)out * in);
  for (int64_t i = 0; i < (int64_t)out * in; i++) {
    if (i % (wild ? 2 : 61) == 0) {
      uint32_t bits = (uint32_t)next();
      memcpy(values + i, wild || i % 2 ? (const void *)&bits : EXTREMES + i % COUNT(EXTREMES), 4);
    }
  }
  uint16_t *rows = stored(LRT_DTYPE_BF16, values, (int64_t)out * in);
  float *x = numbers((int64_t)most_rows * in);
  float *bias = numbers(out);
  void *packed = room(lrt_packed_bytes(LRT_DTYPE_BF16, out, in));
  lrt_pack(crews[1], LRT_DTYPE_BF16, LRT_DTYPE_BF16, out, in, rows, packed);
  int64_t *lists = room(8 * ((out + LRT_FOLDED - 1) / LRT_FOLDED));
  int64_t listed = lrt_fold(crews[1], out, in, rows, NULL, NULL, lists, 0);
  int64_t whole = lrt_folded_bytes(out, in);
  char *folded = room(whole + 8 * listed);
  check(listed == lrt_fold(crews[0], out, in, rows, NULL, NULL, lists, 0), "folded, %d to %d: counts differ", in, out);
  lrt_fold(crews[1], out, in, rows, folded, folded + whole, lists, 0);
  int group = 0;
  for (int64_t i = 0; i < listed; i++) { /* each list ends where it was found to, and nowhere else */
    uint16_t step;
    memcpy(&step, folded + whole + 8 * i, sizeof step);
    int last = (group + 1) * LRT_FOLDED >= out ? i == listed - 1 : i == lists[group + 1] - 1;
    check(last == (step == 65535), "folded, %d to %d: lists differ", in, out);
    group += last;
  }
  check(wild || in < 64 || listed < (int64_t)out * in / 40 + out, "folded, %d to %d: %d listed", in, out, (int)listed);
  for (int rounded = 0; rounded < 2; rounded++) {
    int types[2] = {rounded ? LRT_DTYPE_BF16_ROUNDED : LRT_DTYPE_BF16, rounded ? LRT_DTYPE_FOLDED_ROUNDED : LRT_DTYPE_FOLDED};
    for (int n = most_rows; n > 0; n -= most_rows > MANY_ROWS ? 27 : 1) {
      float *y[2];
      for (int i = 0; i < 2; i++) {
        lrt_part part = {i ? folded : packed, n % 3 ? bias : NULL, types[i], out};
        y[i] = room(4 * (int64_t)n * out);
        lrt_project(crews[n % 2], x, n, in, NULL, 0, 0, &part, 1, y[i], 0);
      }
      for (int i = 0; i < n * out; i++) {
        check(same(y[0][i], y[1][i]), "folded%s, %d to %d, row %d of %d, output %d: %g, not %g", rounded ? ", rounded" : "", in,
              out, i / out, n, i % out, y[1][i], y[0][i]);
      }
    }
  }
  forget_all();
}

static void check_inputs(int in) {
  float *x = numbers(3 * 2 * in);
  float *weight = numbers(in);
  float *eye = room(4 * (int64_t)in * in);
  for (int i = 0; i < in; i++) {
    eye[i * in + i] = 1;
  }
  void *packed = room(lrt_packed_bytes(LRT_DTYPE_F32, in, in));
  lrt_pack(crews[0], LRT_DTYPE_F32, LRT_DTYPE_F32, in, in, eye, packed);
  lrt_part part = {packed, NULL, LRT_DTYPE_F32, in};
  float *normed = room(4 * (int64_t)3 * in);
  float *got = room(4 * (int64_t)3 * in);
  lrt_norm(crews[1], x, 3, in, weight, 1e-6f, normed);
  lrt_project(crews[0], x, 3, in, weight, 1e-6f, 0, &part, 1, got, 0);
  for (int r = 0; r < 3; r++) {
    double squares = 0;
    for (int k = 0; k < in; k++) {
      squares += (double)x[r * in + k] * (double)x[r * in + k];
    }
    for (int k = 0; k < in; k++) {
      double right = (double)x[r * in + k] / sqrt(squares / in + 1e-6) * (double)weight[k];
      check(fabs(right - (double)normed[r * in + k]) <= 1e-6 * fabs(right), "norm of %d, number %d", in, k);
      check(normed[r * in + k] == got[r * in + k], "norm before a product, %d, number %d", in, k);
    }
  }
  for (int i = 0; i < in; i += 3) {
    x[i] *= 40; /* silu near its ends */
  }
  lrt_project(crews[1], x, 3, in, NULL, 0, 1, &part, 1, got, 0);
  for (int r = 0; r < 3; r++) {
    for (int k = 0; k < in; k++) {
      double g = (double)x[2 * r * in + k];
      double right = g / (1 + exp(-g)) * (double)x[(2 * r + 1) * in + k];
      check(fabs(right - (double)got[r * in + k]) <= 1e-6 * fabs(right) + 1e-30, "silu of %d, number %d", in, k);
    }
  }
  forget_all();
}

static void check_summaries(int n) {
  float *x = numbers(4 * n);
  x[n + n / 2] = x[n + n - 1] = 9; /* the largest twice */
  for (int i = 0; i < n - 1; i++) {
    x[2 * n + i] = -INFINITY;
  }
  double *got = room(sizeof(double) * 16);
  lrt_summarize(crews[1], x, 0, 4, n, got);
  for (int r = 0; r < 4; r++) {
    const float *row = x + r * n;
    int place = 0;
    float second = -INFINITY;
    for (int i = 1; i < n; i++) {
      place = row[i] > row[place] ? i : place;
    }
    double sum = 0;
    for (int i = 0; i < n; i++) {
      second = i != place && row[i] > second ? row[i] : second;
      sum += exp((double)row[i] - (double)row[place]);
    }
    const double *s = got + 4 * r;
    check(s[0] == place && (float)s[1] == row[place] && (float)s[2] == second && fabs(s[3] - sum) <= 1e-5 * sum,
          "summary of %d: %g %g %g %g", n, s[0], s[1], s[2], s[3]);
  }
  forget_all();
}

static void check_reading(void) {
  int64_t bytes = 3 * 2048 + (INT64_C(512) << 10);
  int64_t *words = room(bytes);
  uint64_t sum = 0;
  for (int64_t i = 0; i < bytes / 8; i++) {
    words[i] = (int64_t)next();
    sum += (uint64_t)words[i];
  }
  for (int streams = 1; streams <= 8; streams *= 2) {
    for (int ahead = 0; ahead <= 1024; ahead += 1024) {
      check((uint64_t)lrt_read(crews[1], words, bytes, streams, ahead) == sum, "reading in %d streams", streams);
    }
  }
  forget_all();
}

/* --- keys, values and attention -------------------------------------------------------------- */

/* A sequence of `end` positions, in spans of two lengths. */
static lrt_run sequence(int dtype, int kv_heads, int dim, int end) {
  int first = end > 7 ? end / 3 : end;
  lrt_span *spans = room(2 * sizeof(lrt_span));
  for (int s = 0; s < 2; s++) {
    int positions = s ? end - first : first;
    spans[s] = (lrt_span){room(bytes_of(dtype, (int64_t)kv_heads * positions * dim)),
                          room(bytes_of(dtype, (int64_t)kv_heads * positions * dim)), positions * dim, dtype,
                          s ? first : 0, s ? end : first};
  }
  return (lrt_run){.spans = first < end ? 2 : 1, .span = spans};
}

/* What rope stores, number by number, and rotated queries. */
static void check_rope(int dtype, int heads, int kv_heads, int dim) {
  int width = (heads + 2 * kv_heads) * dim;
  int rows = most_rows;
  float *qkv = numbers((int64_t)rows * width);
  for (int r = 0; r < rows; r++) { /* in values, which are not rotated, and which blocks keep apart */
    for (int i = 0; r % 2 && i < kv_heads * dim; i += 5) {
      qkv[r * width + (heads + kv_heads) * dim + i] = EXTREMES[(r + i) % COUNT(EXTREMES)];
    }
  }
  float *rope = numbers((int64_t)rows * dim);
  float *before = room(4 * (int64_t)rows * width);
  memcpy(before, qkv, 4 * (size_t)rows * (size_t)width);
  lrt_run run = sequence(dtype, kv_heads, dim, rows);
  run.rows = rows;
  lrt_rope(crews[1], qkv, heads, kv_heads, dim, NULL, NULL, 0, rope, &run, 1);
  float *expected = room(4 * (int64_t)dim);
  for (int r = 0; r < rows; r++) {
    for (int h = 0; h < heads + 2 * kv_heads; h++) {
      const float *x = before + r * width + h * dim;
      int half = dim / 2;
      for (int c = 0; c < dim; c++) {
        float cosine = rope[r * dim + c % half];
        float sine = rope[r * dim + half + c % half];
        float rotated = c < half ? x[c] * cosine - x[c + half] * sine : x[c] * cosine + x[c - half] * sine;
        expected[c] = h < heads + kv_heads ? rotated : x[c];
        check(same(expected[c], qkv[r * width + h * dim + c]), "rotated %d, row %d, head %d, number %d", dim, r, h, c);
      }
      if (h < heads) {
        continue;
      }
      int values = h >= heads + kv_heads;
      for (int c = 0; dtype == LRT_DTYPE_F16 && c < dim; c++) { /* the largest f16, not infinity */
        float most = 65504;
        expected[c] = expected[c] > most ? most : expected[c] < -most ? -most : expected[c];
      }
      void *kept = stored(dtype, expected, dim);
      for (int c = 0; c < dim; c++) {
        float right = number(dtype, kept, c, NULL);
        float got = cached(&run, values, (h - heads) % kv_heads, r, dim, c);
        check(same(right, got), "%s kept: %.9g, not %.9g", NAMES[dtype], got, right);
      }
    }
  }
  forget_all();
}

static void fill(lrt_run *run, int kv_heads, int dim) {
  for (int s = 0; s < run->spans; s++) {
    const lrt_span *span = &run->span[s];
    int64_t n = (int64_t)kv_heads * (span->to - span->from) * dim;
    int64_t bytes = bytes_of(span->dtype, n);
    memcpy(span->keys, stored(span->dtype, numbers(n), n), (size_t)bytes);
    memcpy(span->values, stored(span->dtype, numbers(n), n), (size_t)bytes);
  }
}

/* A batch of sequences, one long enough for several chunks, of which `read` rows come at once; then each row alone. */
static void check_attention(int dtype, int heads, int kv_heads, int dim, int window, int longest, int read) {
  int width = (heads + 2 * kv_heads) * dim;
  const int ends[] = {longest, 5, 1, longest / 2};
  const int rows[] = {read, 5, 1, 1};
  lrt_run runs[4];
  int all = 0;
  for (int s = 0; s < 4; s++) {
    runs[s] = sequence(dtype, kv_heads, dim, ends[s]);
    fill(&runs[s], kv_heads, dim);
    runs[s].first_row = all;
    runs[s].rows = rows[s];
    runs[s].position = ends[s] - rows[s];
    all += rows[s];
  }
  float *qkv = numbers((int64_t)all * width);
  const int wrong = 2; /* its first head's query */
  qkv[wrong * width + dim / 2] = NAN;
  float *out = room(4 * (int64_t)all * heads * dim);
  check(!lrt_attend(crews[1], qkv, heads, kv_heads, dim, window, runs, 4, out), "no memory");
  float *alone = room(4 * (int64_t)heads * dim);
  double *scores = room(8 * (int64_t)longest);
  double *right = room(8 * (int64_t)dim);
  for (int s = 0; s < 4; s++) {
    for (int r = runs[s].first_row; r < runs[s].first_row + runs[s].rows; r++) {
      int position = runs[s].position + r - runs[s].first_row;
      lrt_run one = runs[s];
      one.first_row = 0;
      one.rows = 1;
      one.position = position;
      lrt_attend(crews[r % 2], qkv + (int64_t)r * width, heads, kv_heads, dim, window, &one, 1, alone);
      for (int h = 0; h < heads; h++) {
        const float *got = out + ((int64_t)r * heads + h) * dim;
        double size = attention(&runs[s], qkv + (int64_t)r * width + h * dim, h * kv_heads / heads, dim, position,
                                window, scores, right);
        int nan = r == wrong && h == 0;
        for (int c = 0; c < dim; c++) {
          check(same(got[c], alone[h * dim + c]), "attention, %s, %d wide, window %d, row %d, head %d: %g alone, not %g",
                NAMES[dtype], dim, window, r, h, alone[h * dim + c], got[c]);
          check(nan ? isnan(got[c]) : fabs((double)got[c] - right[c]) <= 2e-6 * size,
                "attention, %s, %d wide, window %d, row %d, head %d: %g, not %g", NAMES[dtype], dim, window, r, h, got[c],
                right[c]);
        }
      }
    }
  }
  forget_all();
}

/* --- all ------------------------------------------------------------------------------------- */

/* So many outputs that few rows read two runs of memory at once, or one row four. */
static void check_few_rows(void) {
  for (int dtype = LRT_DTYPE_Q8; dtype <= LRT_DTYPE_Q4; dtype += LRT_DTYPE_Q4 - LRT_DTYPE_Q8) {
    check_products(dtype, 64, 200, 0);
    check_products(dtype, 64, 700, 0);
  }
  check_folded(66, 300, 0);
  check_folded(66, 800, 1);
  check_folded(66, 1600, 0);
}

static void check_level(void) {
  seed = 1;
  const int sizes[][2] = {{1, 1}, {33, 17}, {64, 100}, {96, 33}, {224, 16}};
  for (int dtype = 0; dtype <= LRT_DTYPE_Q4; dtype++) {
    int blocks = dtype == LRT_DTYPE_Q8 || dtype == LRT_DTYPE_Q4;
    for (int s = blocks ? 2 : 0; s < COUNT(sizes); s++) {
      check_products(dtype, sizes[s][0], sizes[s][1], 0);
    }
    check_products(dtype, 64, 37, 1);
    if (level == LRT_AMX && dtype >= LRT_DTYPE_BF16) {
      check_products(dtype, 64, 300, 0); /* so many outputs that a task is larger */
      int few = most_rows;
      most_rows = 285; /* more rows, and wider ones, than are together in the caches */
      check_products(dtype, 1056, 33, 0);
      check_products(dtype, 64, 37, 1);
      most_rows = few;
    }
  }
  for (int s = 0; s < COUNT(sizes); s++) {
    check_folded(sizes[s][0], sizes[s][1], 0);
    check_folded(sizes[s][0], sizes[s][1], 1);
  }
  if (level == LRT_AMX) {
    int few = most_rows;
    most_rows = 285;
    check_folded(1056, 100, 0);
    check_folded(1051, 33, 1);
    most_rows = few;
  }
  check_folded(512, 130, 0);
  const int widths[] = {1, 7, 32, 100};
  for (int i = 0; i < COUNT(widths); i++) {
    check_inputs(widths[i]);
  }
  if (level >= LRT_VNNI) {
    return; /* the rest is as on AVX-512, or AVX2 */
  }
  const int vocabularies[] = {1, 5, 64, 1001};
  for (int i = 0; i < COUNT(vocabularies); i++) {
    check_summaries(vocabularies[i]);
  }
  check_reading();
  const int types[] = {LRT_DTYPE_F32, LRT_DTYPE_F16, LRT_DTYPE_Q8};
  const int dims[] = {2, 6, 16, 20, 32, 96, 128};
  const int groups[][2] = {{4, 2}, {7, 1}, {3, 3}};
  for (int t = 0; t < COUNT(types); t++) {
    for (int d = 0; d < COUNT(dims); d++) {
      if (types[t] == LRT_DTYPE_Q8 && dims[d] % LRT_BLOCK) {
        continue;
      }
      const int *g = groups[(d + t) % COUNT(groups)];
      check_rope(types[t], g[0], g[1], dims[d]);
      check_attention(types[t], g[0], g[1], dims[d], 1 << 30, dims[d] < 64 ? 300 : 150, 6);
      check_attention(types[t], g[0], g[1], dims[d], 37, 150, 6);
    }
    for (int heads = 3; heads <= 13; heads++) { /* each number of queries that share a key, and two or three times as many */
      check_attention(types[t], heads, 1, heads % 2 ? 128 : 32, 1 << 30, 145, 2 + heads % 2);
    }
    for (int rows = 3; rows <= 13; rows++) { /* of which the last see a vector more than those before */
      for (int heads = 1; heads <= 4; heads++) {
        check_attention(types[t], heads, 1, 32, 1 << 30, 144 + rows % 3, rows);
      }
    }
    /* so many rows that they are several blocks, of several tiles that see more and more */
    check_attention(types[t], 4, 2, 32, 1 << 30, 300, 200);
    check_attention(types[t], 3, 3, 96, 37, 200, 197);
  }
}

static void open_crews(int way) {
  crews[0] = lrt_open(1, way);
  crews[1] = lrt_open(3, way);
  if (!crews[0] || !crews[1]) {
    printf("no crew\n");
    exit(1);
  }
}

static void close_crews(void) {
  lrt_close(crews[0]);
  lrt_close(crews[1]);
}

int main(void) {
  for (level = 0; lrt_levels() >> level; level++) {
    if (!(lrt_levels() >> level & 1)) {
      continue;
    }
#if defined __aarch64__
    fused = 1;
#else
#if EMULATED_AMX
    if (level < LRT_AMX) {
      continue;
    }
#endif
    fused = level > LRT_BASELINE;
    pairs = level == LRT_BF16 || level == LRT_AMX;
#endif
    most_rows = level == LRT_AMX ? 37 : 13; /* more than two tiles of AMX */
    checks = 0;
    int before = failures;
    open_crews(level);
    check_level();
    check_few_rows();
    close_crews();
    open_crews(level + LRT_OTHERS_WAY);
    check_few_rows();
    close_crews();
    printf("level %d: %lld checks, %d failed\n", level, (long long)checks, failures - before);
  }
  return failures > 0;
}
