/* The structs of a pool and of its jobs (transfers); pool.h has the functions. Worker's thread
 * only.
 */
#ifndef UPSTREAM_POOL_JOB_H
#define UPSTREAM_POOL_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/timers.h"
#include "upstream/pool_socket.h"

struct pool_job;

struct pool_job_ops {
    /* Called for a job of pool->todo, which has left that list. */
    void (*run)(struct pool_job *job);
    /* Its transfer has ended by itself. The job is still in the pool: call pool_remove(). */
    void (*ended)(struct pool_job *job, int curl_code);
    /* May libcurl open a connection for the job? Sets *patient, see pool_socket_opened(). */
    bool (*may_connect)(struct pool_job *job, bool *patient);
};

/* One transfer, embedded in its owner. `easy` is reused for later transfers; only
 * pool_job_connect_to() binds it to an endpoint. */
struct pool_job {
    struct list active; /* pool->active */
    struct list todo;   /* pool->todo */
    const struct pool_job_ops *ops;
    struct pool *pool; /* the current or last pool */
    void *easy;
    /* socket last watched for it, reset when its request is written; -1: libcurl named none */
    int fd;
    unsigned own_port; /* local port of that connection; 0: not written */
    bool http1;        /* the owner sets it: the answer is HTTP/1 */
};

struct pool {
    void *multi;
    struct pool_sockets *sockets;
    struct timer timer;
    uint64_t timeout_at_ms;    /* libcurl's last timeout, monotonic; UINT64_MAX: none */
    bool due;                  /* libcurl's timeout has come */
    struct list todo;          /* struct pool_job: ops->run is due */
    struct list active;        /* struct pool_job: in the multi handle */
    void (*on_due)(void *arg); /* pool_run() is wanted, soon */
    void *arg;
};

#endif
