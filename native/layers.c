/* Decoder layers, and the operations that they are made of: each is one or two jobs for the crew. Attention: attend.c. */
#include "lrt4j.h"

#include <string.h>

#include "context.h"

#define TASK_PANELS 4 /* of a product: two that lie side by side, and the next two; all of a folded group */
#define MOST_TASK_PANELS 16
#define TASK_BYTES (1 << 20) /* of weights, that the second cache keeps */
#define TASKS_EACH 2 /* that a worker has at least, where tasks read several runs of memory */
#define LINE_BYTES 64

/* --- projections ----------------------------------------------------------------------------- */

typedef struct {
  const float *x;
  int rows, in;
  const float *norm;
  float eps;
  int gated;
  const lrt_part *parts;
  int count; /* of parts */
  float *y;
  int add;
  /* What follows from these: */
  const lrt_kernels *kernels;
  int workers;
  int tasks;
  int64_t y_stride;
  lrt_input input;
  int64_t plain_bytes, split_bytes, blocks;
  float *rooms; /* a row of each worker */
} projection;

static float *room_of(const projection *p, int worker) { return p->rooms + (int64_t)worker * p->input.stride; }

static void prepare_row(void *arguments, int task, int worker) {
  projection *p = arguments;
  float *room = room_of(p, worker);
  if (p->gated) {
    const float *g = p->x + (int64_t)task * 2 * p->in;
    p->kernels->gate(g, g + p->in, p->in, &p->input, task, 0, room);
  } else {
    p->kernels->prepare(p->x + (int64_t)task * p->in, p->norm, p->eps, &p->input, task, room);
  }
}

/*
 * How a part is divided: `far` tasks of `runs` runs of memory, `side` panels of each, then tasks of what is left, `each` panels.
 */
typedef struct {
  int side, runs, far, each, tasks;
} division;

/*
 * Panels of a task: where tiles multiply many rows, so many that the rows seldom come from afar, if the weights stay in the
 * second cache and workers have enough tasks.
 */
static int panels_each(const projection *p, const lrt_part *part) {
  int each = TASK_PANELS;
  int folded = part->dtype == LRT_DTYPE_FOLDED || part->dtype == LRT_DTYPE_FOLDED_ROUNDED; /* a group is a task */
  if (p->kernels->large_tasks && p->rows > LRT_SIDE && !folded) {
    int64_t bytes = lrt_packed_bytes(part->dtype, LRT_WIDE, p->in) / (LRT_WIDE / LRT_PANEL); /* of a panel */
    while (each < MOST_TASK_PANELS && 2 * each * bytes <= TASK_BYTES &&
           panels_of(part->out) >= 2 * each * TASKS_EACH * p->workers) {
      each *= 2;
    }
  }
  return each;
}

static division divide(const projection *p, const lrt_part *part) {
  int panels = panels_of(part->out);
  division d = {.side = is_quantized(part->dtype) ? LRT_WIDE / LRT_PANEL : LRT_FOLDED / LRT_PANEL};
  const lrt_few_rows *few = &p->kernels->few_rows[part->dtype];
  if (few->product && p->rows <= few->rows) {
    for (d.runs = p->rows == 1 ? few->of_one_row : LRT_RUNS; d.runs > 1; d.runs /= 2) {
      d.far = panels / (d.runs * d.side);
      if (d.far >= TASKS_EACH * p->workers) {
        break;
      }
      d.far = 0;
    }
  }
  d.each = panels_each(p, part);
  d.tasks = d.far + (panels - d.far * d.runs * d.side + d.each - 1) / d.each;
  return d;
}

/* Outputs of task `task` of a part; y is the part's first. */
static void multiply_part(projection *p, const lrt_part *part, const division *d, int task, float *y) {
  if (task < d->far) {
    p->kernels->few_rows[part->dtype].product(&p->input, p->rows, p->in, part, task * d->side, d->runs, d->far * d->side, y,
                                              p->y_stride, p->add);
    return;
  }
  int panel = d->far * d->runs * d->side + (task - d->far) * d->each;
  int panels = smaller(d->each, panels_of(part->out) - panel);
  p->kernels->product[part->dtype](&p->input, p->rows, p->in, part, panel, panels, y, p->y_stride,
                                   p->add);
}

static void product_task(void *arguments, int task, int worker) {
  (void)worker;
  projection *p = arguments;
  const lrt_part *part = p->parts;
  float *y = p->y;
  division d = divide(p, part);
  while (task >= d.tasks) {
    task -= d.tasks;
    y += part->out;
    d = divide(p, ++part);
  }
  multiply_part(p, part, &d, task, y);
}

/* Whether it is multiplied as pairs, where there are instructions for them. */
static int is_bf16(int dtype) {
  return dtype == LRT_DTYPE_BF16 || dtype == LRT_DTYPE_BF16_ROUNDED || dtype == LRT_DTYPE_FOLDED ||
         dtype == LRT_DTYPE_FOLDED_ROUNDED;
}

/* Finds out which forms of its input a projection wants; returns the bytes that they take. */
static int64_t plan(const lrt_context *c, projection *p) {
  p->kernels = &c->kernels;
  p->workers = pool_size(c->pool);
  int plain = 0;
  int split = 0;
  int quantized = 0;
  for (int i = 0; i < p->count; i++) {
    int dtype = p->parts[i].dtype;
    int of_pairs = c->kernels.splits && is_bf16(dtype);
    split |= of_pairs;
    quantized |= is_quantized(dtype);
    plain |= !of_pairs && !is_quantized(dtype);
    p->tasks += divide(p, &p->parts[i]).tasks;
    p->y_stride += p->parts[i].out;
  }
  int stride = (int)up(p->in, ROW_MULTIPLE);
  if (p->rows > 1 && stride % 512 == 0) {
    stride += ROW_MULTIPLE; /* rows would fall into the same few sets of the first cache */
  }
  p->input.asks = c->kernels.asks;
  p->input.in = p->in;
  p->input.stride = stride;
  int64_t numbers = (int64_t)p->rows * stride;
  p->plain_bytes = plain ? numbers * (int64_t)sizeof(float) : 0;
  p->input.tile = smaller(p->rows, LRT_SIDE);
  p->split_bytes = split ? up(p->rows, p->input.tile) * stride * 2 * (int64_t)sizeof(uint16_t) : 0;
  p->blocks = quantized ? numbers / LRT_BLOCK : 0;
  return p->plain_bytes + p->split_bytes + p->blocks * (LRT_BLOCK + 8);
}

static int64_t bytes_of_rooms(const projection *p) {
  return (int64_t)p->workers * p->input.stride * (int64_t)sizeof(float);
}

/* Lets its input lie in so many bytes, and its workers work in `rooms`. */
static void place_input(projection *p, char *rooms, char *input) {
  p->rooms = (float *)rooms;
  p->input.plain = p->plain_bytes ? (float *)input : NULL;
  p->input.split = p->split_bytes ? (uint16_t *)(input + p->plain_bytes) : NULL;
  if (p->blocks) {
    p->input.bytes = (int8_t *)(input + p->plain_bytes + p->split_bytes);
    p->input.scales = (float *)(p->input.bytes + p->blocks * LRT_BLOCK);
    p->input.begin = (int32_t *)(p->input.scales + p->blocks);
  }
}

static int64_t work_of(const projection *p) { return (int64_t)p->rows * p->in * p->y_stride; }

static void prepare(lrt_context *c, projection *p) { run(c, prepare_row, p, p->rows, (int64_t)p->rows * p->in * ROW_WORK); }

static void multiply(lrt_context *c, projection *p) { run(c, product_task, p, p->tasks, work_of(p)); }

int lrt_project(lrt_context *c, const float *x, int rows, int in, const float *norm, float eps,
                int gated, const lrt_part *parts, int count, float *y, int add) {
  projection p = {.x = x, .rows = rows, .in = in, .norm = norm, .eps = eps, .gated = gated, .parts = parts, .count = count,
                  .y = y, .add = add};
  int64_t bytes = plan(c, &p);
  int64_t rooms = bytes_of_rooms(&p);
  char *room = lrt_ensure(&c->input, rooms + bytes);
  if (!room) {
    return 1;
  }
  place_input(&p, room, room + rooms);
  prepare(c, &p);
  multiply(c, &p);
  return 0;
}

/* --- norm ------------------------------------------------------------------------------------ */

typedef struct {
  const lrt_kernels *kernels;
  const float *x;
  int n;
  const float *weight;
  float eps;
  float *out;
} norming;

static void norm_row(void *arguments, int task, int worker) {
  (void)worker;
  const norming *j = arguments;
  int64_t at = (int64_t)task * j->n;
  j->kernels->norm(j->x + at, j->n, j->weight, j->eps, j->out + at);
}

void lrt_norm(lrt_context *c, const float *x, int rows, int n, const float *weight, float eps,
              float *out) {
  norming j = {&c->kernels, x, n, weight, eps, out};
  run(c, norm_row, &j, rows, (int64_t)rows * n * ROW_WORK);
}

/* --- rope ------------------------------------------------------------------------------------ */

typedef struct {
  const lrt_kernels *kernels;
  float *qkv;
  int heads, kv_heads, dim;
  const float *query_norm;
  const float *key_norm;
  float eps;
  const float *rope;
  const lrt_run *runs;
} rotation;

static void rope_row(void *arguments, int task, int worker) {
  (void)worker;
  const rotation *j = arguments;
  const lrt_run *run = j->runs;
  while (task >= run->first_row + run->rows) {
    run++;
  }
  int dim = j->dim;
  int position = run->position + task - run->first_row;
  const lrt_span *span = run->span + run->spans - 1;
  while (position < span->from) {
    span--;
  }
  float *row = j->qkv + (int64_t)task * (j->heads + 2 * j->kv_heads) * dim;
  for (int h = 0; h < j->heads + j->kv_heads; h++) {
    const float *weight = h < j->heads ? j->query_norm : j->key_norm;
    float *x = row + (int64_t)h * dim;
    if (weight) {
      j->kernels->norm(x, dim, weight, j->eps, x);
    }
    j->kernels->rotate(x, dim, j->rope + (int64_t)position * dim);
  }
  for (int h = 0; h < j->kv_heads; h++) {
    int64_t to = lrt_bytes(span->dtype, (int64_t)h * span->head + (int64_t)(position - span->from) * dim);
    const float *key = row + (int64_t)(j->heads + h) * dim;
    j->kernels->narrow(key, dim, span->dtype, (char *)span->keys + to);
    j->kernels->narrow(key + (int64_t)j->kv_heads * dim, dim, span->dtype, (char *)span->values + to);
  }
}

void lrt_rope(lrt_context *c, float *qkv, int heads, int kv_heads, int dim, const float *query_norm,
              const float *key_norm, float eps, const float *rope, const lrt_run *runs, int count) {
  rotation j = {&c->kernels, qkv, heads, kv_heads, dim, query_norm, key_norm, eps, rope, runs};
  int rows = batch_rows(runs, count);
  run(c, rope_row, &j, rows, (int64_t)rows * (heads + 2 * kv_heads) * dim * ROW_WORK);
}

/* --- layers ---------------------------------------------------------------------------------- */

#define FIRST_LINES 8 /* of a norm: the processor then sees that it is read on */

/* Asks for what is read beside weights, which push it out of the caches between two steps. */
static void ask(const void *from, int64_t bytes) {
  if (!from) {
    return;
  }
  const char *end = (const char *)from + bytes;
  for (const char *line = (const char *)from - (uintptr_t)from % LINE_BYTES; line < end; line += LINE_BYTES) {
    __builtin_prefetch(line, 0, 2);
  }
}

static void ask_for_layer(const lrt_layer *l) {
  const int64_t part = sizeof(lrt_part);
  ask(l->input_norm, FIRST_LINES * LINE_BYTES);
  ask(l->qkv, l->qkv_parts * part);
  ask(l->query_norm, FIRST_LINES * LINE_BYTES);
  ask(l->key_norm, FIRST_LINES * LINE_BYTES);
  ask(l->output, l->output_parts * part);
  ask(l->post_norm, FIRST_LINES * LINE_BYTES);
  ask(l->gate_up, l->gate_up_parts * part);
  ask(l->down, l->down_parts * part);
}

static int wanted_rows(const lrt_run *runs, int count) {
  int rows = 0;
  for (int i = 0; i < count; i++) {
    rows += runs[i].wanted;
  }
  return rows;
}

/* Moves the wanted rows to the front. */
static void keep_wanted(const lrt_layer *l, const lrt_activations *a, lrt_run *runs, int count) {
  const int64_t width = (int64_t)(l->heads + 2 * l->kv_heads) * l->dim;
  int to = 0;
  for (lrt_run *run = runs; run < runs + count; run++) {
    int others = run->rows - run->wanted;
    int from = run->first_row + others;
    if (from > to) {
      memmove(a->qkv + to * width, a->qkv + from * width, (size_t)(run->wanted * width) * sizeof(float));
      memmove(a->x + (int64_t)to * l->hidden, a->x + (int64_t)from * l->hidden,
              (size_t)run->wanted * (size_t)l->hidden * sizeof(float));
    }
    run->first_row = to;
    run->rows = run->wanted;
    run->position += others;
    to += run->wanted;
  }
}

static void go_to_next_layer(const lrt_layer *l, const lrt_run *runs, int count) {
  for (int i = 0; i < count; i++) {
    for (lrt_span *span = runs[i].span; span < runs[i].span + runs[i].spans; span++) {
      int64_t bytes = lrt_bytes(span->dtype, (int64_t)2 * l->kv_heads * span->head);
      span->keys = (char *)span->keys + bytes;
      span->values = (char *)span->values + bytes;
    }
  }
}

/* Gate and up, and the projection whose input they become. */
typedef struct {
  projection *gate_up;
  projection *down;
} gating;

/* The same columns of gate and up, and, while they are in the caches, what becomes of them. */
static void gate_task(void *arguments, int task, int worker) {
  const gating *g = arguments;
  projection *p = g->gate_up;
  const lrt_part *gate = &p->parts[0];
  division d = divide(p, gate);
  multiply_part(p, gate, &d, task, p->y);
  multiply_part(p, &p->parts[1], &d, task, p->y + gate->out);
  int at = task * d.each * LRT_PANEL;
  int n = smaller(d.each * LRT_PANEL, gate->out - at);
  for (int row = 0; row < p->rows; row++) {
    const float *made = p->y + row * p->y_stride + at;
    p->kernels->gate(made, made + gate->out, n, &g->down->input, row, at, room_of(g->down, worker));
  }
}

/*
 * The input of `down` out of gate and up: at once where both are divided alike and into enough tasks, unless rows are so few that
 * they wait for memory, which is slower where it changes from one part to the other.
 */
static void multiply_and_gate(lrt_context *c, projection *gate_up, projection *down) {
  const lrt_part *gate = &gate_up->parts[0];
  const lrt_part *up = &gate_up->parts[1];
  if (gate_up->count == 2 && gate->dtype == up->dtype && gate->out == up->out) {
    division d = divide(gate_up, gate);
    if (gate_up->rows > 1 && !d.far && d.tasks >= TASKS_EACH * gate_up->workers) {
      gating both = {gate_up, down};
      run(c, gate_task, &both, d.tasks, work_of(gate_up));
      return;
    }
  }
  multiply(c, gate_up);
  prepare(c, down);
}

/* One layer. Of the last, which has no `next`, the wanted rows come out. */
static int forward(lrt_context *c, const lrt_layer *l, const lrt_layer *next, const lrt_activations *a, lrt_run *runs, int count) {
  int rows = batch_rows(runs, count);
  int out_rows = next ? rows : wanted_rows(runs, count);
  projection qkv = {.x = a->x, .in = l->hidden, .norm = l->input_norm, .parts = l->qkv, .count = l->qkv_parts, .y = a->qkv};
  projection output = {.x = a->mixed, .in = l->heads * l->dim, .parts = l->output, .count = l->output_parts, .y = a->x, .add = 1};
  projection gate_up = {.x = a->x, .in = l->hidden, .norm = l->post_norm, .parts = l->gate_up, .count = l->gate_up_parts,
                        .y = a->mlp};
  projection down = {.x = a->mlp, .in = l->inner, .gated = 1, .parts = l->down, .count = l->down_parts, .y = a->x, .add = 1};
  projection *all[] = {&qkv, &output, &gate_up, &down};
  int64_t bytes[2] = {0}; /* by turns: one input is made while that before it is read */
  int64_t rooms = 0;
  for (int i = 0; i < 4; i++) {
    all[i]->rows = i ? out_rows : rows;
    all[i]->eps = l->eps;
    bytes[i % 2] = larger(bytes[i % 2], up(plan(c, all[i]), LINE_BYTES));
    rooms = larger(rooms, up(bytes_of_rooms(all[i]), LINE_BYTES));
  }
  char *room = lrt_ensure(&c->input, rooms + bytes[0] + bytes[1]);
  if (!room) {
    return 1;
  }
  for (int i = 0; i < 4; i++) {
    place_input(all[i], room, room + rooms + i % 2 * bytes[0]);
  }
  prepare(c, &qkv);
  multiply(c, &qkv);
  lrt_rope(c, a->qkv, l->heads, l->kv_heads, l->dim, l->query_norm, l->key_norm, l->eps, a->rope, runs, count);
  if (!next) {
    keep_wanted(l, a, runs, count);
  }
  int at_once = l->dim % LRT_BLOCK == 0;
  if (lrt_attend_into(c, a->qkv, l->heads, l->kv_heads, l->dim, l->window, runs, count, a->mixed,
                      at_once ? &output.input : NULL)) {
    return 1;
  }
  if (!at_once) {
    prepare(c, &output);
  }
  multiply(c, &output);
  prepare(c, &gate_up);
  multiply_and_gate(c, &gate_up, &down);
  if (next) {
    go_to_next_layer(l, runs, count);
    ask_for_layer(next);
  }
  multiply(c, &down);
  return 0;
}

int lrt_layers(lrt_context *c, const lrt_layer *layers, int layer_count, const lrt_activations *a, lrt_run *runs, int count) {
  for (int l = 0; l < layer_count; l++) {
    const lrt_layer *next = l + 1 < layer_count ? &layers[l + 1] : NULL;
    ask(next, sizeof *next);
    if (forward(c, &layers[l], next, a, runs, count)) {
      return 1;
    }
  }
  return 0;
}
