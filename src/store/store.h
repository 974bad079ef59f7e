/* The disk store: answers in one SQLite file. It implements cache/store_ops.h.
 *
 * Writes do not block: store_put() and its like append to a bounded queue, which the writer (a
 * thread of the store) writes in batches. A full queue refuses puts and touches; refused puts are
 * counted. A reader answers a get at once, on the caller's thread; a job reads a long body. Disk
 * errors are logged (once per kind and minute) and counted.
 *
 * Several processes may use one folder at once. Each learns within a second of the entries that the
 * others purge or replace (on_purge), and purges its memory tier accordingly.
 *
 * Any thread may call the functions that take a struct store, from store_open() until
 * store_close(); a comment names each exception. Functions that take a folder open no store.
 * Functions that return int return -1 on error, with the reason in *err.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/jobs.h"
#include "base/log.h"
#include "cache/object.h"
#include "cache/purge.h"
#include "cache/store_ops.h"

extern const struct store_ops store_functions;

struct store_rules {
    const char *folder; /* the cache folder, copied; made (0700) if missing */
    int64_t max_bytes;  /* bound of the file's size */
    bool read_only;     /* fail on a damaged or older file instead of recreating it */
    struct log *log;    /* NULL: no log */
    struct jobs *jobs;  /* threads for gets of long bodies, stopped before store_close(); NULL: no
                           get is pending */
    /* Reports a purge by another process, by a command, or left by a process that ended; a purge of
     * everything if its extent is unknown. The caller purges its memory tier. Purges that this
     * store was told to make are not reported. Called on the writer's thread, without a lock; it
     * must not wait for the store (store_remove()). The purge is valid during the call. NULL: no
     * report. */
    void (*on_purge)(void *arg, const struct purge *purge);
    /* Reports that another file stands in the place of the one that readers have open: the old file
     * takes room on the disk until they call store_reader_refresh(). Called without a lock, on the
     * writer's thread, and once by store_open() on its caller's. NULL: no report. */
    void (*on_replaced)(void *arg);
    void *arg;
};

/* Opens the store of a folder and starts the writer; the caller owns *store. Fails with a text that
 * tells the user what to do if the folder or file is not safe to use (another user's, writable by
 * others, a symbolic link, no SQLite database, a newer version); the caller continues without a
 * store. A damaged or older file is removed and recreated, which is logged; not if
 * rules->read_only. */
int store_open(struct store **store, const struct store_rules *rules, struct err *err);
/* Writes the queue, ends the writer, frees. No other call may be in progress, and each reader must
 * be freed. Each attempt to write waits for locks of other processes for 3 s at most; a slow disk
 * has no deadline. NULL: no effect. */
void store_close(struct store *store);

/* For commands: removes the file and its log, which works on a full disk, where store_open() fails.
 * Running stores treat it as a purge of everything. Refuses a folder or file that store_open()
 * refuses. *count: the entries that were removed, 0 of a damaged or older file; -1: could not be
 * read. Waits for other processes for some seconds at most. */
int store_clear_folder(const char *folder, int64_t *count, struct err *err);

/* For commands, after their purge is on disk and their own store is closed: waits for 3 s at most
 * until every process on the folder has read the purge. False: some have not, or that cannot be
 * told. */
bool store_wait_purged(const char *folder);

/* Does a body of body_len bytes fit: at most a quarter of max_bytes, and at most 64 MiB? */
bool store_takes(const struct store *store, uint64_t body_len);

/* Queues an object; the queue adds a reference. The caller holds the lock that guards
 * object->in_tier. An object that is too large or that the queue refuses is counted, and the older
 * entry of its key, which may exist, is purged. */
void store_put(struct store *store, struct object *object);
void store_touch(struct store *store, const struct key *key, int64_t now_ms);
/* Bracket a request that changes a collection: begin before the request is sent, end after its
 * answer or its failure; each begin has one end. The end purges the collection's GETs. If this
 * process dies in between, another process on the folder, or the next, purges them (tombstone.h).
 *
 * After the end has returned no get finds an object that was stored before, whether it is queued,
 * on disk, or on a disk that cannot be written to. A get that runs at that moment may still return
 * it.
 */
void store_begin_write(struct store *store, uint64_t collection);
void store_end_write(struct store *store, uint64_t collection);
/* Purges in the same way, and waits until the writer has committed it and has shrunk the file. Not
 * for the writer's thread or a worker. *count: the entries that were removed from disk. -1: the
 * entries are hidden but still on disk; the writer tries again. */
int store_remove(struct store *store, const struct purge *purge, uint64_t *count, struct err *err);

/* May a get find the key? No I/O; false for nearly all keys that are not stored. Always true while
 * other processes use the folder. */
bool store_may_have(struct store *store, const struct key *key);

/* A reader is the caller's, for one thread at a time, freed before the store is closed. Never NULL:
 * it opens the file at its first get, and tries again later if that fails. NULL to free: no effect.
 */
struct store_reader *store_reader_new(struct store *store);
void store_reader_free(struct store_reader *reader);
/* Looks for get->key, as the member `get` of store_ops does. The key and the checksum are verified;
 * a damaged entry is discarded and counted. A put is found once it is written: at once, or half a
 * second later under load. A put that no memory tier has is found before that, as the very object.
 * A job reads a body above 1 MiB (STORE_PENDING). */
enum store_got store_get(struct store_reader *reader, struct store_get *get);
/* The same for a body of any size, on the caller's thread. store_read() uses a spare reader. Return
 * an object with a reference for the caller, or NULL. */
struct object *store_reader_read(struct store_reader *reader, const struct key *key);
struct object *store_read(struct store *store, const struct key *key);
/* Closes the reader's file if another one stands in its place (on_replaced). NULL: no effect. */
void store_reader_refresh(struct store_reader *reader);
/* Ends the read transaction that the gets of one turn of an event loop share: to begin one costs
 * about as much as a get. While it is open SQLite cannot empty the file's log. NULL: no effect. */
void store_reader_rest(struct store_reader *reader);

void store_figures(struct store *store, struct store_figures *figures); /* no I/O */

/* Calls each() for every entry, newest first, on this thread; the row is valid during the call.
 * each() returns false to stop. Waits for other processes for 3 s at most. */
int store_each(struct store *store, bool (*each)(void *arg, const struct store_row *row), void *arg,
               struct err *err);
/* Finds keys by their first `bits` bits (key_from_hex()). Returns the number of keys found, at most
 * 2, with the first in *key; -1 on error. */
int store_find(struct store *store, const struct key *begin, unsigned bits, struct key *key,
               struct err *err);
/* Verifies the checksum of every entry and discards the damaged ones, also if read_only. each() may
 * be NULL; it gets the key as stored, and whether the entry is sound, and returns false to stop.
 * Waits until they are gone; a full queue may refuse some. *verified is set unless the file cannot
 * be opened. */
int store_verify(struct store *store, struct store_verified *verified,
                 bool (*each)(void *arg, const struct key *key, bool sound), void *arg,
                 struct err *err);

/* For commands, with no store of their own open: -1 if store_open() would refuse the folder or one
 * of its cache files for its owner, its permissions or its kind. Makes no file; makes a missing
 * folder. */
int store_check_folder(const char *folder, struct err *err);

/* For commands, with no store of their own open: does any process use the folder now? False if
 * there is no such folder. Makes no file. */
bool store_is_in_use(const char *folder);

#endif
