/* The server's caches: the index, the key cache, the store.
 * Made once; any thread may use it.
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
    char *folder;                  /* NULL: none could be named */
    pthread_mutex_t replaced_lock; /* guards the next two */
    void (*on_replaced)(void *arg);
    void *replaced_arg;
    struct budget budget; /* of bodies that are held and answers that are kept (--memory) */
    struct jobs *jobs;    /* for what takes too long for a loop */
    struct index *index;
    struct key_cache *key_cache;
    char *path; /* the folder as an absolute path; NULL: memory only */
    const struct store_ops *store_ops;
    struct store *store;                  /* NULL: memory only */
    atomic_uint_fast64_t silence_told_ms; /* that it does not answer; 0: never */
};

/* Calls on_replaced(arg), on the store's thread, when readers should let go of the file
 * (store_rules). NULL: no more; it does not return while a call goes on. */
void caching_on_replaced(struct caching *caching, void (*on_replaced)(void *arg), void *arg);
/* Disk trouble is logged, and fails nothing. */
void caching_open(struct caching *caching, const struct conf *conf, struct log *log);
/* Ends what goes on besides the workers, once they stand still: before they are released. */
void caching_settle(struct caching *caching);
void caching_close(struct caching *caching); /* after the workers */

/* Around a request that changes things: begin before it is sent, end once its answer begins or it
 * came to nothing (RFC 9111 section 4.4). The end drops the stored GETs of its collection, from
 * memory and disk; a process that is killed in between leaves that to the next one. */
void caching_begin_write(struct caching *caching, const char *target);
void caching_end_write(struct caching *caching, const char *target);

struct caching_removed {
    uint64_t count; /* answers */
    bool pending;   /* the disk cannot be written to now: they are hidden until they are removed */
};
/* Removes what is named, from memory at once, and waits until it is removed from disk: not on a
 * worker's thread. Nobody is answered from it any more in any case. */
struct caching_removed caching_remove(struct caching *caching, const struct purge *purge);

#endif
