/* Tombstones: purges that hold although the process dies before the database has them.
 *
 * A request that changes a collection makes its stored GETs out of date as soon as the upstream
 * acts on it; the purge reaches the database later, and on a full disk not at all. So the purge is
 * recorded in a file of the cache folder, cache.tombstones, before the request is sent, and the
 * record is cleared when the purge is committed. The space of all records is allocated when the
 * file is opened, so that a full disk has it. Records that a process left behind are adopted by the
 * next process that opens the file, or by a process that has it open: the adopter makes the purges.
 *
 * The file is an array of lanes of TOMBSTONE_SLOTS records. A process owns one lane by a lock (of
 * its open file description) on the lane's first byte, which the kernel releases when the process
 * ends, however it ends. Nothing is synced: as with all of the cache, kill -9 is survived, a power
 * failure is not.
 *
 * The caller's lock guards all of it; with it held, any thread may call these functions.
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
    int slot; /* index of its record in our lane; -1: not recorded */
};

enum tombstone_slot { SLOT_FREE, SLOT_OURS, SLOT_ORPHAN };

struct tombstone_log {
    int fd;               /* -1: not open */
    off_t lane;           /* offset of our lane, bytes */
    struct list requests; /* tombstones of one collection each, which requests share */
    struct list others;
    unsigned char slots[TOMBSTONE_SLOTS]; /* enum tombstone_slot */
};

void tombstone_log_init(struct tombstone_log *log);
/* Closes the file and frees all tombstones. Records stay, to be adopted by another process. */
void tombstone_log_release(struct tombstone_log *log);
/* Opens or creates the folder's file, unless it is the one that is open. Recorded tombstones are
 * recorded in the new file again. False: no room, no permission or no free lane; a file that was
 * open stays open. */
bool tombstone_log_open(struct tombstone_log *log, const char *folder);

/* Returns a tombstone with a reference for the caller; the purge's model is copied. All purges of
 * one whole collection share a tombstone. */
struct tombstone *tombstone_hold(struct tombstone_log *log, const struct purge *purge);
/* The tombstone of a whole collection, without a reference, or NULL. */
struct tombstone *tombstone_find(struct tombstone_log *log, uint64_t collection);
/* Records the tombstone, if it is not yet recorded. False: no file, no free slot, or a write error.
 */
bool tombstone_record(struct tombstone_log *log, struct tombstone *tombstone);
/* Drops a reference. The last one clears the record and frees the tombstone. */
void tombstone_release(struct tombstone_log *log, struct tombstone *tombstone);

/* Takes over the records of processes that have ended: each() gets a recorded tombstone and takes
 * over its reference. Records that no slot is free for wait for the next call. */
void tombstone_adopt(struct tombstone_log *log,
                     void (*each)(void *arg, struct tombstone *tombstone), void *arg);

#endif
