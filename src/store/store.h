/* Answers on disk, in one SQLite file: what fills in cache/store_ops.h.
 *
 * Writing never waits: store_put() and its like append to a bounded queue, which a thread of the
 * store's own writes in batches; where the queue is full what comes is dropped and counted. A get
 * is answered at once, on the caller's thread, by a reader of its own; one that would take long, by
 * a job. Disk trouble is logged (once per kind and minute) and counted.
 *
 * Several processes may use one folder at once. What one clears, drops or replaces, the others are
 * told within a second (on_purge), so that they empty their memory tiers accordingly.
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
    const char *folder; /* the cache folder; made (0700) where missing */
    int64_t max_bytes;  /* of the file */
    bool read_only;     /* fail on a damaged or older file instead of recreating it */
    struct log *log;    /* NULL: silent */
    struct jobs
        *jobs; /* for gets that take long; NULL: no get is pending. They end before the store */
    /* Called on the store's thread, without a lock, for what another process, or a command, took
     * away; it must not wait for the store (store_remove). What this store is told to drop is not
     * repeated here. NULL: nobody cares. */
    void (*on_purge)(void *arg, const struct purge *purge);
    /* Called on the store's thread: another file stands in the place of the one that readers may
     * have open, which takes room on the disk until they let go of it (store_reader_refresh). NULL:
     * nobody cares. */
    void (*on_replaced)(void *arg);
    void *arg;
};

/* A folder or file that cannot be used safely (of another owner, writable by others, a symbolic
 * link, no SQLite, an unknown version that is newer) fails with a text that says what to do; the
 * caller goes on without a store. A damaged file, or one of an older version, is set aside
 * (removed) and begun anew, with a line in the log. */
int store_open(struct store **store, const struct store_rules *rules, struct err *err);
/* Writes what is queued (for at most a few seconds), ends the thread, frees. NULL is nothing. */
void store_close(struct store *store);

/* For commands: everything goes, by removing the file, which needs no room on the disk, as opening
 * a store does. Running stores find it gone, as if another one had dropped everything. *count: the
 * entries that were there; -1: that could not be read. It refuses what store_open() refuses, but
 * the lack of room. */
int store_clear_folder(const char *folder, int64_t *count, struct err *err);

/* For commands, when what they took away is gone and their own store is closed: waits until every
 * process on the folder has read of it in the purge log, a few seconds at most. False: not all
 * have. */
bool store_wait_purged(const char *folder);

/* Is it small enough: a quarter of max_bytes, and 64 MiB, at most? Any thread. */
bool store_takes(const struct store *store, uint64_t body_len);

/* Any thread. put takes a reference of its own, with the lock held that guards object->in_tier; an
 * object that the store does not take is counted, and the older entry of its key is purged. */
void store_put(struct store *store, struct object *object);
void store_touch(struct store *store, const struct key *key, int64_t now_ms);
/* Around a request that changes a collection: begin before it is sent, end once it was answered or
 * came to nothing. The end drops the GETs of the collection; so does the next process that opens
 * the folder, if this one dies in between (tombstone.h). Each begin has one end.
 * From the moment that the end returns no get finds what was put before, wherever that stands: in
 * the queue, on disk, or on a disk that cannot be written to. A get that runs at that moment may
 * still return it. */
void store_begin_write(struct store *store, uint64_t collection);
void store_end_write(struct store *store, uint64_t collection);
/* Removes what the purge covers, for commands: in the same way, and waits until it is done and the
 * file has shrunk. *count: entries on disk. */
int store_remove(struct store *store, const struct purge *purge, uint64_t *count, struct err *err);

/* May it be there? Cheap, and false for nearly all that is not; with other processes on the folder
 * it is always true. */
bool store_may_have(struct store *store, const struct key *key);

/* A reader is one thread's, freed before the store is closed. Never NULL: it opens the file at the
 * first get, and where that fails tries again later. */
struct store_reader *store_reader_new(struct store *store);
void store_reader_free(struct store_reader *reader);
/* Key and checksum are verified; an entry that is damaged is dropped and counted. What is put is
 * found once it is written, at once or, where much comes, within half a second or so; before it is
 * if no memory tier had it when it was put (then it is that very object). A body above 1 MiB is
 * read by a job: STORE_PENDING. */
enum store_got store_get(struct store_reader *reader, struct store_get *get);
/* The same, on the caller's thread whatever it takes. The object with a reference, or NULL. */
struct object *store_reader_read(struct store_reader *reader, const struct key *key);
struct object *store_read(struct store *store, const struct key *key);
/* Closes the file if another one stands in its place. NULL is nothing. */
void store_reader_refresh(struct store_reader *reader);
/* After the gets of a loop's turn: they share a look at the file, which costs about as much as
 * getting. Whoever waits with it open keeps the file's log from being emptied. NULL is nothing. */
void store_reader_rest(struct store_reader *reader);

void store_figures(struct store *store, struct store_figures *figures); /* any thread, no I/O */

/* Newest first. each() returns false to stop. */
int store_each(struct store *store, bool (*each)(void *arg, const struct store_row *row), void *arg,
               struct err *err);
/* Looks for a key by its beginning (key_from_hex()). The number found, at most 2; -1: trouble. */
int store_find(struct store *store, const struct key *begin, unsigned bits, struct key *key,
               struct err *err);
/* Checks every entry's checksum, and removes those that are damaged; read_only or not. each() may
 * be NULL; it is told of every entry whether it is sound, with the key as it stands there, and
 * returns false to stop. */
int store_verify(struct store *store, struct store_verified *verified,
                 bool (*each)(void *arg, const struct key *key, bool sound), void *arg,
                 struct err *err);

/* For commands, with no store of theirs open: would opening one refuse the folder, or a file of the
 * cache that is in it, because others may write to it (or for what it is)? Makes nothing. */
int store_check_folder(const char *folder, struct err *err);

/* For commands, with no store of theirs open: does any process use that folder now? False where
 * there is none. Makes nothing. */
bool store_is_in_use(const char *folder);

#endif
