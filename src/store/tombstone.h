/* Tombstones: purges that hold although the process dies before the database has them.
 *
 * A request that changes a collection makes its stored GETs out of date as soon as the upstream
 * acts on it; the purge reaches the database later, and on a full disk not at all. So the purge is
 * recorded in a file of the cache folder, cache.tombstones, before the request goes out, and the
 * record is cleared when the purge is committed. The room of all records is allocated when the file
 * is opened: a full disk has it. Records that a process left behind are adopted by the next process
 * that opens the file, or by one that has it open: it carries the purges out.
 *
 * The file is an array of lanes of TOMBSTONE_SLOTS records. A process owns one lane by a lock (of
 * its open file description) on the lane's first byte, which the kernel releases when the process
 * ends, however it ends. Nothing is synced: as with all of the cache, kill -9 is survived, a power
 * failure is not.
 *
 * The caller's lock guards all of it.
 */
#ifndef STORE_TOMBSTONE_H
#define STORE_TOMBSTONE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/list.h"
#include "cache/purge.h"

#define TOMBSTONE_FILE "cache.tombstones" /* in the cache folder */
#define TOMBSTONE_SLOTS 256

struct tombstone {
    struct list node;
    struct purge purge;
    char *model; /* purge.model, owned */
    unsigned refs;
    int slot; /* of its record; -1: it has none */
};

enum tombstone_slot { SLOT_FREE, SLOT_OURS, SLOT_ORPHAN };

struct tombstone_log {
    int fd;               /* -1: there is no file */
    off_t lane;           /* where our lane begins, bytes */
    struct list requests; /* tombstones of collections, which requests share */
    struct list others;
    unsigned char slots[TOMBSTONE_SLOTS]; /* enum tombstone_slot */
};

void tombstone_log_init(struct tombstone_log *log);
/* Closes the file; records stay, for whoever opens it next. */
void tombstone_log_release(struct tombstone_log *log);
/* Opens the file of that folder, or makes it, unless it is open already; what is recorded is
 * recorded there. False: there is none (no room, no permission, no free lane). */
bool tombstone_log_open(struct tombstone_log *log, const char *folder);

/* The tombstone of that purge, with one more reference. Requests to one collection share one. */
struct tombstone *tombstone_hold(struct tombstone_log *log, const struct purge *purge);
/* The one of a collection, not referenced, or NULL. */
struct tombstone *tombstone_find(struct tombstone_log *log, uint64_t collection);
/* Writes its record, if it has none yet. False: that cannot be done. */
bool tombstone_record(struct tombstone_log *log, struct tombstone *tombstone);
/* The last reference clears the record and frees the tombstone. */
void tombstone_release(struct tombstone_log *log, struct tombstone *tombstone);

/* Takes over the records of processes that have ended: each() gets a tombstone, recorded, with a
 * reference that it takes over. */
void tombstone_adopt(struct tombstone_log *log,
                     void (*each)(void *arg, struct tombstone *tombstone), void *arg);

#endif
