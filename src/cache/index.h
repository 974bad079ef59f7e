/* The index: what is known of every key, and the verdict on a request.
 *
 *      lookup ─┬─ HIT   an object in the memory tier: send it
 *              ├─ JOIN  somebody's flight: read along
 *              ├─ MISS  a new flight, which others may join: fill it
 *              └─ NONE  neither, and the caller only wanted to know (it will look on disk first)
 *
 * The verdict is the contract between the lookup and the request's steps: a switch on it, in one
 * place. It is given under one lock, so that of any number of identical requests at the same
 * moment one fetches. What nobody may share has a flight that the index never hears of
 * (index_pass).
 *
 * The keys are spread over shards, each with a lock, a table and a part of the memory tier, which
 * lets go of the least recently used. Shared by all workers; any thread may call anything here.
 * Lock order: shard → flight.
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
    size_t object_bytes;   /* a larger body is not kept */
    struct jobs *jobs;     /* for what takes long; NULL: it is done at once */
    struct budget *budget; /* of answers that are kept while they grow; NULL: none */
};

struct index *index_new(const struct index_rules *rules);
void index_free(struct index *index); /* no flight of its may be left. NULL is nothing */
/* Complete answers go to the store as well. NULL (and before this call): memory only. */
void index_use_store(struct index *index, const struct store_ops *ops, struct store *store);

enum index_verdict { INDEX_HIT, INDEX_JOIN, INDEX_MISS, INDEX_NONE };

struct index_query {
    const struct key *key;
    int64_t now_ms; /* Unix time */
    int64_t ttl_ms; /* INDEX_FOREVER: an entry never grows too old */
    struct cache_control asks;
    bool no_coalesce; /* neither an object nor a flight of others will do: a refresh, or a second
                         try */
    bool peek;        /* NONE rather than a new flight */
    /* for what is stored in the end: */
    enum cache_class api;
    const char *method, *target, *model;
    struct key_rules *key_rules; /* what the key was made by, to which a reference is added; NULL:
                                    of no fields */
    size_t high, low;            /* see body.h */
};

struct index_answer {
    struct object *object; /* HIT: with a reference, the caller's */
    struct flight *flight; /* JOIN, MISS: the same, and the reader has joined it */
    bool stale;            /* there was an object, too old for this request */
};

enum index_verdict index_lookup(struct index *index, const struct index_query *query,
                                struct body_reader *reader, void (*notify)(struct body_reader *),
                                struct index_answer *answer);
/* A private flight, for what is not cacheable; the reader has joined it. */
struct flight *index_pass(size_t high, size_t low, struct body_reader *reader,
                          void (*notify)(struct body_reader *));

/* Is there a tier, and memory on the way to it, for a body of `length` bytes (-1: unknown)? Others
 * may take the memory in the meantime. */
bool index_takes(struct index *index, int64_t length);

/* How long an answer of that status is good for, in ms, or INDEX_FOREVER, where others have ttl_ms.
 * An error has a minute at most: a key that was just activated must not look broken. */
int64_t index_ttl_ms(int64_t ttl_ms, unsigned status);
/* May this object answer this request? */
bool index_is_fresh(const struct object *object, const struct index_query *query);
/* Takes what was found on disk into the memory tier; a reference is added. epoch: index_epoch()
 * from before the disk was looked at: what was dropped since then is not taken. */
uint64_t index_epoch(struct index *index);
void index_keep(struct index *index, struct object *object, uint64_t epoch);

/* More bytes that belong to the object, such as a ready-made answer: to be counted with it. */
void index_charge(struct index *index, struct object *object, size_t bytes);

/* Drops from memory what is named; flights of such keys are not stored, and not joined any more
 * (whoever reads them reads on). The store's part is its own matter (store_ops.remove, .end_write).
 */
uint64_t index_drop(struct index *index, const struct purge *purge); /* objects dropped */

/* Calls each() for every object of the memory tier: of one shard after the other those that were
 * used last first, at most `most` of each shard. It runs under the shard's lock: it may look, and
 * take a reference; false ends the walk. A walk through many takes long: not for a worker's loop.
 */
void index_each(struct index *index, size_t most, bool (*each)(void *arg, struct object *object),
                void *arg);

struct index_figures {
    uint64_t items, bytes; /* of the memory tier */
    uint64_t evictions;
};
void index_figures(struct index *index, struct index_figures *figures);

#endif
