/* A curl multi handle in a worker's loop, with its upstream connections.
 *
 * A multi handle's own work grows with the transfers that are open in it, so each lane has a pool
 * (worker.h). Transfers advance only within pool_run(). Later work of a transfer is put on `todo`,
 * because libcurl must not be re-entered from its callbacks. Worker's thread only, unless stated
 * otherwise. CURL * and CURLM * are void * here: only pool.c and attempt.c include libcurl's
 * header.
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

/* libcurl's list of header lines, laid over our own text: saves two allocations per line. */
struct pool_lines {
    void *nodes; /* struct curl_slist[], freed with free() */
    size_t cap;
};
/* Returns a struct curl_slist * over `lines` (NUL-terminated strings in sequence), valid until
 * lines or list changes; NULL if there are none. */
void *pool_lines_list(struct pool_lines *list, const struct str *lines);

/* Call once per process, before any thread starts. Returns NULL, or a static text: what libcurl
 * lacks. */
const char *pool_global_init(void);
void pool_global_release(void);

/* s keeps loop, which must outlive s. */
void pool_sockets_init(struct pool_sockets *s, struct loop *loop);
/* Forgets looked-up names and TLS sessions. New sessions belong to this endpoint's certificates,
 * apart from those of earlier endpoints, whose transfers may continue. The endpoint must live until
 * the next call. Call at least once before a transfer. */
void pool_sockets_renew(struct pool_sockets *s, const struct endpoint *endpoint);
void pool_sockets_release(struct pool_sockets *s); /* after its pools */

/* most: connections at once, idle connections included. on_due(arg): pool_run() is wanted soon; it
 * may come within libcurl's callbacks. */
void pool_init(struct pool *pool, struct pool_sockets *sockets, long most,
               void (*on_due)(void *arg), void *arg);
void pool_release(struct pool *pool); /* no transfer may be in it */

static inline bool pool_wants_run(const struct pool *pool)
{
    return pool->due || !list_empty(&pool->todo);
}
/* Runs the jobs on `todo`, then libcurl's timeout if due. */
void pool_run(struct pool *pool);

/* Reads the certificates that TLS connections to the endpoint trust: takes tens of milliseconds,
 * which the first connection would take otherwise. Any thread. */
void pool_read_trust(const struct endpoint *endpoint);

/* Creates the job's easy handle; connects nothing. ops must be static. */
void pool_job_init(struct pool_job *job, const struct pool_job_ops *ops);
void pool_job_release(struct pool_job *job);
/* Sets how the endpoint is reached, before pool_add(). The endpoint must outlive the job's
 * transfers. */
void pool_job_connect_to(struct pool_job *job, struct pool_sockets *sockets,
                         const struct endpoint *endpoint);
/* target: raw, copied. */
void pool_job_set_target(struct pool_job *job, const struct endpoint *endpoint, const char *target);
/* Records that the request is about to be written to the connection with that local port (host
 * order). */
void pool_job_writes(struct pool_job *job, unsigned own_port);

int pool_add(struct pool *pool, struct pool_job *job); /* returns 0, or a CURLMcode */
void pool_remove(struct pool_job *job);                /* may be repeated */
void pool_todo(struct pool_job *job);                  /* may be repeated */
/* Within ops.ended: has libcurl do its due work, before further ends are reported. */
void pool_settle(struct pool *pool);

/* Classifies a CURLcode. connected: the request was ready to be sent. Pure. */
enum trouble pool_trouble(int curl_code, bool connected);

/* Versions of libcurl and its libraries, static text, for `goproxyai version`. */
const char *pool_version(void);

#endif
