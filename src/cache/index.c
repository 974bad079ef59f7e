#include "cache/index.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/shard.h"

#define SHARDS 8U
/* A clock that was set back leaves entries from the future behind, whose age nobody knows; less
 * than this is a clock being disciplined. */
#define FUTURE_MS 2000
#define LABEL_PATH_MAX 200
#define TOUCH_EVERY_MS 1000
#define PROVE_MAX ((uint64_t)256 * 1024)
#define PROVE_GZIP_MAX ((uint64_t)8 * 1024)
#define PROVE_RATIO 8 /* of an answer's gzip, as it mostly is */
#define ERROR_TTL_MS 60000

struct index {
    struct index_rules rules;
    _Atomic(struct store *) store;
    atomic_uint_fast64_t tickets;
    atomic_uint_fast64_t epoch; /* how often something was dropped */
    struct shard shards[SHARDS];
};

struct index *index_new(const struct index_rules *rules)
{
    struct index *index = mem_zero(sizeof(*index));

    index->rules = *rules;
    for (unsigned i = 0; i < SHARDS; i++)
        shard_init(&index->shards[i], rules->memory_bytes / SHARDS);
    return index;
}

void index_free(struct index *index)
{
    if (!index)
        return;
    for (unsigned i = 0; i < SHARDS; i++)
        shard_release(&index->shards[i]);
    free(index);
}

void index_use_store(struct index *index, struct store *store)
{
    atomic_store(&index->store, store);
}

static struct shard *shard_of(struct index *index, const struct key *key)
{
    return &index->shards[key->bytes[KEY_BYTES - 1] % SHARDS];
}

/* --- freshness ------------------------------------------------------------------------ */

static bool at_most_s(int64_t ms, int64_t seconds)
{
    return seconds >= INT64_MAX / 1000 || ms <= seconds * 1000;
}

int64_t index_ttl_ms(const struct index *index, unsigned status)
{
    int64_t ttl = index->rules.ttl_ms;

    return status >= 400 && ttl > ERROR_TTL_MS ? ERROR_TTL_MS : ttl;
}

bool index_is_fresh(const struct index *index, const struct object *object,
                    const struct index_query *query)
{
    int64_t age = query->now_ms - object->stored_ms, ttl = index_ttl_ms(index, object->status);

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

/* --- claims: what becomes of a flight ------------------------------------------------- */

/* From now on its flight is joined no more. With the shard's lock held. */
static void leave_slot(struct claim *claim)
{
    struct slot *slot = take(claim->slot);

    if (!slot)
        return;
    slot->claim = NULL;
    shard_tidy(claim->shard, slot);
}

/* With the shard's lock held. */
static void unlink_claim(struct claim *claim)
{
    if (claim->settled)
        return;
    claim->settled = true;
    list_remove(&claim->node);
    if (claim->collection)
        claim->shard->gets--;
    leave_slot(claim);
}

static void on_withdraw(struct flight_keeper *keeper, struct flight *flight)
{
    struct claim *claim = container_of(keeper, struct claim, keeper);

    (void)flight;
    pthread_mutex_lock(&claim->shard->lock);
    unlink_claim(claim);
    pthread_mutex_unlock(&claim->shard->lock);
}

static void on_free(struct flight_keeper *keeper)
{
    struct claim *claim = container_of(keeper, struct claim, keeper);

    if (!claim->settled) /* mostly it is: no lock for that */
        on_withdraw(keeper, NULL);
    free(claim);
}

static bool on_may_share(struct flight_keeper *keeper, struct flight *flight)
{
    const struct claim *claim = container_of(keeper, struct claim, keeper);
    const struct head *head = &flight->head;

    return (head->length < 0 || (uint64_t)head->length <= flight->keep_max) &&
           policy_head_may_store(claim->api, claim->index->rules.key_rules, head->status,
                                 &head->fields);
}

/* An object's memory is seldom in the processor's cache, what has just come is: so that is looked
 * at, where it is in one piece, and copied only then. */
static bool fill_if_whole(const struct claim *claim, struct flight *flight, struct object *object)
{
    const struct head *head = &flight->head;
    const unsigned char *bytes = object->body;
    bool in_one = body_piece(&flight->body, &bytes);

    if (!in_one && !body_copy(&flight->body, object->body))
        return false;
    if (!policy_answer_is_whole(claim->api, head->status, &head->fields, (const char *)bytes,
                                object->body_len, !claim->unframed && !head->until_close))
        return false;
    if (in_one)
        memcpy(object->body, bytes, object->body_len);
    return true;
}

/* NULL: it is not whole, or may change. */
static struct object *object_of(const struct claim *claim, struct flight *flight)
{
    struct object *object = object_new_whole(&claim->key, (size_t)body_size(&flight->body),
                                             claim->label, strlen(claim->label),
                                             &flight->head.fields, policy_field_is_kept);

    if (!fill_if_whole(claim, flight, object)) {
        object_unref(object);
        return NULL;
    }
    object->stored_ms = clock_unix_ms();
    object->status = flight->head.status;
    object->collection = claim->collection;
    memcpy(object->model, claim->model, sizeof(object->model));
    return object;
}

/* Proving an answer takes time in proportion to its length: more than this is no work for a loop.
 * (gzip may unfold to a thousand times its size.) */
static bool takes_long(const struct claim *claim, const struct flight *flight)
{
    const char *encoding = fields_get(&flight->head.fields, "content-encoding");

    return claim->index->rules.jobs &&
           body_size(&flight->body) > (encoding ? PROVE_GZIP_MAX : PROVE_MAX);
}

static bool on_is_whole(struct flight_keeper *keeper, struct flight *flight)
{
    struct claim *claim = container_of(keeper, struct claim, keeper);
    struct object *object;

    claim->unframed = true;
    /* Nobody reads it and nobody joins any more: its end is judged where it is kept, or not. */
    if (takes_long(claim, flight))
        return true;
    object = object_of(claim, flight);
    object_unref(object);
    return object != NULL;
}

/* Puts the object where the flight was, unless something newer is there. */
static void publish(struct claim *claim, struct object *object)
{
    struct index *index = claim->index;
    struct shard *shard = claim->shard;
    struct store *store = atomic_load(&index->store);
    struct slot *slot;

    pthread_mutex_lock(&shard->lock);
    if (!claim->dropped) {
        slot = claim->slot ? claim->slot : shard_find_or_add(shard, &claim->key);
        if (!slot->object || slot->ticket <= claim->ticket) {
            shard_set_object(shard, slot, object, claim->ticket);
            /* Under the lock: what is dropped from now on is dropped behind it in the store's
             * queue. */
            if (store)
                store_put(store, object);
        }
        shard_tidy(shard, slot);
        shard_shrink(shard);
    }
    unlink_claim(claim);
    pthread_mutex_unlock(&shard->lock);
}

static bool keep(struct claim *claim, struct flight *flight)
{
    struct object *object = object_of(claim, flight);

    if (object)
        publish(claim, object);
    else
        on_withdraw(&claim->keeper, flight);
    object_unref(object);
    return object != NULL;
}

/* What the proof and the copy take meanwhile, from above. */
static size_t memory_of_proof(const struct flight *flight)
{
    size_t size = (size_t)body_size(&flight->body);

    return fields_get(&flight->head.fields, "content-encoding") ? size * PROVE_RATIO : size;
}

static void on_prove(struct job *job)
{
    struct claim *claim = container_of(job, struct claim, job);
    struct flight *flight = claim->flight;
    struct budget *budget = claim->index->rules.budget;
    size_t bytes = memory_of_proof(flight);

    if (budget_has_room(budget, bytes)) {
        budget_add(budget, bytes);
        keep(claim, flight);
        budget_sub(budget, bytes);
    } else {
        on_withdraw(&claim->keeper, flight);
    }
    flight_unref(flight); /* and the claim with it, if that was the last one */
}

/* While the proof takes its time the flight stays where it was: who asks for the same reads it. */
static bool on_complete(struct flight_keeper *keeper, struct flight *flight)
{
    struct claim *claim = container_of(keeper, struct claim, keeper);

    if (!takes_long(claim, flight))
        return keep(claim, flight);
    flight_ref(flight);
    jobs_add(claim->index->rules.jobs, &claim->job, on_prove);
    return true;
}

/* The claim of a flight that may be joined in that slot. With the shard's lock held. */
static struct claim *claim_new(struct index *index, struct slot *slot, struct flight *flight,
                               const struct index_query *query)
{
    struct shard *shard = shard_of(index, query->key);
    size_t method_len = strlen(query->method), path_len = strcspn(query->target, "?");
    struct claim *claim;

    if (path_len > LABEL_PATH_MAX)
        path_len = LABEL_PATH_MAX;
    claim = mem_zero(sizeof(*claim) + method_len + path_len + 2);
    memcpy(claim->label, query->method, method_len);
    claim->label[method_len] = ' ';
    memcpy(claim->label + method_len + 1, query->target, path_len);
    claim->keeper = (struct flight_keeper){.may_share = on_may_share,
                                           .complete = on_complete,
                                           .is_whole = on_is_whole,
                                           .withdraw = on_withdraw,
                                           .free = on_free};
    claim->index = index;
    claim->shard = shard;
    claim->flight = flight;
    claim->slot = slot;
    claim->key = *query->key;
    claim->ticket = atomic_fetch_add(&index->tickets, 1) + 1;
    claim->api = query->api;
    claim->collection = query->api == POLICY_GET ? policy_collection_of(query->target) : 0;
    if (query->model) /* the memory is zeroed */
        memcpy(claim->model, query->model, strnlen(query->model, sizeof(claim->model) - 1));
    if (claim->collection)
        shard->gets++;
    list_append(&shard->claims, &claim->node);
    flight_entrust(flight, &claim->keeper, index->rules.object_bytes, index->rules.budget);
    return claim;
}

/* --- the verdict ---------------------------------------------------------------------- */

/* The store is told that an entry is in use: at its first hit, and then now and then. */
static void touch(struct index *index, struct object *object, int64_t now_ms, int64_t every_ms)
{
    struct store *store = atomic_load_explicit(&index->store, memory_order_relaxed);
    int64_t before = atomic_load_explicit(&object->touched_ms, memory_order_relaxed);

    if (!store || now_ms - before < every_ms ||
        !atomic_compare_exchange_strong(&object->touched_ms, &before, now_ms))
        return;
    store_touch(store, &object->key, now_ms);
}

static enum index_verdict judge(struct index *index, struct shard *shard,
                                const struct index_query *query, struct body_reader *reader,
                                void (*notify)(struct body_reader *), struct index_answer *answer)
{
    struct slot *slot = shard_find(shard, query->key);
    bool alone = query->alone || query->asks.no_cache;

    if (slot && slot->object) {
        if (!alone && index_is_fresh(index, slot->object, query)) {
            answer->object = object_ref(slot->object);
            shard_use(shard, slot->object);
            return INDEX_HIT;
        }
        answer->stale = true;
    }
    if (slot && slot->claim && !alone && flight_join(slot->claim->flight, reader, notify)) {
        answer->flight = flight_ref(slot->claim->flight);
        return INDEX_JOIN;
    }
    if (query->peek)
        return INDEX_NONE;
    answer->flight = flight_new(true, query->high, query->low);
    flight_join(answer->flight, reader, notify);
    if (!slot)
        slot = shard_add(shard, query->key);
    if (slot->claim) /* it is refreshed now, or was closed */
        slot->claim->slot = NULL;
    slot->claim = claim_new(index, slot, answer->flight, query);
    return INDEX_MISS;
}

enum index_verdict index_lookup(struct index *index, const struct index_query *query,
                                struct body_reader *reader, void (*notify)(struct body_reader *),
                                struct index_answer *answer)
{
    struct shard *shard = shard_of(index, query->key);
    enum index_verdict verdict;

    *answer = (struct index_answer){.object = NULL};
    pthread_mutex_lock(&shard->lock);
    verdict = judge(index, shard, query, reader, notify, answer);
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

/* --- what was found on disk ----------------------------------------------------------- */

uint64_t index_epoch(struct index *index)
{
    return atomic_load(&index->epoch);
}

void index_keep(struct index *index, struct object *object, uint64_t epoch)
{
    struct shard *shard = shard_of(index, &object->key);
    struct slot *slot;

    pthread_mutex_lock(&shard->lock);
    /* A drop counts first and takes the lock then: either it is seen here, or it sees this. */
    if (atomic_load(&index->epoch) == epoch) {
        slot = shard_find_or_add(shard, &object->key);
        if (!slot->object || slot->object->stored_ms < object->stored_ms)
            shard_set_object(shard, slot, object, slot->ticket);
        shard_tidy(shard, slot);
        shard_shrink(shard);
    }
    pthread_mutex_unlock(&shard->lock);
    touch(index, object, clock_unix_ms(), 1);
}

void index_charge(struct index *index, struct object *object, size_t bytes)
{
    struct shard *shard = shard_of(index, &object->key);

    pthread_mutex_lock(&shard->lock);
    object->charged += bytes;
    if (object->in_tier) {
        shard->bytes += bytes;
        shard_shrink(shard);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* --- dropping ------------------------------------------------------------------------- */

static void drop_claims(struct shard *shard, const struct store_gone *gone)
{
    list_each(node, &shard->claims) {
        struct claim *claim = container_of(node, struct claim, node);

        /* What is in flight is newer than any time that is named. */
        if (!store_gone_covers(gone, &claim->key, claim->collection, INT64_MAX, claim->model))
            continue;
        claim->dropped = true;
        leave_slot(claim);
    }
}

static uint64_t drop_objects(struct shard *shard, const struct store_gone *gone)
{
    struct list *node = shard->lru.next;
    uint64_t count = 0;

    while (node != &shard->lru) {
        struct object *object = container_of(node, struct object, lru);
        struct slot *slot;

        node = node->next;
        if (!store_gone_covers(gone, &object->key, object->collection, object->stored_ms,
                               object->model))
            continue;
        slot = object->slot;
        shard_unset_object(shard, slot);
        shard_tidy(shard, slot);
        count++;
    }
    return count;
}

uint64_t index_drop(struct index *index, const struct store_gone *gone)
{
    uint64_t count = 0;

    atomic_fetch_add(&index->epoch, 1);
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &index->shards[i];

        pthread_mutex_lock(&shard->lock);
        if (!gone->collection || shard->gets > 0) { /* mostly there are none */
            drop_claims(shard, gone);
            count += drop_objects(shard, gone);
        }
        pthread_mutex_unlock(&shard->lock);
    }
    return count;
}

void index_each(struct index *index, size_t most, bool (*each)(void *arg, struct object *object),
                void *arg)
{
    bool go_on = true;

    for (unsigned i = 0; i < SHARDS && go_on; i++) {
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
    for (unsigned i = 0; i < SHARDS; i++) {
        struct shard *shard = &index->shards[i];

        pthread_mutex_lock(&shard->lock);
        figures->items += shard->items;
        figures->bytes += shard->bytes;
        figures->evictions += shard->evictions;
        pthread_mutex_unlock(&shard->lock);
    }
}
