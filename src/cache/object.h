/* An object: a complete, immutable answer.
 *
 *      flight ──complete──► object ──► the index's memory tier
 *                              └─────► the store's writer ──► disk ──► (later) a new object
 *
 * Reference-counted; the members that readers use are immutable, so any thread may hold and read
 * one.
 */
#ifndef CACHE_OBJECT_H
#define CACHE_OBJECT_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/key.h"
#include "base/fields.h"
#include "base/list.h"

#define OBJECT_FRONT 192

struct slot; /* cache/shard.h */

/* The memory tier evicts an object for nearly each one that it takes, and the victim is not in the
 * processor's cache: the members that eviction uses stand in front, in three lines of 64 bytes
 * (OBJECT_FRONT). */
struct object {
    atomic_uint refs;
    bool gzip;   /* the body is gzip, by its Content-Encoding */
    bool has_id; /* the fields have the upstream's x-request-id */
    bool renews; /* fetched with no_cache, max_age or no_coalesce: an older answer may exist */
    /* A lookup found it in the tier, so a ready-made answer pays. Most objects are never found. */
    atomic_bool warm;
    /* The index's, under the shard's lock. */
    bool in_tier;
    struct list lru;
    struct slot *slot; /* while it is in_tier, else NULL */
    size_t charged;    /* bytes besides object_weight(), see index_charge() */
    size_t size_;      /* of its allocation, bytes */
    unsigned char *body;
    void *ready; /* the proxy's ready-made answer, under ready_lock */

    uint64_t collection;  /* of a GET (policy_collection_of()); else 0 */
    struct fields fields; /* the fields that are stored and replayed */
    pthread_mutex_t ready_lock;
    struct key key;

    size_t body_len;
    int64_t stored_ms; /* Unix time at which the answer was complete */
    unsigned status;
    uint32_t took_ms;  /* duration of the fetch; 0: read from disk */
    const char *label; /* "POST /v1/chat/completions": method and path, no query; NULL: unknown */
    const char *model; /* "": none */
    _Atomic int64_t touched_ms; /* last use that the store knows (Unix time); 0: none */
    int64_t ready_second;
    void (*free_ready)(void *ready); /* with the object's last reference */

    unsigned char inside[]; /* body, label, model, fields */
};

/* The parts from which object_new() makes an object. */
struct object_parts {
    const struct key *key;
    size_t body_len;
    const char *label; /* NULL: unknown; need not end with a NUL */
    size_t label_len;
    const char *model;
    size_t model_len;
    const struct fields *fields;         /* NULL: none */
    bool (*keeps)(const struct field *); /* selects the fields to copy; NULL: all */
};

/* Returns an object with one reference, the caller's, in one allocation: objects live long among
 * short-lived data, and few allocations of few sizes keep the allocator fast. The parts are copied.
 * The caller fills in the body and the other members before another thread sees the object; no
 * field may be added. */
struct object *object_new(const struct object_parts *parts);
/* Adds a reference. Returns the object. */
struct object *object_ref(struct object *object);
void object_unref(struct object *object); /* NULL: no effect */

/* The memory that the object takes, in bytes. Constant. */
size_t object_weight(const struct object *object);

#endif
