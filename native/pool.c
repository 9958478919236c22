/*
 * Waiting threads spin briefly, as the next job of a token is microseconds away, then park, as
 * somebody else may need the core. A thread that the system has put aside holds up no more than the
 * task it is in: tasks are taken one by one.
 */
#include "pool.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

#define SPIN_NANOS 50000
#define PAUSES 32 /* between two looks at the clock */

typedef struct {
  pool *pool;
  int number;
  pthread_t thread;
} worker;

struct pool {
  int size;
  worker *workers; /* size - 1 */
  pool_job job;
  void *arguments;
  /*
   * Task count (high half) and next task (low half) in one word, so that taking a task is one
   * compare-and-set and whoever succeeds holds a task of the job that `job` names: it stays there
   * until all its tasks are done.
   */
  _Alignas(64) _Atomic uint64_t state;
  _Alignas(64) _Atomic int done;
  _Atomic int parked;  /* workers */
  _Atomic int waiting; /* the caller, once it parks */
  _Atomic int closed;
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

static int all_taken(uint64_t state) { return (uint32_t)state >= (uint32_t)(state >> 32); }

static int idle(pool *p) { return all_taken(atomic_load(&p->state)) && !atomic_load(&p->closed); }

static int unfinished(pool *p, int tasks) { return atomic_load(&p->done) < tasks; }

static void take_tasks(pool *p, int number) {
  uint64_t now = atomic_load(&p->state);
  while (!all_taken(now)) {
    if (!atomic_compare_exchange_weak(&p->state, &now, now + 1)) {
      continue;
    }
    int tasks = (int)(now >> 32);
    p->job(p->arguments, (int)(uint32_t)now, number);
    if (atomic_fetch_add(&p->done, 1) + 1 == tasks && atomic_load(&p->waiting)) {
      pthread_mutex_lock(&p->lock);
      pthread_cond_signal(&p->finished);
      pthread_mutex_unlock(&p->lock);
    }
    now = atomic_load(&p->state);
  }
}

static void *work(void *arguments) {
  worker *w = arguments;
  pool *p = w->pool;
  while (!atomic_load(&p->closed)) {
    take_tasks(p, w->number);
    int64_t deadline = nanos() + SPIN_NANOS;
    while (idle(p)) {
      for (int i = 0; i < PAUSES && idle(p); i++) {
        relax();
      }
      if (nanos() > deadline) {
        pthread_mutex_lock(&p->lock);
        atomic_fetch_add(&p->parked, 1);
        while (idle(p)) {
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
  pool *p = aligned_alloc(64, (sizeof(pool) + 63) / 64 * 64);
  worker *workers = calloc((size_t)size, sizeof(worker));
  if (!p || !workers) {
    free(p);
    free(workers);
    return NULL;
  }
  *p = (pool){.size = 1, .workers = workers};
  pthread_mutex_init(&p->lock, NULL);
  pthread_cond_init(&p->begun, NULL);
  pthread_cond_init(&p->finished, NULL);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the threads that Java knows */
  while (p->size < size) {
    worker *w = &workers[p->size - 1];
    *w = (worker){.pool = p, .number = p->size};
    if (pthread_create(&w->thread, NULL, work, w)) {
      break;
    }
    p->size++;
  }
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (p->size < size) {
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
  p->arguments = arguments;
  atomic_store(&p->done, 0);
  atomic_store(&p->state, (uint64_t)tasks << 32);
  if (atomic_load(&p->parked)) {
    wake(p);
  }
  take_tasks(p, 0);
  int64_t deadline = 0;
  while (unfinished(p, tasks)) {
    for (int i = 0; i < PAUSES && unfinished(p, tasks); i++) {
      relax();
    }
    int64_t now = nanos();
    if (!deadline) {
      deadline = now + SPIN_NANOS;
    } else if (now > deadline) {
      pthread_mutex_lock(&p->lock);
      atomic_store(&p->waiting, 1);
      while (unfinished(p, tasks)) {
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
  for (int i = 0; i < p->size - 1; i++) {
    pthread_join(p->workers[i].thread, NULL);
  }
  pthread_cond_destroy(&p->begun);
  pthread_cond_destroy(&p->finished);
  pthread_mutex_destroy(&p->lock);
  free(p->workers);
  free(p);
}
