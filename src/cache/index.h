/* The index: per key the object in the memory tier and the flight to join, and the verdict on a
 * request.
 *
 *      lookup ─┬─ HIT   an object in the memory tier: send it
 *              ├─ JOIN  another request's flight: read along
 *              ├─ MISS  a new flight, which others may join: fill it
 *              └─ NONE  neither, and the request only peeked (it looks on disk first)
 *
 * The verdict is the contract between the lookup and the request's steps. It is given under the
 * shard's lock, so that of any number of identical requests at the same moment one fetches. An
 * answer that must not be shared has a private flight, which the index does not know
 * (index_pass()).
 *
 * The keys are spread over shards, each with a lock, a table and a part of the memory tier, which
 * evicts the least recently used objects. All workers share one index. Any thread may call these
 * functions, except index_new(), index_free() and index_use_store(). The caller holds no lock of a
 * shard or flight. Lock order: shard → flight; shard → the store's queue.
 */
#ifndef CACHE_INDEX_H
#define CACHE_INDEX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "api/key.h"
#include "api/policy.h"
#include "base/budget.h"
#include "base/jobs.h"
#include "cache/flight.h"
#include "cache/object.h"
#include "cache/store_ops.h"

struct index;

#define INDEX_FOREVER INT64_MAX

struct index_rules {
    size_t memory_bytes;   /* of the memory tier */
    size_t object_bytes;   /* a larger body is neither kept nor stored, bytes */
    struct jobs *jobs;     /* make the objects of long answers; NULL: made at once */
    struct budget *budget; /* of bodies that are kept while they grow; NULL: no bound */
};

struct index *index_new(const struct index_rules *rules);
void index_free(struct index *index); /* no shared flight may be left; NULL: no effect */
/* From now on complete answers go to the store, too. Not owned: the store must outlive the last
 * flight. Without this call, or with NULL: memory only. */
void index_use_store(struct index *index, const struct store_ops *ops, struct store *store);

enum index_verdict { INDEX_HIT, INDEX_JOIN, INDEX_MISS, INDEX_NONE };

struct index_query {
    const struct key *key;
    int64_t now_ms; /* Unix time */
    int64_t ttl_ms; /* INDEX_FOREVER: an entry does not expire */
    struct cache_control asks;
    bool no_coalesce; /* accept neither an object nor another request's flight: a refresh, or a
                         second attempt */
    bool peek;        /* return NONE instead of a new flight */
    /* For the object that a MISS leads to; copied. */
    enum cache_class api;
    const char *method, *target, *model;
    struct key_rules *key_rules; /* of the key; MISS adds a reference; NULL: of no fields */
    size_t high, low;            /* bytes; see body.h */
};

struct index_answer {
    struct object *object; /* HIT: with a reference for the caller */
    struct flight *flight; /* JOIN, MISS: the same; the reader has joined it */
    bool stale;            /* there was an object that this request does not accept */
};

/* Gives the verdict on a request. reader: the caller's, until flight_leave(), if the verdict is
 * JOIN or MISS. notify: called under the flight's lock, see body.h. After a MISS the caller starts
 * the filler. */
enum index_verdict index_lookup(struct index *index, const struct index_query *query,
                                struct body_reader *reader, void (*notify)(struct body_reader *),
                                struct index_answer *answer);
/* Returns a private flight with a reference for the caller, for an answer that is not cacheable;
 * the reader has joined it. high, low: bytes, see body.h. */
struct flight *index_pass(size_t high, size_t low, struct body_reader *reader,
                          void (*notify)(struct body_reader *));

/* Is there room in the memory tier or on disk for a body of `length` bytes (-1: unknown), and
 * memory to receive it? Other flights may take that memory in the meantime. */
bool index_takes(struct index *index, int64_t length);

/* The freshness lifetime of an answer with that status, in ms, or INDEX_FOREVER, given the
 * configured ttl_ms. An error (status 400 and above) has a minute at most: a key that was just
 * activated must not look broken. */
int64_t index_ttl_ms(int64_t ttl_ms, unsigned status);
/* Is the object fresh enough for the request (RFC 9111 section 4.2)? no_cache and no_coalesce are
 * not regarded. */
bool index_is_fresh(const struct object *object, const struct index_query *query);
/* index_keep() puts an object that was found on disk into the memory tier, unless that has a newer
 * one, and adds a reference. epoch: index_epoch() from before the get; if there was any purge since
 * then, the object is not kept. */
uint64_t index_epoch(struct index *index);
void index_keep(struct index *index, struct object *object, uint64_t epoch);

/* Counts more bytes of memory, such as a ready-made answer, with the object. May evict objects. */
void index_charge(struct index *index, struct object *object, size_t bytes);

/* Purges the memory tier. Matching flights are neither stored nor joined any more; their readers
 * read on. The caller purges the store (store_ops.remove, .end_write), after this call. Returns the
 * number of objects removed. */
uint64_t index_drop(struct index *index, const struct purge *purge);

/* Calls each() for the objects of the memory tier, shard by shard, the most recently used first, at
 * most `most` of each shard. each() runs under the shard's lock: it may read the object and add a
 * reference, but not call the index; false ends the walk. Long walks are not for a worker's loop.
 */
void index_each(struct index *index, size_t most, bool (*each)(void *arg, struct object *object),
                void *arg);

struct index_figures {
    uint64_t items, bytes; /* of the memory tier */
    uint64_t evictions;
};
/* Sums up the shards, one after the other. */
void index_figures(struct index *index, struct index_figures *figures);

#endif
