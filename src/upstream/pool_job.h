/* What a pool runs, and the pool's own members: pool.h says what is done with them.
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
    /* The job was on the pool's todo list. */
    void (*run)(struct pool_job *job);
    /* Its transfer has ended by itself. It is still in the pool: pool_remove() is due. */
    void (*ended)(struct pool_job *job, int curl_code);
    /* libcurl would make a connection for it: may it? *patient: see pool_socket_opened(). */
    bool (*may_connect)(struct pool_job *job, bool *patient);
};

/* One transfer, embedded in what does it. `easy` lasts from one transfer to the next, and is bound
 * to an endpoint by pool_job_connect_to() only. */
struct pool_job {
    struct list active; /* pool->active */
    struct list todo;   /* pool->todo */
    const struct pool_job_ops *ops;
    struct pool *pool; /* in which it is, or was last */
    void *easy;
    /* of the connection to which its request was written; -1: not written, or libcurl names none */
    int fd;
    unsigned own_port; /* local port of that connection, 0: not written */
    bool http1;        /* the owner sets it: the answer is HTTP/1 */
};

struct pool {
    void *multi;
    struct pool_sockets *sockets;
    struct timer timer;
    uint64_t timeout_at_ms;    /* what curl asked for last; UINT64_MAX: nothing */
    bool due;                  /* curl's timeout is now */
    struct list todo;          /* struct pool_job: wants to be run */
    struct list active;        /* struct pool_job: in the multi handle */
    void (*on_due)(void *arg); /* pool_run() is wanted, soon */
    void *arg;
};

#endif
