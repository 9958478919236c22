/*
 * Waiting threads spin briefly, as the next job of a token is microseconds away, then park, as
 * somebody else may need the core. A thread that the system has put aside holds up no more than the
 * task it is in: tasks are taken one by one. Each worker begins with a range of neighbours of its own,
 * so that it reads the weights of one task behind those of the last, and helps with others' when done.
 */
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPIN_NANOS 50000
#define PAUSES 32 /* between two looks at the clock */
#define ARGUMENT_LINES 3

typedef struct {
  /*
   * End (high half) and next (low half) of the tasks that are left, in one word, so that taking a
   * task is one compare-and-set and whoever succeeds holds a task of the job that `job` names: it
   * stays there until all its tasks are done.
   */
  _Alignas(64) _Atomic uint64_t left;
  _Alignas(64) _Atomic uint32_t done; /* tasks of all jobs so far, its own and others'; it alone writes it */
  pool *pool;
  int number;
  pthread_t thread;
} worker;

/* It takes a cache line up to a microsecond from one core to another: what a worker needs to begin comes in one. */
struct pool {
  _Alignas(64) _Atomic int jobs; /* begun so far; it comes round */
  _Atomic int closed;
  int size;
  int started;     /* of them, the caller included */
  worker *workers; /* number 0 is the caller */
  pool_job job;
  _Atomic(void *) arguments;
  _Alignas(64) uint32_t tasks; /* of all jobs so far; the caller's alone */
  _Alignas(64) _Atomic int parked; /* workers */
  _Atomic int waiting;             /* the caller, once it parks */
  pthread_mutex_t lock;
  pthread_cond_t begun;
  pthread_cond_t finished;
};

static void relax(void) {
#if defined __x86_64__
  __builtin_ia32_pause();
#elif defined __aarch64__
  __asm__ volatile("yield");
#endif
}

static int64_t nanos(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int idle(pool *p, int seen) { return atomic_load(&p->jobs) == seen && !atomic_load(&p->closed); }

static int unfinished(pool *p) {
  uint32_t left = p->tasks;
  for (int i = 0; i < p->size; i++) {
    left -= atomic_load(&p->workers[i].done);
  }
  return left != 0;
}

/* The next of a worker's own tasks, or the last of another's; -1 if it has none left. */
static int take(worker *from, int own) {
  uint64_t left = atomic_load(&from->left);
  while ((uint32_t)left < (uint32_t)(left >> 32)) {
    uint64_t less = own ? left + 1 : left - (UINT64_C(1) << 32);
    if (atomic_compare_exchange_weak(&from->left, &left, less)) {
      return (int)(own ? left & UINT32_MAX : less >> 32);
    }
  }
  return -1;
}

/* Asks for what a job's first task needs, all of it at once. */
static void ask_for_job(pool *p, int number) {
  __builtin_prefetch(&p->workers[number].left, 1);
  const char *arguments = atomic_load_explicit(&p->arguments, memory_order_relaxed); /* the next job's, if late */
  for (int i = 0; i < ARGUMENT_LINES; i++) {
    __builtin_prefetch(arguments + i * 64);
  }
}

/* Does what is left of a worker's tasks; returns how many. */
static uint32_t take_tasks_of(pool *p, worker *from, int number) {
  uint32_t done = 0;
  for (int task = take(from, from->number == number); task >= 0; task = take(from, from->number == number)) {
    p->job(p->arguments, task, number);
    done++;
  }
  return done;
}

/* A worker's own tasks, then others'. What it has done it tells once for each: the caller waits for that word. */
static void take_tasks(pool *p, worker *w) {
  for (int i = 0; i < p->size; i++) {
    uint32_t done = take_tasks_of(p, &p->workers[(w->number + i) % p->size], w->number);
    if (done) {
      atomic_store(&w->done, atomic_load_explicit(&w->done, memory_order_relaxed) + done);
      if (atomic_load(&p->waiting)) {
        pthread_mutex_lock(&p->lock);
        pthread_cond_signal(&p->finished);
        pthread_mutex_unlock(&p->lock);
      }
    }
  }
}

/* The same for the caller, which helps only where something is left to do. */
static void take_tasks_of_caller(pool *p) {
  worker *w = &p->workers[0];
  for (int i = 0; i < p->size && (i == 0 || unfinished(p)); i++) {
    uint32_t done = take_tasks_of(p, &p->workers[i], 0);
    atomic_store_explicit(&w->done, atomic_load_explicit(&w->done, memory_order_relaxed) + done, memory_order_relaxed);
  }
}

static void *work(void *arguments) {
  worker *w = arguments;
  pool *p = w->pool;
  while (!atomic_load(&p->closed)) {
    int seen = atomic_load(&p->jobs);
    ask_for_job(p, w->number);
    take_tasks(p, w);
    int64_t deadline = nanos() + SPIN_NANOS;
    while (idle(p, seen)) {
      for (int i = 0; i < PAUSES && idle(p, seen); i++) {
        relax();
      }
      if (nanos() > deadline) {
        pthread_mutex_lock(&p->lock);
        atomic_fetch_add(&p->parked, 1);
        while (idle(p, seen)) {
          pthread_cond_wait(&p->begun, &p->lock);
        }
        atomic_fetch_sub(&p->parked, 1);
        pthread_mutex_unlock(&p->lock);
      }
    }
  }
  return NULL;
}

static void wake(pool *p) {
  pthread_mutex_lock(&p->lock);
  pthread_cond_broadcast(&p->begun);
  pthread_mutex_unlock(&p->lock);
}

pool *pool_open(int size) {
  pool *p = aligned_alloc(64, sizeof(pool));
  worker *workers = aligned_alloc(64, (size_t)size * sizeof(worker));
  if (!p || !workers) {
    free(p);
    free(workers);
    return NULL;
  }
  *p = (pool){.size = size, .started = 1, .workers = workers};
  memset(workers, 0, (size_t)size * sizeof(worker));
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->begun, NULL);
  pthread_cond_init(&p->finished, NULL);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the threads that Java knows */
  for (int i = 0; i < size; i++) { /* before any begins, as each looks at all */
    workers[i].pool = p;
    workers[i].number = i;
  }
  for (; p->started < size; p->started++) {
    worker *w = &workers[p->started];
    if (pthread_create(&w->thread, NULL, work, w)) {
      break;
    }
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (p->started < size) {
    pool_close(p);
    return NULL;
  }
  return p;
}

int pool_size(const pool *p) { return p->size; }

void pool_run(pool *p, pool_job job, void *arguments, int tasks) {
  if (p->size == 1 || tasks <= 1) {
    for (int task = 0; task < tasks; task++) {
      job(arguments, task, 0);
    }
    return;
  }
  p->job = job;
  atomic_store_explicit(&p->arguments, arguments, memory_order_relaxed);
  p->tasks += (uint32_t)tasks;
  for (int i = 0; i < p->size; i++) {
    int64_t first = (int64_t)tasks * i / p->size;
    int64_t end = (int64_t)tasks * (i + 1) / p->size;
    /* one behind the other without waiting for any: each is in another's cache */
    atomic_store_explicit(&p->workers[i].left, (uint64_t)end << 32 | (uint64_t)first, memory_order_release);
  }
  atomic_fetch_add(&p->jobs, 1);
  if (atomic_load(&p->parked)) {
    wake(p);
  }
  take_tasks_of_caller(p);
  int64_t deadline = 0;
  while (unfinished(p)) {
    for (int i = 0; i < PAUSES && unfinished(p); i++) {
      relax();
    }
    int64_t now = nanos();
    if (!deadline) {
      deadline = now + SPIN_NANOS;
    } else if (now > deadline) {
      pthread_mutex_lock(&p->lock);
      atomic_store(&p->waiting, 1);
      while (unfinished(p)) {
        pthread_cond_wait(&p->finished, &p->lock);
      }
      atomic_store(&p->waiting, 0);
      pthread_mutex_unlock(&p->lock);
    }
  }
}

void pool_close(pool *p) {
  atomic_store(&p->closed, 1);
  wake(p);
  for (int i = 1; i < p->started; i++) {
    pthread_join(p->workers[i].thread, NULL);
  }
  pthread_cond_destroy(&p->begun);
  pthread_cond_destroy(&p->finished);
  pthread_mutex_destroy(&p->lock);
  free(p->workers);
  free(p);
}
