/* A fixed crew of threads that shares out the tasks of one job at a time. */
#ifndef POOL_H
#define POOL_H

typedef struct pool pool;

/* Does task `task` on worker `worker` (0 is the caller). */
typedef void (*pool_job)(void *arguments, int task, int worker);

/* A crew of `size`, the caller of pool_run included; null if the system has no more threads. */
pool *pool_open(int size);

int pool_size(const pool *p);

/* Runs tasks 0 … tasks-1 and returns when all are done. One caller at a time. */
void pool_run(pool *p, pool_job job, void *arguments, int tasks);

/* Ends the threads. The caller sees to it that no job runs. */
void pool_close(pool *p);

#endif
