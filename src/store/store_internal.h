/* The store's inside: private to its files. */
#ifndef STORE_STORE_INTERNAL_H
#define STORE_STORE_INTERNAL_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/list.h"
#include "store/store.h"
#include "store/store_file.h"
#include "store/key_filter.h"
#include "store/purge_ack.h"
#include "store/store_queue.h"

enum store_trouble {
    TROUBLE_FILE,
    TROUBLE_WRITE,
    TROUBLE_READ,
    TROUBLE_ENTRY,
    TROUBLE_FULL,
    TROUBLE_LOCK,
    TROUBLE_TOMBSTONES,
    TROUBLES
};

/* A purge by another process, until every put that was queued before this process knew of the purge
 * is written. */
struct peer_purge {
    struct purge purge;
    char *model;
    int64_t at_ms;  /* Unix time of the purge */
    uint64_t until; /* queue position at which the memory tier was purged; earlier puts are stale */
};

#define STORE_SPARES 2U

/* Readers to spare, for threads that read rarely. */
struct store_spares {
    pthread_mutex_t lock;
    struct store_reader *readers[STORE_SPARES];
    unsigned count;
};

struct store {
    struct store_rules rules;
    struct store_file file;
    struct store_queue queue;
    struct key_filter filter;
    struct store_spares spares;
    struct purge_ack peers; /* the writer's, once it runs */
    atomic_bool has_peers;  /* then the filter alone does not know what is there */
    pthread_t thread;
    /* Which file readers should have open; grows when it is another one. */
    atomic_uint generation;
    /* Grows with each transaction, ours (before what it settles is settled) or one that we noticed:
     * what a reader has read of an older state does not count. */
    atomic_uint changes;
    atomic_uint damaged_generation; /* the one that a reader found to be broken; 0: none */
    atomic_uint_least64_t items, bytes, evictions, dropped, too_large, damaged, errors;
    atomic_uint_least64_t said_ms[TROUBLES]; /* when a kind of trouble was last logged */

    /* the writer's */
    struct store_conn link;
    struct entry_codec *codec;
    int64_t origin;   /* who we are to other processes */
    int64_t last_seq; /* of what they said */
    int64_t filtered; /* the filter knows what was put until then: an n; 0: nothing */
    struct list late; /* drops that could not be written */
    struct peer_purge *peer_purges;
    size_t peer_purge_count;
    size_t peer_purges_applied; /* of them, in this process */
    bool purge_log_unread;      /* reading it failed: it may hold more purges */
    uint64_t free_bytes;
    uint64_t reopen_ms, retry_ms; /* not before that */
    uint64_t adopt_ms;            /* tombstones of other processes were looked for */
    uint64_t written_ms;          /* the last change that is still in the log; 0: none */
    bool tidying;
};

/* Logs, at most once a minute for each kind. */
void store_warn(struct store *store, enum store_trouble kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Decodes an entry's row; NULL: it is damaged. The caller owns the reference. */
struct object *store_decode(struct entry_codec *codec, const struct entry *entry);

/* store_long.c: reads on a thread of rules.jobs, and calls get->on_done(). */
void store_long_get(struct store *store, struct store_get *get);
void store_spares_refresh(struct store *store); /* another file stands in the place of theirs */
void store_spares_release(struct store *store);

/* After the file was opened: what the writer and the figures know of it. */
void store_opened(struct store *store);
/* peer_purges.c; the writer's, once it runs */
/* Notes a purge by another process. at_ms: Unix time of the purge. */
void peer_purges_add(void *store, int64_t at_ms, const struct purge *purge);
/* Purges the queue and, through rules.on_purge, the memory tier. */
void peer_purges_apply(struct store *store);
/* Forgets the purges whose stale puts, all before that place in the queue, are written. */
void peer_purges_forget(struct store *store, uint64_t place);
/* Carries out the tombstones of processes that ended. */
void peer_purges_adopt(struct store *store);
void *store_write(void *store); /* the thread */

/* Within a transaction (store_batch.c): what waits since it could not be written, and then these,
 * the first of which has that place in the queue. */
enum sql_result store_write_late(struct store *store);
enum sql_result store_write_ops(struct store *store, struct store_op *ops, size_t count,
                                uint64_t place);

#endif
