/* A curl multi handle in a worker's loop, and the upstream connections it keeps.
 *
 * A multi's own work grows with the transfers that are open in it, so each lane has a pool of its
 * own (worker.h). Transfers run only within pool_run(). Later work of a transfer is put on `todo`,
 * because libcurl must not be re-entered from its callbacks. Owner thread only. CURL * and CURLM *
 * are void * here: only pool.c and attempt.c include libcurl's header.
 */
#ifndef UPSTREAM_POOL_H
#define UPSTREAM_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "base/loop.h"
#include "base/str.h"
#include "upstream/endpoint.h"
#include "upstream/explain.h"
#include "upstream/pool_job.h"

/* curl's list of header lines, laid over our own text: two allocations a line saved. */
struct pool_lines {
    void *nodes; /* struct curl_slist[], freed with free() */
    size_t cap;
};
/* Good until `lines` (NUL-ended strings, one after the other) changes. NULL if there are none. */
void *pool_lines_list(struct pool_lines *list, const struct str *lines);

/* Once per process, before any thread; returns what is missing in libcurl, or NULL. */
const char *pool_global_init(void);
void pool_global_release(void);

void pool_sockets_init(struct pool_sockets *s, struct loop *loop);
/* Names looked up and TLS sessions of before count no more; new sessions are those of this
 * endpoint's certificates, and kept apart from those of endpoints of before, whose transfers may
 * still go on. The endpoint must stay until the next call. Once at least before a transfer. */
void pool_sockets_renew(struct pool_sockets *s, const struct endpoint *endpoint);
void pool_sockets_release(struct pool_sockets *s); /* after its pools */

/* most: connections at once, idle ones included. */
void pool_init(struct pool *pool, struct pool_sockets *sockets, long most,
               void (*on_due)(void *arg), void *arg);
void pool_release(struct pool *pool); /* no transfer may be in it */

static inline bool pool_wants_run(const struct pool *pool)
{
    return pool->due || !list_empty(&pool->todo);
}
void pool_run(struct pool *pool);

/* Reads the certificates that connections to the endpoint trust, where TLS is spoken to it: tens of
 * milliseconds, which the first connection would take. Any thread. */
void pool_read_trust(const struct endpoint *endpoint);

/* With an easy handle of its own; nothing is connected. */
void pool_job_init(struct pool_job *job, const struct pool_job_ops *ops);
void pool_job_release(struct pool_job *job);
/* How the endpoint is reached, before pool_add(). */
void pool_job_connect_to(struct pool_job *job, struct pool_sockets *sockets,
                         const struct endpoint *endpoint);
/* The raw target. */
void pool_job_set_target(struct pool_job *job, const struct endpoint *endpoint, const char *target);
/* The request is about to be written to a connection with that local port. */
void pool_job_writes(struct pool_job *job, unsigned own_port);

int pool_add(struct pool *pool, struct pool_job *job); /* 0, or curl's CURLMcode */
void pool_remove(struct pool_job *job);                /* again is nothing */
void pool_todo(struct pool_job *job);                  /* again is nothing */
/* In ops.ended: has libcurl do what is due, before other ends are told. */
void pool_settle(struct pool *pool);

/* Classifies a CURLcode. connected: the request could be sent. */
enum trouble pool_trouble(int curl_code, bool connected);

/* libcurl and what it was built with, for `goproxyai version`. */
const char *pool_version(void);

#endif
