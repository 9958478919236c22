/* Attention: blocks of queries by heads, and by chunks of keys where those are few, for the crew. */
#include "lrt4j.h"

#include <math.h>
#include <string.h>

#include "context.h"

#define BLOCK_QUERIES 144 /* unless one row has more; keys are turned and values widened once for all of them */
#define LEAST_QUERIES 72  /* where there would be few tasks */
#define ENOUGH_TASKS 4    /* a worker */
#define FEW_TASKS 2       /* a worker: below that, keys are shared out too */

typedef struct {
  const lrt_kernels *kernels;
  const float *qkv;
  int heads, kv_heads, dim, group, window;
  int block_rows;
  int blocks; /* of all runs */
  int together; /* key/value heads of a task */
  int width;   /* dim, padded */
  int queries; /* of a block, at most */
  const lrt_run *runs;
  char *rooms;
  int64_t room_bytes;
  int chunks; /* of a block, at most */
  char *kept; /* results of chunks that are shared out, place by place */
  int64_t kept_bytes;
  float *out;
  lrt_input *input; /* instead of `out`, or null */
} attention;

static int blocks_of(const attention *j, const lrt_run *run) {
  return (run->rows + j->block_rows - 1) / j->block_rows;
}

static int count_blocks(const attention *j, int count) {
  int blocks = 0;
  for (int i = 0; i < count; i++) {
    blocks += blocks_of(j, &j->runs[i]);
  }
  return blocks;
}

static int head_tasks(const attention *j) { return (j->kv_heads + j->together - 1) / j->together; }

static lrt_block block_of(const attention *j, const lrt_run *run, int block, int head) {
  int row = block * j->block_rows;
  int64_t width = (int64_t)(j->heads + 2 * j->kv_heads) * j->dim;
  return (lrt_block){
      .queries = j->qkv + (run->first_row + row) * width + (int64_t)head * j->group * j->dim,
      .row = width,
      .rows = smaller(j->block_rows, run->rows - row),
      .group = j->group,
      .dim = j->dim,
      .position = run->position + row,
      .window = j->window,
      .head = head,
      .heads = smaller(j->together, j->kv_heads - head),
      .asks = j->kernels->asks,
      .run = run,
  };
}

static int first_chunk(const lrt_block *b) {
  int64_t first = (int64_t)b->position + 1 - b->window;
  return first > 0 ? (int)(first / CHUNK) : 0;
}

static int chunks_of(const lrt_block *b) {
  return (b->position + b->rows - 1) / CHUNK + 1 - first_chunk(b);
}

static int64_t room_floats(const attention *j) {
  int64_t q = j->queries;
  return (int64_t)j->dim * COLUMN + (int64_t)(j->width + LRT_PANEL) * CHUNK + q * CHUNK + 2 * q * j->width + 6 * q;
}

/* What has been added up of a block's queries: [queries, width], [queries], [queries]. */
typedef struct {
  float *outputs;
  float *largest;
  float *sums;
} so_far;

/* A worker's room, and what lies behind it. */
static lrt_attention_room room_of(const attention *j, int worker, so_far *total) {
  float *at = (float *)(j->rooms + worker * j->room_bytes);
  int64_t q = j->queries;
  lrt_attention_room room;
  room.keys = at;
  room.values = room.keys + (int64_t)j->dim * COLUMN;
  room.scores = room.values + (int64_t)(j->width + LRT_PANEL) * CHUNK;
  room.partial = room.scores + q * CHUNK;
  total->outputs = room.partial + q * j->width;
  room.rows = (const float **)(total->outputs + q * j->width); /* two floats each */
  room.largest = total->outputs + q * j->width + 2 * q;
  room.sums = room.largest + q;
  total->largest = room.sums + q;
  total->sums = total->largest + q;
  return room;
}

/* Tasks go head by head, so that a worker shares few keys with others, and has long blocks and short ones. */
static lrt_block block_of_task(const attention *j, int task, int *block) {
  *block = task % j->blocks;
  const lrt_run *run = j->runs;
  while (*block >= blocks_of(j, run)) {
    *block -= blocks_of(j, run++);
  }
  return block_of(j, run, *block, task / j->blocks * j->together);
}

static int queries_of(const lrt_block *b) { return b->rows * b->group * b->heads; }

static void add_chunk(const attention *j, int queries, const lrt_attention_room *chunk,
                      const so_far *total) {
  for (int q = 0; q < queries; q++) {
    if (chunk->largest[q] == -INFINITY) {
      continue;
    }
    float *o = total->outputs + (int64_t)q * j->width;
    const float *partial = chunk->partial + (int64_t)q * j->width;
    if (total->largest[q] == -INFINITY) {
      total->largest[q] = chunk->largest[q];
      total->sums[q] = chunk->sums[q];
      memcpy(o, partial, (size_t)j->dim * sizeof(float));
    } else {
      j->kernels->merge(&total->largest[q], &total->sums[q], o, chunk->largest[q], chunk->sums[q],
                        partial, j->dim);
    }
  }
}

static void begin_block(int queries, const so_far *total) {
  for (int q = 0; q < queries; q++) {
    total->largest[q] = -INFINITY;
  }
}

static void end_block(const attention *j, const lrt_block *b, int block, const so_far *total) {
  for (int q = 0; q < queries_of(b); q++) {
    int of_group = q % (b->rows * b->group);
    int64_t head = (b->head + q / (b->rows * b->group)) * j->group + of_group % j->group;
    int64_t row = b->run->first_row + block * j->block_rows + of_group / j->group;
    float *output = total->outputs + (int64_t)q * j->width;
    float *to = j->input ? output : j->out + (row * j->heads + head) * j->dim;
    j->kernels->divide(output, total->sums[q], j->dim, to);
    if (j->input) {
      j->kernels->put(to, j->dim, j->input, (int)row, (int)head * j->dim);
    }
  }
}

/* One block and its heads, chunk by chunk. */
static void attend_task(void *arguments, int task, int worker) {
  const attention *j = arguments;
  int block;
  lrt_block b = block_of_task(j, task, &block);
  so_far total;
  lrt_attention_room room = room_of(j, worker, &total);
  begin_block(queries_of(&b), &total);
  int first = first_chunk(&b);
  for (int chunk = first; chunk < first + chunks_of(&b); chunk++) {
    j->kernels->attend(&b, chunk, &room);
    add_chunk(j, queries_of(&b), &room, &total);
  }
  end_block(j, &b, block, &total);
}

/* Lets a chunk's results lie where they outlive the task, one place for each chunk of a block. */
static void keep_results(const attention *j, int64_t place, lrt_attention_room *room) {
  room->partial = (float *)(j->kept + place * j->kept_bytes);
  room->largest = room->partial + (int64_t)j->queries * j->width;
  room->sums = room->largest + j->queries;
}

/* One chunk of a block: keys are shared out too where there are few tasks. */
static void attend_chunk(void *arguments, int task, int worker) {
  const attention *j = arguments;
  int block;
  lrt_block b = block_of_task(j, task / j->chunks, &block);
  int chunk = task % j->chunks;
  if (chunk >= chunks_of(&b)) {
    return;
  }
  so_far unused;
  lrt_attention_room room = room_of(j, worker, &unused);
  keep_results(j, task, &room);
  j->kernels->attend(&b, first_chunk(&b) + chunk, &room);
}

/* Adds the chunks of a block up, in the order in which one worker alone would have. */
static void add_chunks(void *arguments, int task, int worker) {
  const attention *j = arguments;
  int block;
  lrt_block b = block_of_task(j, task, &block);
  so_far total;
  lrt_attention_room room = room_of(j, worker, &total);
  begin_block(queries_of(&b), &total);
  for (int chunk = 0; chunk < chunks_of(&b); chunk++) {
    keep_results(j, (int64_t)task * j->chunks + chunk, &room);
    add_chunk(j, queries_of(&b), &room, &total);
  }
  end_block(j, &b, block, &total);
}

int lrt_attend_into(lrt_context *c, const float *qkv, int heads, int kv_heads, int dim, int window, const lrt_run *runs,
                    int count, float *out, lrt_input *input) {
  attention j = {.kernels = &c->kernels,
                 .qkv = qkv,
                 .heads = heads,
                 .kv_heads = kv_heads,
                 .dim = dim,
                 .group = heads / kv_heads,
                 .window = window,
                 .together = 1,
                 .width = (int)up(dim, LRT_PANEL),
                 .runs = runs,
                 .out = out,
                 .input = input};
  int workers = pool_size(c->pool);
  int queries = BLOCK_QUERIES;
  do {
    j.block_rows = j.group < queries ? queries / j.group : 1;
    j.blocks = count_blocks(&j, count);
    queries /= 2;
  } while (queries >= LEAST_QUERIES && j.blocks * kv_heads < ENOUGH_TASKS * workers);
  int most = 0;
  int64_t scores = 0;
  for (int i = 0; i < count; i++) {
    const lrt_run *run = &runs[i];
    most = run->rows > most ? run->rows : most;
    scores += (int64_t)run->rows * (run->position + run->rows);
    for (int block = 0; block < blocks_of(&j, run); block++) {
      lrt_block b = block_of(&j, run, block, 0);
      j.chunks = chunks_of(&b) > j.chunks ? chunks_of(&b) : j.chunks;
    }
  }
  int64_t work = scores * heads * dim * 2;
  j.block_rows = smaller(j.block_rows, most);
  if (j.block_rows * j.group <= c->kernels.few && dim % LRT_PANEL == 0) {
    j.together = kv_heads;
    while (j.together > 1 && j.blocks * head_tasks(&j) * j.chunks < FEW_TASKS * workers) {
      j.together = (j.together + 1) / 2;
    }
  }
  int tasks = j.blocks * head_tasks(&j);
  j.queries = j.block_rows * j.group * j.together;
  j.room_bytes = up(room_floats(&j) * (int64_t)sizeof(float), 64);
  int shared = workers > 1 && tasks < FEW_TASKS * workers && j.chunks > 1 && work > ALONE;
  j.kept_bytes = up((int64_t)j.queries * (j.width + 2) * (int64_t)sizeof(float), 64);
  int64_t kept = shared ? j.kept_bytes * tasks * j.chunks : 0;
  j.rooms = lrt_ensure(&c->attention, j.room_bytes * workers + kept);
  if (!j.rooms) {
    return 1;
  }
  j.kept = j.rooms + j.room_bytes * workers;
  if (shared) {
    pool_run(c->pool, attend_chunk, &j, tasks * j.chunks);
    run(c, add_chunks, &j, tasks, (int64_t)tasks * j.chunks * j.queries * dim * ROW_WORK);
  } else {
    run(c, attend_task, &j, tasks, work);
  }
  return 0;
}

int lrt_attend(lrt_context *c, const float *qkv, int heads, int kv_heads, int dim, int window,
               const lrt_run *runs, int count, float *out) {
  return lrt_attend_into(c, qkv, heads, kv_heads, dim, window, runs, count, out, NULL);
}
