/* Answers that no memory tier has, by key, on their way to the disk: what is found of the queue.
 *
 * It owns nothing: an object is kept by the operation that is to write it, and is let go of before
 * that. All is guarded by the queue's lock, but held_none().
 */
#ifndef CACHE_STORE_HELD_H
#define CACHE_STORE_HELD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "cache/object.h"
#include "cache/purge.h"

#define HELD_BUCKETS 256

struct store_held {
    struct store_held *next; /* of its bucket; the newest first */
    struct object *object;
};

struct store_holds {
    struct store_held *buckets[HELD_BUCKETS];
    atomic_uint count;
};

/* Any thread, without the lock: is there nothing? */
bool held_none(struct store_holds *holds);
void held_add(struct store_holds *holds, struct object *object);
/* The newest one with that key, not referenced, or NULL. */
struct object *held_find(struct store_holds *holds, const struct key *key);
/* That very object; it may be gone already. */
void held_let_go(struct store_holds *holds, const struct object *object);
/* All that is gone. */
void held_let_go_of_purged(struct store_holds *holds, const struct purge *purge);

#endif
