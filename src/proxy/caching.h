/* What the server keeps: the index, the memory of seen bodies, the store.
 * Made once; any thread may use it.
 */
#ifndef PROXY_CACHING_H
#define PROXY_CACHING_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "api/key.h"
#include "base/budget.h"
#include "base/err.h"
#include "base/jobs.h"
#include "base/log.h"
#include "cache/index.h"
#include "cache/key_cache.h"
#include "cache/store.h"
#include "conf/conf.h"

#define CACHING_READERS 2U /* as many as there are threads for jobs */

struct caching {
    bool on;
    int64_t max_bytes; /* on disk */
    size_t memory_bytes;
    char *folder;                                  /* NULL: none could be named */
    struct store_reader *readers[CACHING_READERS]; /* that caching_load_long() has to spare */
    unsigned reader_count;
    pthread_mutex_t readers_lock;
    pthread_mutex_t replaced_lock; /* guards the next two */
    void (*on_replaced)(void *arg);
    void *replaced_arg;
    struct budget budget; /* of bodies that are held and answers that are kept (--memory) */
    struct jobs *jobs;    /* for what takes too long for a loop */
    struct index *index;
    struct key_cache *key_cache;
    struct store *store; /* NULL: memory only */
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
/* From the disk, if it may answer the query; with a reference, and kept in memory from now on. NULL
 * where *why_not says why. */
enum caching_why_not {
    CACHING_ABSENT,
    CACHING_STALE, /* it is there, but may not answer this */
    CACHING_LARGER /* its body has more than body_max bytes: it was not read */
};
struct object *caching_load(struct caching *caching, struct store_reader *reader,
                            const struct index_query *query, uint64_t body_max,
                            enum caching_why_not *why_not);
/* The same, of any length, on any thread. */
struct object *caching_load_long(struct caching *caching, const struct index_query *query,
                                 enum caching_why_not *why_not);

#endif
