/* The server's caches: the index, the key cache, the store.
 * Made once; any thread may use them.
 */
#ifndef PROXY_CACHING_H
#define PROXY_CACHING_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/key.h"
#include "base/budget.h"
#include "base/err.h"
#include "base/jobs.h"
#include "base/log.h"
#include "cache/index.h"
#include "cache/key_cache.h"
#include "cache/store_ops.h"
#include "conf/conf.h"

struct caching {
    bool on;
    int64_t max_bytes; /* on disk */
    size_t memory_bytes;
    char *folder;                  /* NULL: there is no HOME and no --cache-dir */
    pthread_mutex_t replaced_lock; /* guards the next two */
    void (*on_replaced)(void *arg);
    void *replaced_arg;
    struct budget budget; /* of held bodies and kept answers (--memory) */
    struct jobs *jobs;    /* threads for work that would hold up a loop */
    struct index *index;
    struct key_cache *key_cache;
    char *path; /* the folder, resolved; NULL: memory only */
    const struct store_ops *store_ops;
    struct store *store;                  /* NULL: memory only */
    atomic_uint_fast64_t silence_told_ms; /* last warning of a silent store, monotonic; 0: never */
};

/* Has on_replaced(arg) called, on the store's thread, when readers should release the file
 * (store_rules). NULL: no more; does not return during a call. Any thread. */
void caching_on_replaced(struct caching *caching, void (*on_replaced)(void *arg), void *arg);
/* Opens the caches. A failure of the disk is logged, and leaves the memory tier. Before the workers
 * start. */
void caching_open(struct caching *caching, const struct conf *conf, struct log *log);
/* Ends all jobs, after the workers' threads have ended and before worker_release(). */
void caching_settle(struct caching *caching);
void caching_close(struct caching *caching); /* after worker_release() */

/* Around an unsafe request: begin before it is sent, end when its answer begins or it has failed
 * (RFC 9111 section 4.4). The end purges the stored GETs of its collection from memory and disk; if
 * the process is killed in between, the next one purges them. Any thread. */
void caching_begin_write(struct caching *caching, const char *target);
void caching_end_write(struct caching *caching, const char *target);

struct caching_removed {
    uint64_t count; /* answers */
    bool pending;   /* the disk is not writable now: they are hidden until they are removed */
};
/* Removes the selected answers, from memory at once, and waits for their removal from disk: not on
 * a worker's thread. Even if it is pending, no request is answered from them any more. */
struct caching_removed caching_remove(struct caching *caching, const struct purge *purge);

#endif
