/* Objects that wait to be written to disk and are in no memory tier, by key: a get finds them here.
 *
 * The table owns no reference: the operation that writes an object holds one, and removes the
 * object from here before it drops the reference. The queue's lock guards all of it, except
 * pending_writes_none().
 */
#ifndef STORE_PENDING_WRITES_H
#define STORE_PENDING_WRITES_H

#include <stdatomic.h>
#include <stdbool.h>

#include "cache/object.h"
#include "cache/purge.h"

#define PENDING_BUCKETS 256

struct pending_write {
    struct pending_write *next; /* in its bucket, the newest first */
    struct object *object;
};

struct pending_writes {
    struct pending_write *buckets[PENDING_BUCKETS];
    atomic_uint count;
};

/* Is the table empty? Any thread, without the lock. */
bool pending_writes_none(struct pending_writes *writes);
void pending_writes_add(struct pending_writes *writes, struct object *object);
/* The newest object of the key, without a reference, or NULL. */
struct object *pending_writes_find(struct pending_writes *writes, const struct key *key);
/* Removes this object, not another one of its key. It need not be there. */
void pending_writes_remove(struct pending_writes *writes, const struct object *object);
/* Removes the objects that the purge covers. */
void pending_writes_purge(struct pending_writes *writes, const struct purge *purge);

#endif
