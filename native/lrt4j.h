/*
 * The C side of the backend "native": what Java calls, by lrt_call. Java checks shapes; nothing here does. All
 * matrices are row-major and little-endian, activations are f32. Calls on one context take turns.
 */
#ifndef LRT4J_H
#define LRT4J_H

#include <stdint.h>

#define LRT_EXPORT __attribute__((visibility("default")))

/*
 * Instruction sets, each with all before it that this architecture has, but AVX-VNNI: that is AVX2 with one instruction more,
 * on processors with AVX-512 and without. Compiled apart, chosen when a context is opened.
 */
enum lrt_level {
  LRT_BASELINE = 0, /* what every processor of this architecture has: SSE2, NEON */
  LRT_AVX2 = 1,     /* AVX2, FMA, F16C */
  LRT_AVX512 = 2,   /* AVX-512 F, BW, VL, DQ */
  LRT_VNNI = 3,     /* AVX-512 VNNI: products of bytes */
  LRT_DOT = 3,      /* the same on aarch64: NEON's dot products */
  LRT_BF16 = 4,     /* AVX-512 BF16: products of bf16 pairs */
  LRT_AMX = 5,      /* AMX: products of tiles, of bytes and of bf16 pairs */
  LRT_AVX_VNNI = 6  /* AVX2 and AVX-VNNI: products of bytes */
};

/* Added to a level, by tests: one row reads memory as on processors of another make. */
#define LRT_OTHERS_WAY 64

/* What weights are, and what they are multiplied by. */
enum lrt_dtype {
  LRT_DTYPE_F32 = 0,
  LRT_DTYPE_F16 = 1,
  LRT_DTYPE_BF16 = 2,         /* an input to 16 bits of mantissa, at least */
  LRT_DTYPE_Q8 = 3,           /* an input rounded to bytes */
  LRT_DTYPE_BF16_ROUNDED = 4, /* an input rounded to bf16, where that is faster */
  LRT_DTYPE_Q4 = 5,           /* likewise as q8 */
  LRT_DTYPE_FOLDED = 6,       /* bf16 in 12 bits, multiplied as bf16 is: see lrt_fold */
  LRT_DTYPE_FOLDED_ROUNDED = 7, /* likewise as bf16 rounded */
  LRT_DTYPES = 8
};

/*
 * A q8 row is a run of blocks of 32 elements: an f16 scale, then 32 signed bytes; an element is scale
 * times byte.
 */
#define LRT_BLOCK 32
#define LRT_Q8_BYTES (2 + LRT_BLOCK)

/* Likewise q4: an f16 scale, then 16 bytes with elements i (low bits) and i + 16, each 8 too many. */
#define LRT_Q4_BYTES (2 + LRT_BLOCK / 2)

/* Outputs that are computed together, those that lie side by side in a packed weight, and in a folded one. */
#define LRT_PANEL 16
#define LRT_WIDE 32
#define LRT_FOLDED 64

/*
 * A packed weight [out, in] is read by few rows in one run, or in several at once: 32 outputs' element k, then k + 1
 * (f32, f16), or their pairs of elements 2 k, 2 k + 1 (bf16), then the next 32 outputs'. What is missing to whole 32 and
 * pairs is zero. q8: 32 outputs, of block after block all outputs' bytes 4 k … 4 k + 3, each 128 more than it is,
 * so that they are unsigned, then the block's 32 scales. q4: likewise bytes 4 k … 4 k + 3 of its rows.
 */
typedef struct {
  const void *weight;
  const float *bias; /* [out], or null */
  int32_t dtype;
  int32_t out;
} lrt_part;

/*
 * Positions from … to-1 of a sequence: of head h, at element h * head + (position - from) * headDim.
 * Elements of q8 are counted as if they were numbers of their own; headDim is a whole number of blocks.
 */
typedef struct {
  void *keys;
  void *values;
  int32_t head;  /* elements from one head to the next */
  int32_t dtype; /* f32, f16 or q8 */
  int32_t from;
  int32_t to;
} lrt_span;

/* Rows of one sequence in a batch, and where its positions lie: all spans, in order, without gaps. */
typedef struct {
  int32_t first_row;
  int32_t rows;
  int32_t position; /* of the first row */
  int32_t spans;
  lrt_span *span;
  int32_t wanted; /* how many rows, the last: for lrt_layers alone */
} lrt_run;

/* One decoder layer: its parameters, their parts counted in `…_parts`; query and key norm may be null. */
typedef struct {
  const float *input_norm;
  const lrt_part *qkv;
  const float *query_norm;
  const float *key_norm;
  const lrt_part *output;
  const float *post_norm;
  const lrt_part *gate_up;
  const lrt_part *down;
  int32_t qkv_parts;
  int32_t output_parts;
  int32_t gate_up_parts;
  int32_t down_parts;
  int32_t hidden;
  int32_t inner; /* of gate and up, each */
  int32_t heads;
  int32_t kv_heads;
  int32_t dim;
  int32_t window;
  float eps;
} lrt_layer;

/* What flows through layers: x [rows, hidden], in and out, and room for what lies between. */
typedef struct {
  float *x;
  float *qkv;   /* [rows, (heads + 2 kv_heads) dim] */
  float *mixed; /* [rows, heads dim] */
  float *mlp;   /* [rows, 2 inner] */
  const float *rope;
} lrt_activations;

typedef struct lrt_context lrt_context;

/* The levels that this processor and its system run, as bits: 1 << LRT_AVX2 and so on. */
LRT_EXPORT int lrt_levels(void);
/* The fastest of them, on this processor. */
LRT_EXPORT int lrt_best_level(void);

/*
 * A crew of `threads`, the caller included; null without memory or threads. Where there is no such level, it has the next best
 * one that there is.
 */
LRT_EXPORT lrt_context *lrt_open(int threads, int level);
LRT_EXPORT void lrt_close(lrt_context *c);

/* Zeroed memory, in large pages where the system has them for the asking; null if there is none. */
LRT_EXPORT void *lrt_allocate(int64_t bytes);
LRT_EXPORT void lrt_free(void *p, int64_t bytes);

LRT_EXPORT int64_t lrt_packed_bytes(int dtype, int out, int in);
/*
 * Packs a weight as what it is stored as, or one of a plain type as q8 or q4, into zeroed memory. 0 if some of it cannot be rounded:
 * numbers that are not finite, or too large for an f16 scale, leave their block without a finite scale.
 */
LRT_EXPORT int lrt_pack(lrt_context *c, int stored, int dtype, int out, int in, const void *from,
                        void *to);

/* Whether a context has products of folded weights. */
LRT_EXPORT int lrt_folds(const lrt_context *c);
/* Bytes of a folded weight, without its list; 0 if there are too many inputs for one. */
LRT_EXPORT int64_t lrt_folded_bytes(int out, int in);
/*
 * Folds a bf16 weight [out, in], or a piece of one of whole LRT_FOLDED outputs, into `to`, and what does not fit (8 bytes each)
 * into `list`, which is the whole weight's and stays where it is, seen from there. Without `to`, which comes
 * first, it leaves in `lists` where in that the list of each LRT_FOLDED outputs begins, the first behind
 * `before`, and returns where the last one ends; folding goes by them.
 */
LRT_EXPORT int64_t lrt_fold(lrt_context *c, int out, int in, const void *from, void *to, void *list, int64_t *lists,
                            int64_t before);

/*
 * y = f(x) W^T + b, or y += that; the parts' outputs side by side. f is a norm (norm not null), or
 * with `gated` silu(g) u of rows [g ; u], each `in` wide. Returns 0, or 1 without memory.
 */
LRT_EXPORT int lrt_project(lrt_context *c, const float *x, int rows, int in, const float *norm,
                           float eps, int gated, const lrt_part *parts, int count, float *y,
                           int add);

/* out = x / sqrt(mean(x²) + eps) * weight, row by row; in place too. */
LRT_EXPORT void lrt_norm(lrt_context *c, const float *x, int rows, int n, const float *weight,
                         float eps, float *out);

/* Norms (if not null) and rotates query and key heads, stores keys and values. */
LRT_EXPORT void lrt_rope(lrt_context *c, float *qkv, int heads, int kv_heads, int dim,
                         const float *query_norm, const float *key_norm, float eps,
                         const float *rope, const lrt_run *runs, int count);

/* Causal attention of every row over its own sequence. Returns 0, or 1 without memory. */
LRT_EXPORT int lrt_attend(lrt_context *c, const float *qkv, int heads, int kv_heads, int dim,
                          int window, const lrt_run *runs, int count, float *out);

/*
 * All layers of a model, each x += attention(norm(x)); x += mlp(norm(x)), of the functions above. The spans are the first
 * layer's, in blocks that hold all layers: kv_heads times `head` elements behind its keys are its values, and as far behind
 * those the next layer's keys. Of the last layer all keys and values are stored, but only wanted rows come out, side by
 * side. Runs and spans are used up. Returns 0, or 1 without memory.
 */
LRT_EXPORT int lrt_layers(lrt_context *c, const lrt_layer *layers, int layer_count, const lrt_activations *a,
                          lrt_run *runs, int count);

/*
 * Of each row, of those of n numbers from x[at] on: the first largest one's place, itself, the next one
 * down (or its equal), and the sum of exp(x - largest); [rows, 4].
 */
LRT_EXPORT void lrt_summarize(lrt_context *c, const float *x, int64_t at, int rows, int n,
                              double *summaries);

/*
 * Reads memory and does next to nothing with it, to see how fast that goes: every worker in `streams`
 * places at once (1, 2, 4 or 8), with prefetches `ahead` bytes before what it reads (0: none; they
 * touch nothing, so they may lie behind the end). Whole multiples of 2 KiB only. Returns the sum of all words.
 */
LRT_EXPORT int64_t lrt_read(lrt_context *c, const void *data, int64_t bytes, int streams, int ahead);

/*
 * All of these by one signature, for Java: each signature that it links takes it milliseconds, at every
 * start. `p` are a function's pointers, `n` its whole numbers, both in its order, and what is left over is
 * not looked at. Returns what the function does, 0 if that is nothing.
 */
enum lrt_function {
  LRT_LEVELS = 0,
  LRT_OPEN = 1,
  LRT_CLOSE = 2,
  LRT_ALLOCATE = 3,
  LRT_FREE = 4,
  LRT_PACKED_BYTES = 5,
  LRT_PACK = 6,
  LRT_PROJECT = 7,
  LRT_NORM = 8,
  LRT_ROPE = 9,
  LRT_ATTEND = 10,
  LRT_SUMMARIZE = 11,
  LRT_READ = 12,
  LRT_FOLDS = 13,
  LRT_FOLDED_BYTES = 14,
  LRT_FOLD = 15,
  LRT_LAYERS = 16,
  LRT_BEST_LEVEL = 17
};
LRT_EXPORT int64_t lrt_call(int function, void *p0, void *p1, void *p2, void *p3, void *p4, void *p5,
                            int64_t n0, int64_t n1, int64_t n2, int64_t n3, int64_t n4, float eps);

#endif
