/* An object: an answer that is complete, and does not change any more.
 *
 *      flight ──sealed──► object ──► the index's memory tier
 *                            └─────► the writer thread ──► store ──► (later) a new object
 *
 * Reference-counted; all that a reader looks at is immutable, so any thread may hold one.
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

struct slot; /* the index's */

/* The oldest of many is let go of for each that is kept, and is not in the processor's cache then:
 * what that takes stands together in front, in three lines of 64 bytes (OBJECT_FRONT). */
struct object {
    atomic_uint refs;
    bool gzip;   /* the body is gzip-encoded, as its Content-Encoding says */
    bool has_id; /* the upstream gave it an x-request-id */
    bool renews; /* it was fetched although there may have been an older answer of its key */
    /* A lookup found it in the tier: worth a ready-made answer. Most objects are never found. */
    atomic_bool warm;
    /* the index's, under its shard's lock */
    bool in_tier;
    struct list lru;
    struct slot *slot; /* where it is in_tier */
    size_t charged;    /* bytes besides object_weight(): index_charge() */
    size_t size_;      /* of its memory */
    unsigned char *body;
    void *ready; /* the proxy's ready-made answer, under ready_lock */

    uint64_t collection;  /* of a GET (policy_collection_of()), else 0 */
    struct fields fields; /* those that are kept */
    pthread_mutex_t ready_lock;
    struct key key;

    size_t body_len;
    int64_t stored_ms; /* Unix time at which it was complete */
    unsigned status;
    uint32_t took_ms;  /* the fetch's duration; 0: the object was read from disk */
    const char *label; /* "POST /v1/chat/completions": method and path, no query; NULL: unknown */
    const char *model; /* "": none */
    _Atomic int64_t touched_ms; /* when the store was last told that it is in use; 0: never */
    int64_t ready_second;
    void (*free_ready)(void *ready); /* when the object goes */

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
    bool (*keeps)(const struct field *); /* which of them; NULL: all */
};

/* With one reference, in one piece of memory: objects live long and among short-lived things, and
 * few pieces of few sizes keep the allocator quick. The body, and the rest of what stands above, is
 * the caller's to fill in before anybody else sees the object; the parts are copied, and nothing
 * may be added to the fields. */
struct object *object_new(const struct object_parts *parts);
struct object *object_ref(struct object *object);
void object_unref(struct object *object); /* NULL is nothing */

/* Bytes of memory that it takes, itself included. */
size_t object_weight(const struct object *object);

#endif
