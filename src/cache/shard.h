/* The internals of the index, for index_lookup.c, busy.c and shard.c only: its shards, each a table
 * of keys and a part of the memory tier.
 *
 * A slot has the state of one key: the object in the tier, the flight to join, or both (the object
 * is too old, or is being refreshed). A slot with neither is removed. A busy entry has the index's
 * state of a flight that it may keep, joinable or not.
 *
 * The shard's lock guards all of it, and is held for all functions but shard_init(),
 * shard_release() and index_shard().
 */
#ifndef CACHE_SHARD_H
#define CACHE_SHARD_H

#include <pthread.h>

#include "api/key.h"
#include "api/policy.h"
#include "base/jobs.h"
#include "base/list.h"
#include "cache/flight.h"
#include "cache/index.h"
#include "cache/object.h"

struct busy {
    struct flight_hooks keeper;
    struct tap tap;
    struct policy_proof *proof; /* of a long answer, fed by the tap; NULL: none */
    uint64_t prove_max;         /* bytes; a longer body gets a proof */
    struct job job;             /* makes the object of a long answer */
    struct index *index;
    struct shard *shard;
    struct list node; /* of shard->busy_list */
    struct flight *flight;
    struct slot *slot; /* where lookups join the flight; NULL: they do not any more */
    struct key key;
    uint64_t generation; /* ascending by request: of two answers to a key the higher stays */
    int64_t begun_ms;    /* Unix time at which the fetch began */
    enum cache_class api;
    struct key_rules *key_rules; /* a reference; NULL: of no fields */
    uint64_t collection;
    char model[POLICY_MODEL_SIZE];
    bool renews;   /* see struct object */
    bool detached; /* another busy entry took its slot; counted in shard->detached */
    /* It has left the list and the slot. Written with the lock held, by the filler or the job. */
    bool settled;
    bool unframed; /* the filler gave up: no framing proves the end */
    char label[];  /* method and path */
};

struct slot {
    struct slot *next;
    struct key key;
    struct object *object; /* a reference */
    uint64_t generation;   /* of the object */
    struct busy *busy;
};

struct shard {
    pthread_mutex_t lock;
    struct slot **buckets;
    size_t bucket_count, slot_count;
    /* The slot removed last, for reuse: mostly an eviction follows each addition. */
    struct slot *spare;
    struct list busy_list;
    unsigned detached; /* busy entries */
    struct list lru;   /* objects, the least recently used first */
    size_t bytes, budget;
    uint64_t items, evictions;
    uint64_t gets; /* objects and busy entries with a collection */
};

#define INDEX_SHARDS 8U

struct index {
    struct index_rules rules;
    const struct store_ops *store_ops; /* set before `store` */
    _Atomic(struct store *) store;
    atomic_uint_fast64_t generations;
    atomic_uint_fast64_t epoch; /* number of purges */
    struct shard shards[INDEX_SHARDS];
};

struct shard *index_shard(struct index *index, const struct key *key); /* index_lookup.c */

/* busy.c. Returns a busy entry for a flight that lookups may join through the slot; the flight owns
 * it, as its hooks. The query's texts are copied. */
struct busy *busy_new(struct index *index, struct slot *slot, struct flight *flight,
                      const struct index_query *query);
void busy_leave_slot(struct busy *busy); /* no lookup joins its flight any more */
/* Another flight takes the slot: no lookup joins this one any more, and its answer is not kept if
 * the newer one is published first. */
void busy_detach(struct busy *busy);

void shard_init(struct shard *shard, size_t budget);
void shard_release(struct shard *shard);

/* NULL: none. A slot is the shard's, valid until shard_tidy() or an eviction. */
struct slot *shard_find(struct shard *shard, const struct key *key);
struct slot *shard_add(struct shard *shard, const struct key *key); /* the key must be absent */
struct slot *shard_find_or_add(struct shard *shard, const struct key *key);
void shard_tidy(struct shard *shard, struct slot *slot); /* removes an empty slot */

/* Puts the object in the slot, in the place of an older one, and adds a reference. An object of
 * more than half the budget is left out. shard_shrink() must follow. */
void shard_set_object(struct shard *shard, struct slot *slot, struct object *object,
                      uint64_t generation);
void shard_unset_object(struct shard *shard, struct slot *slot);
void shard_use(struct shard *shard, struct object *object); /* marks it as most recently used */
/* Evicts the least recently used objects down to the budget. */
void shard_shrink(struct shard *shard);

#endif
