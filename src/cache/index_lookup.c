#include "cache/index.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/shard.h"

/* An entry from the future has an unknown age: the clock was set back. Up to this limit the clock
 * was merely adjusted. */
#define FUTURE_MS 2000
#define TOUCH_EVERY_MS 1000
#define ERROR_TTL_MS 60000

struct index *index_new(const struct index_rules *rules)
{
    struct index *index = mem_zero(sizeof(*index));

    index->rules = *rules;
    for (unsigned i = 0; i < INDEX_SHARDS; i++)
        shard_init(&index->shards[i], rules->memory_bytes / INDEX_SHARDS);
    return index;
}

void index_free(struct index *index)
{
    if (!index)
        return;
    for (unsigned i = 0; i < INDEX_SHARDS; i++)
        shard_release(&index->shards[i]);
    free(index);
}

void index_use_store(struct index *index, const struct store_ops *ops, struct store *store)
{
    index->store_ops = ops;
    atomic_store(&index->store, store);
}

struct shard *index_shard(struct index *index, const struct key *key)
{
    return &index->shards[key->bytes[KEY_BYTES - 1] % INDEX_SHARDS];
}

/* --- freshness ------------------------------------------------------------------------ */

static bool at_most_s(int64_t ms, int64_t seconds)
{
    return seconds >= INT64_MAX / 1000 || ms <= seconds * 1000;
}

int64_t index_ttl_ms(int64_t ttl_ms, unsigned status)
{
    return status >= 400 && ttl_ms > ERROR_TTL_MS ? ERROR_TTL_MS : ttl_ms;
}

bool index_is_fresh(const struct object *object, const struct index_query *query)
{
    int64_t age = query->now_ms - object->stored_ms;
    int64_t ttl = index_ttl_ms(query->ttl_ms, object->status);

    if (age < -FUTURE_MS)
        return false;
    if (age < 0)
        age = 0;
    if (query->asks.max_age_s >= 0 && !at_most_s(age, query->asks.max_age_s))
        return false;
    if (ttl == INDEX_FOREVER)
        return true;
    if (query->asks.min_fresh_s > 0 && at_most_s(ttl - age + 1, query->asks.min_fresh_s))
        return false;
    return age < ttl;
}

/* --- the verdict ---------------------------------------------------------------------- */

/* Tells the store of a use: of the first hit, and then at most every every_ms. */
static void touch(struct index *index, struct object *object, int64_t now_ms, int64_t every_ms)
{
    struct store *store = atomic_load_explicit(&index->store, memory_order_relaxed);
    int64_t before = atomic_load_explicit(&object->touched_ms, memory_order_relaxed);

    if (!store || now_ms - before < every_ms ||
        !atomic_compare_exchange_strong(&object->touched_ms, &before, now_ms))
        return;
    index->store_ops->touch(store, &object->key, now_ms);
}

/* With the shard's lock held. */
static enum index_verdict judge(struct index *index, const struct index_query *query,
                                struct body_reader *reader, void (*notify)(struct body_reader *),
                                struct index_answer *answer)
{
    struct shard *shard = index_shard(index, query->key);
    struct slot *slot = shard_find(shard, query->key);
    bool alone = query->no_coalesce || query->asks.no_cache;

    if (slot && slot->object) {
        if (!alone && index_is_fresh(slot->object, query)) {
            answer->object = object_ref(slot->object);
            shard_use(shard, slot->object);
            return INDEX_HIT;
        }
        answer->stale = true;
    }
    if (slot && slot->busy && !alone && flight_join(slot->busy->flight, reader, notify)) {
        answer->flight = flight_ref(slot->busy->flight);
        return INDEX_JOIN;
    }
    if (query->peek)
        return INDEX_NONE;
    answer->flight = flight_new(true, query->high, query->low);
    flight_join(answer->flight, reader, notify);
    if (!slot)
        slot = shard_add(shard, query->key);
    if (slot->busy) /* this is a refresh, or its flight is closed */
        busy_detach(slot->busy);
    slot->busy = busy_new(index, slot, answer->flight, query);
    return INDEX_MISS;
}

enum index_verdict index_lookup(struct index *index, const struct index_query *query,
                                struct body_reader *reader, void (*notify)(struct body_reader *),
                                struct index_answer *answer)
{
    struct shard *shard = index_shard(index, query->key);
    enum index_verdict verdict;

    *answer = (struct index_answer){.object = NULL};
    pthread_mutex_lock(&shard->lock);
    verdict = judge(index, query, reader, notify, answer);
    pthread_mutex_unlock(&shard->lock);
    if (verdict == INDEX_HIT)
        touch(index, answer->object, query->now_ms, TOUCH_EVERY_MS);
    return verdict;
}

struct flight *index_pass(size_t high, size_t low, struct body_reader *reader,
                          void (*notify)(struct body_reader *))
{
    struct flight *flight = flight_new(false, high, low);

    flight_join(flight, reader, notify);
    return flight;
}

/* --- objects from disk ---------------------------------------------------------------- */

uint64_t index_epoch(struct index *index)
{
    return atomic_load(&index->epoch);
}

void index_keep(struct index *index, struct object *object, uint64_t epoch)
{
    struct shard *shard = index_shard(index, &object->key);
    struct slot *slot;

    pthread_mutex_lock(&shard->lock);
    /* A purge increments the epoch, then takes the lock: it is seen here, or sees this object. */
    if (atomic_load(&index->epoch) == epoch) {
        slot = shard_find_or_add(shard, &object->key);
        if (!slot->object || slot->object->stored_ms < object->stored_ms)
            shard_set_object(shard, slot, object, slot->generation);
        shard_tidy(shard, slot);
        shard_shrink(shard);
    }
    pthread_mutex_unlock(&shard->lock);
    touch(index, object, clock_unix_ms(), 1);
}

bool index_takes(struct index *index, int64_t length)
{
    const uint64_t bytes = length > 0 ? (uint64_t)length : 1;
    struct store *store = atomic_load(&index->store);
    struct budget *budget = index->rules.budget;

    /* The flight's bytes and the object's are held at the same time. */
    if (budget && !budget_has_room(budget, 2 * bytes))
        return false;
    return bytes <= index->shards[0].budget / 2 || (store && index->store_ops->takes(store, bytes));
}

void index_charge(struct index *index, struct object *object, size_t bytes)
{
    struct shard *shard = index_shard(index, &object->key);

    pthread_mutex_lock(&shard->lock);
    object->charged += bytes;
    if (object->in_tier) {
        shard->bytes += bytes;
        shard_shrink(shard);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* --- purging -------------------------------------------------------------------------- */

static void purge_busy(struct shard *shard, const struct purge *purge)
{
    list_each(node, &shard->busy_list) {
        struct busy *busy = container_of(node, struct busy, node);

        /* A flight will be stored later than any time that a purge names. */
        if (!purge_covers(purge, &busy->key, busy->collection, INT64_MAX, busy->model))
            continue;
        atomic_store(&busy->keeper.outdated, true);
        busy_leave_slot(busy);
    }
}

static uint64_t drop_object(struct shard *shard, struct object *object, const struct purge *purge)
{
    struct slot *slot = object->slot;

    if (!purge_covers(purge, &object->key, object->collection, object->stored_ms, object->model))
        return 0;
    shard_unset_object(shard, slot);
    shard_tidy(shard, slot);
    return 1;
}

static uint64_t drop_objects(struct shard *shard, const struct purge *purge)
{
    struct list *node = shard->lru.next;
    uint64_t count = 0;

    while (node != &shard->lru) {
        struct object *object = container_of(node, struct object, lru);

        node = node->next;
        count += drop_object(shard, object, purge);
    }
    return count;
}

/* Other processes purge one key for each answer that they replace: too often for a walk through all
 * objects. */
static uint64_t drop_key(struct index *index, const struct purge *purge)
{
    struct shard *shard = index_shard(index, &purge->key);
    struct slot *slot;
    uint64_t count = 0;

    pthread_mutex_lock(&shard->lock);
    purge_busy(shard, purge);
    slot = shard_find(shard, &purge->key);
    if (slot && slot->object)
        count = drop_object(shard, slot->object, purge);
    pthread_mutex_unlock(&shard->lock);
    return count;
}

uint64_t index_drop(struct index *index, const struct purge *purge)
{
    uint64_t count = 0;

    atomic_fetch_add(&index->epoch, 1);
    if (purge->one)
        return drop_key(index, purge);
    for (unsigned i = 0; i < INDEX_SHARDS; i++) {
        struct shard *shard = &index->shards[i];

        pthread_mutex_lock(&shard->lock);
        if (!purge->collection || shard->gets > 0) { /* mostly there is none */
            purge_busy(shard, purge);
            count += drop_objects(shard, purge);
        }
        pthread_mutex_unlock(&shard->lock);
    }
    return count;
}

void index_each(struct index *index, size_t most, bool (*each)(void *arg, struct object *object),
                void *arg)
{
    bool go_on = true;

    for (unsigned i = 0; i < INDEX_SHARDS && go_on; i++) {
        struct shard *shard = &index->shards[i];
        size_t left = most;

        pthread_mutex_lock(&shard->lock);
        for (struct list *node = shard->lru.prev; node != &shard->lru && left && go_on;
             node = node->prev, left--)
            go_on = each(arg, container_of(node, struct object, lru));
        pthread_mutex_unlock(&shard->lock);
    }
}

void index_figures(struct index *index, struct index_figures *figures)
{
    *figures = (struct index_figures){.items = 0};
    for (unsigned i = 0; i < INDEX_SHARDS; i++) {
        struct shard *shard = &index->shards[i];

        pthread_mutex_lock(&shard->lock);
        figures->items += shard->items;
        figures->bytes += shard->bytes;
        figures->evictions += shard->evictions;
        pthread_mutex_unlock(&shard->lock);
    }
}
