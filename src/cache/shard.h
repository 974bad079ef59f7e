/* The inside of the index, used by index_lookup.c, busy.c and shard.c only: its parts, each a
 * table of keys and a part of the memory tier.
 *
 * A slot is what is known of one key: the object in the tier, the flight that others may join, or
 * both (the object is too old then, or is being refreshed). A slot with neither is removed. A
 * busy entry is what the index knows of a flight that it may keep, joinable or not. All with the
 * lock held.
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
    struct policy_proof *proof; /* of a long answer, as it comes; NULL: none */
    uint64_t prove_max;         /* a body that grows beyond is long, bytes */
    struct job job;             /* to make the object of a long answer */
    struct index *index;
    struct shard *shard;
    struct list node; /* of shard->busy_list */
    struct flight *flight;
    struct slot *slot; /* where it can be joined; NULL: no more */
    struct key key;
    uint64_t generation; /* of two answers the one that was asked for later is the newer one */
    int64_t begun_ms;    /* Unix time at which the fetch began */
    enum cache_class api;
    struct key_rules *key_rules; /* with a reference; NULL: of no fields */
    uint64_t collection;
    char model[POLICY_MODEL_SIZE];
    bool renews;   /* as of struct object */
    bool detached; /* another busy entry of its key took its slot: counted in shard->detached */
    bool settled;  /* it is in no list any more, nor in a slot; the filler's */
    bool unframed; /* its end was not HTTP's end */
    char label[];  /* method and path */
};

struct slot {
    struct slot *next;
    struct key key;
    struct object *object; /* a reference */
    uint64_t generation;   /* object's */
    struct busy *busy;
};

struct shard {
    pthread_mutex_t lock;
    struct slot **buckets;
    size_t bucket_count, slot_count;
    struct slot *spare; /* the one that was removed last: mostly one goes when one comes */
    struct list busy_list;
    unsigned detached; /* busy entries */
    struct list lru;   /* objects, the least recently used first */
    size_t bytes, budget;
    uint64_t items, evictions;
    uint64_t gets; /* objects and busy entries that belong to a collection */
};

#define INDEX_SHARDS 8U

struct index {
    struct index_rules rules;
    const struct store_ops *store_ops; /* set before `store` is */
    _Atomic(struct store *) store;
    atomic_uint_fast64_t generations;
    atomic_uint_fast64_t epoch; /* how often something was dropped */
    struct shard shards[INDEX_SHARDS];
};

struct shard *index_shard(struct index *index, const struct key *key); /* index_lookup.c */

/* busy.c. The busy entry of a flight that may be joined in that slot; the flight owns it. */
struct busy *busy_new(struct index *index, struct slot *slot, struct flight *flight,
                      const struct index_query *query);
void busy_leave_slot(struct busy *busy); /* its flight is joined no more */
/* Another flight takes its slot: it is joined no more, and is kept only if the other one is not. */
void busy_detach(struct busy *busy);

void shard_init(struct shard *shard, size_t budget);
void shard_release(struct shard *shard);

struct slot *shard_find(struct shard *shard, const struct key *key);
struct slot *shard_add(struct shard *shard, const struct key *key); /* which is not there */
struct slot *shard_find_or_add(struct shard *shard, const struct key *key);
void shard_tidy(struct shard *shard, struct slot *slot); /* removes it if it is empty */

/* Puts the object (a reference is added) in the slot, in the place of what was there. A large
 * one is left out. */
void shard_set_object(struct shard *shard, struct slot *slot, struct object *object,
                      uint64_t generation);
void shard_unset_object(struct shard *shard, struct slot *slot);
void shard_use(struct shard *shard, struct object *object); /* it was just used */
/* Lets go of the least recently used until the budget holds. */
void shard_shrink(struct shard *shard);

#endif
