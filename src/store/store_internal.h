/* The struct of the store: private to the files of src/store/. "The writer's": used by the writer's
 * thread alone, and by store_open() before that thread runs. */
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

/* A purge by another process. It is kept until every put that was queued before this process
 * learned of the purge is written. */
struct peer_purge {
    struct purge purge;
    char *model;
    int64_t at_ms;  /* Unix time of the purge */
    uint64_t until; /* queue position at which the memory tier was purged; earlier puts are stale */
};

#define STORE_SPARES 2U

/* Open readers for threads that read rarely: a thread takes one out for a read. */
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
    struct purge_ack peers; /* the writer's */
    atomic_bool has_peers;  /* then the disk may have keys that the filter lacks */
    pthread_t thread;
    /* Number of the file that readers should have open; incremented when another file takes its
     * place. */
    atomic_uint generation;
    /* Incremented after each transaction of the writer, before its purges are settled, and after
     * each change that another process made: a reader repeats a get that began before. */
    atomic_uint changes;
    atomic_uint damaged_generation; /* of the file that a reader found damaged; 0: none */
    atomic_uint_least64_t items, bytes, evictions, dropped, too_large, damaged, errors;
    /* When each kind was last logged (monotonic ms, plus 1); 0: never. */
    atomic_uint_least64_t said_ms[TROUBLES];

    /* the writer's */
    struct store_conn link;
    struct entry_codec *codec;
    int64_t origin;   /* random id of this process in the purge log */
    int64_t last_seq; /* of the last row of the purge log that was read */
    int64_t filtered; /* the filter has the entries up to this n (db_ids()); 0: none */
    struct list late; /* queued purges that could not be written */
    struct peer_purge *peer_purges;
    size_t peer_purge_count;
    size_t peer_purges_applied; /* of these, how many have been applied */
    bool purge_log_unread;      /* reading the log failed: it may hold more purges */
    uint64_t free_bytes;
    /* When the writer may open the file again, and retry late purges (monotonic ms). */
    uint64_t reopen_ms, retry_ms;
    uint64_t adopt_ms; /* last search for orphaned tombstones (monotonic ms) */
    /* Time of the last change since the -wal was emptied (monotonic ms); 0: none. */
    uint64_t written_ms;
    bool tidying;
};

/* Logs a warning, at most once a minute for each kind. Any thread. */
void store_warn(struct store *store, enum store_trouble kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Decodes a row. Returns an object with a reference for the caller; NULL: the row is damaged. */
struct object *store_decode(struct entry_codec *codec, const struct entry *entry);

/* store_long.c: a job of rules.jobs (not NULL) reads the object and calls get->on_done(). Any
 * thread. */
void store_long_get(struct store *store, struct store_get *get);
void store_spares_refresh(struct store *store); /* closes replaced files; any thread */
void store_spares_release(struct store *store);

/* Initialises the writer's state and the figures for the file that is open. The writer's. */
void store_opened(struct store *store);
/* peer_purges.c: the writer's. */
/* Adds a purge by another process; copies the model. store: a struct store. at_ms: Unix time of the
 * purge. */
void peer_purges_add(void *store, int64_t at_ms, const struct purge *purge);
/* Applies the purges that were added: to the pending writes and, through rules.on_purge, to the
 * memory tier. */
void peer_purges_apply(struct store *store);
/* Forgets the purges whose stale puts, all before the queue position `place`, are written. */
void peer_purges_forget(struct store *store, uint64_t place);
/* Purges the entries that the tombstones of ended processes select. */
void peer_purges_adopt(struct store *store);
void *store_write(void *store); /* the writer's thread; arg: a struct store */

/* store_batch.c, the writer's, within a transaction: write the late purges, then the operations,
 * the first of which has the queue position `place`. */
enum sql_result store_write_late(struct store *store);
enum sql_result store_write_ops(struct store *store, struct store_op *ops, size_t count,
                                uint64_t place);

#endif
