/* What is compiled once for every level of instructions: kernels.c. */
#ifndef KERNELS_H
#define KERNELS_H

#include "lrt4j.h"

/* Positions whose scores are taken together; their partial results are added up in order. */
#define CHUNK 128
/* From one to the next of a chunk's transposed keys, in floats: a power of two would leave most of the first cache unused. */
#define COLUMN (CHUNK + 16)

/*
 * Rows of a product's input, in the forms that its weights are multiplied with: f32 rows, `stride` floats apart, and, for
 * bf16 weights where there are instructions for them, each row as the sum of two bf16 rows (16 bits
 * of mantissa), the second `stride` behind the first. A form that no weight needs is null.
 */
#define LRT_SIDE 16

typedef struct {
  float *plain;
  uint16_t *split; /* 2 * stride a row; on level 5 in tiles, see in_tiles */
  int stride;
  /*
   * For q8 weights, each row in blocks of LRT_BLOCK: bytes, their scales, and what their sums begin
   * with to make up for the weights' 128 too many.
   */
  int8_t *bytes;    /* stride a row */
  float *scales;    /* stride / LRT_BLOCK a row */
  int32_t *begin;   /* likewise */
  int asks;         /* as in lrt_kernels */
  int in;           /* numbers of a row */
  int tile;         /* rows of a tile: LRT_SIDE, or all, if there are fewer */
} lrt_input;

static inline int smaller(int a, int b) { return a < b ? a : b; }

/* Bytes of n numbers, of whole blocks if they come in such. */
static inline int64_t lrt_bytes(int dtype, int64_t n) {
  return dtype == LRT_DTYPE_Q8 ? n / LRT_BLOCK * LRT_Q8_BYTES : n * (dtype == LRT_DTYPE_F16 ? 2 : 4);
}

/* Bytes of a folded group: its head, then for every pair of inputs a line of codes and two of lower bytes. */
static inline int64_t lrt_group_bytes(int in) { return ((int64_t)(in + 1) / 2 * 3 + 1) * 64; }

/* Elements of a row are padded with zeros to a multiple of this. */
#define ROW_MULTIPLE 32

/* What attention needs of one worker; [queries] are the rows of a block times its heads. */
typedef struct {
  float *keys;    /* [dim, COLUMN], transposed */
  float *values;  /* [CHUNK, padded dim], where the cache's own rows cannot be read as they are */
  float *scores;  /* [queries, CHUNK] */
  float *partial; /* [queries, padded dim] */
  float *largest; /* [queries] */
  float *sums;    /* [queries] */
  const float **rows; /* [queries] */
} lrt_attention_room;

/*
 * Some query rows of one sequence, all heads of one group or of several, group by group: query i of a
 * group is row i / group, head i % group.
 */
typedef struct {
  const float *queries; /* of the first row and head */
  int64_t row;          /* floats from row to row */
  int rows;
  int group;
  int dim;
  int position; /* of the first row */
  int window;
  int64_t head; /* the first key/value head */
  int heads;    /* of them, each with a group; one, if that has more than `few` queries */
  int asks;     /* as in lrt_kernels */
  const lrt_run *run;
} lrt_block;

/* Outputs of `panels` panels from `panel` on, for all rows; y is the part's first output. */
typedef void lrt_product(const lrt_input *x, int rows, int in, const lrt_part *part, int panel,
                         int panels, float *y, int64_t y_stride, int add);

/*
 * Runs of memory that products of up to RUN_ROWS rows read at once, as memory is faster then: two. One row reads twice as many,
 * by turns where there are few registers; with AVX-512 as was measured: on Zen 5 two, and of q4 one, on Intel's processors four,
 * all of which it asks for.
 */
#define LRT_RUNS 2
#define LRT_MOST_RUNS (2 * LRT_RUNS)
#define RUN_ROWS 3

/*
 * Outputs of the panels that lie side by side from `panel` on, and of as many `apart` panels further on, and so forth, `runs`
 * times.
 */
typedef void lrt_runs(const lrt_input *x, int rows, int in, const lrt_part *part, int panel, int runs, int apart, float *y,
                      int64_t y_stride, int add);

typedef struct {
  lrt_runs *product; /* or null */
  int of_one_row;    /* runs that one row reads; more rows read LRT_RUNS */
  int rows;          /* that it multiplies, at most */
} lrt_few_rows;

typedef struct {
  /* Whether bf16 weights want the split form of the input. */
  int splits;
  /* Whether all that comes is asked for, and in several pages of memory by turns: Intel's processors follow it less far. */
  int asks;
  /* Whether products of many rows are so fast that a task has to be large. */
  int large_tasks;
  /* One row of the input, after a norm (if not null). `room` has a row, where the input has no f32 rows. */
  void (*prepare)(const float *x, const float *norm, float eps, lrt_input *to, int row, float *room);
  /*
   * n numbers of a row of the input, from element `at` on: whole blocks, or all that is left of the row. x itself, or
   * silu(g) u, for which `room` has n numbers, where the input has no f32 rows.
   */
  void (*put)(const float *x, int n, lrt_input *to, int row, int at);
  void (*gate)(const float *g, const float *u, int n, lrt_input *to, int row, int at, float *room);
  lrt_product *product[LRT_DTYPES];
  lrt_few_rows few_rows[LRT_DTYPES];
  /* See lrt_pack. */
  int (*pack)(int stored, int dtype, int out, int in, const void *from, void *to, int panel);
  /* Folds one group of a weight, see lrt_fold; null where there are no products of such. */
  int64_t (*fold)(int out, int in, const void *from, int group, void *to, void *list);
  void (*norm)(const float *x, int n, const float *weight, float eps, float *out);
  void (*rotate)(float *x, int dim, const float *rope);
  /* n numbers as f16 or q8 (whole blocks), or as they are. */
  void (*narrow)(const float *x, int n, int dtype, void *to);
  /*
   * Most queries of a group that read keys and values where they lie: groups go together then, as
   * memory is fast in long runs.
   */
  int few;
  /* Scores of a block in one chunk: largest, sums and partial are set; whoever sees nothing has -inf. */
  void (*attend)(const lrt_block *b, int chunk, const lrt_attention_room *room);
  /* Adds another chunk's result to one query's: m, s and o are what the chunks before it gave. */
  void (*merge)(float *m, float *s, float *o, float chunk_m, float chunk_s, const float *chunk_o,
                int dim);
  void (*divide)(const float *o, float s, int dim, float *out);
  void (*summarize)(const float *x, int n, double summary[4]);
  /* The sum of all 64-bit words, read in several places at once: see lrt_read. */
  int64_t (*read)(const char *data, int64_t bytes, int streams, int ahead);
} lrt_kernels;

/*
 * The kernels of level 0, 1 or 2; and what level 3 has of its own over level 2 (on aarch64, 0), 4 over 3, 5 over 4, and 6 over 1.
 */
void lrt_kernels_0(lrt_kernels *kernels);
void lrt_kernels_1(lrt_kernels *kernels);
void lrt_kernels_2(lrt_kernels *kernels);
void lrt_kernels_3(lrt_kernels *kernels);
void lrt_kernels_4(lrt_kernels *kernels);
void lrt_kernels_5(lrt_kernels *kernels);
void lrt_kernels_6(lrt_kernels *kernels);

/* Whether level 5's products are what they should be, on this processor. */
int lrt_amx_works(void);

#endif
