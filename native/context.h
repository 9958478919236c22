/* What the operations share: the crew, its working memory, and how a job is shared out. */
#ifndef CONTEXT_H
#define CONTEXT_H

#include "kernels.h"
#include "pool.h"

/* Multiply-adds that one thread has done before another has heard of them and is done too. */
#define ALONE 100000
#define ROW_WORK 8 /* for each number of a row that is normed, rotated or rounded */

/* Working memory that grows to the largest size asked for. */
typedef struct {
  void *data;
  int64_t bytes;
} scratch;

struct lrt_context {
  lrt_kernels kernels;
  pool *pool;
  scratch input;
  scratch attention; /* of all workers */
};

/* At least `bytes` bytes, or null; what was there before may be gone. */
void *lrt_ensure(scratch *s, int64_t bytes);

static inline int64_t up(int64_t n, int64_t multiple) { return (n + multiple - 1) / multiple * multiple; }

static inline int64_t larger(int64_t a, int64_t b) { return a > b ? a : b; }

static inline int is_quantized(int dtype) { return dtype == LRT_DTYPE_Q8 || dtype == LRT_DTYPE_Q4; }

static inline int panels_of(int out) { return (out + LRT_PANEL - 1) / LRT_PANEL; }

static inline int batch_rows(const lrt_run *runs, int count) { return runs[count - 1].first_row + runs[count - 1].rows; }

/* A job of so many multiply-adds in all. */
static inline void run(lrt_context *c, pool_job job, void *arguments, int tasks, int64_t work) {
  if (work > ALONE) {
    pool_run(c->pool, job, arguments, tasks);
    return;
  }
  for (int task = 0; task < tasks; task++) {
    job(arguments, task, 0);
  }
}

/* As lrt_attend, into an input of a product, if that is not null: heads are whole blocks then. */
int lrt_attend_into(lrt_context *c, const float *qkv, int heads, int kv_heads, int dim, int window, const lrt_run *runs,
                    int count, float *out, lrt_input *input);

#endif
