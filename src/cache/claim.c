/* Claims: what becomes of a flight that may be kept. The index is its keeper through one of these:
 * sees its head, proves its end, and puts the object in the flight's place.
 *
 *      claim_new ──► may_share ──no──► withdraw
 *                        └──► complete ──► proved? ──► publish, or withdraw
 *                                (a long answer's proof is a job; the flight can be joined
 * meanwhile)
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/shard.h"

#define LABEL_PATH_MAX 200
#define PROVE_MAX ((uint64_t)256 * 1024)
#define PROVE_GZIP_MAX ((uint64_t)8 * 1024)
#define PROVE_RATIO 8 /* of an answer's gzip, as it mostly is */

void claim_leave_slot(struct claim *claim)
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
    claim_leave_slot(claim);
}

static void on_withdraw(struct flight_hooks *keeper, struct flight *flight)
{
    struct claim *claim = container_of(keeper, struct claim, keeper);

    (void)flight;
    pthread_mutex_lock(&claim->shard->lock);
    unlink_claim(claim);
    pthread_mutex_unlock(&claim->shard->lock);
}

static void on_free(struct flight_hooks *keeper)
{
    struct claim *claim = container_of(keeper, struct claim, keeper);

    if (!claim->settled) /* mostly it is: no lock for that */
        on_withdraw(keeper, NULL);
    free(claim);
}

static bool on_may_share(struct flight_hooks *keeper, struct flight *flight)
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
    if (object->stored_ms > claim->begun_ms)
        object->took_ms = (uint32_t)(object->stored_ms - claim->begun_ms);
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

static bool on_is_whole(struct flight_hooks *keeper, struct flight *flight)
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
static bool on_complete(struct flight_hooks *keeper, struct flight *flight)
{
    struct claim *claim = container_of(keeper, struct claim, keeper);

    if (!takes_long(claim, flight))
        return keep(claim, flight);
    flight_ref(flight);
    jobs_add(claim->index->rules.jobs, &claim->job, on_prove);
    return true;
}

struct claim *claim_new(struct index *index, struct slot *slot, struct flight *flight,
                        const struct index_query *query)
{
    struct shard *shard = index_shard(index, query->key);
    size_t method_len = strlen(query->method), path_len = strcspn(query->target, "?");
    struct claim *claim;

    if (path_len > LABEL_PATH_MAX)
        path_len = LABEL_PATH_MAX;
    claim = mem_zero(sizeof(*claim) + method_len + path_len + 2);
    memcpy(claim->label, query->method, method_len);
    claim->label[method_len] = ' ';
    memcpy(claim->label + method_len + 1, query->target, path_len);
    claim->keeper = (struct flight_hooks){.may_share = on_may_share,
                                          .complete = on_complete,
                                          .is_whole = on_is_whole,
                                          .withdraw = on_withdraw,
                                          .free = on_free};
    claim->index = index;
    claim->shard = shard;
    claim->flight = flight;
    claim->slot = slot;
    claim->key = *query->key;
    claim->begun_ms = query->now_ms;
    claim->ticket = atomic_fetch_add(&index->tickets, 1) + 1;
    claim->api = query->api;
    claim->collection = query->api == CACHE_CLASS_GET ? policy_collection_of(query->target) : 0;
    if (query->model) /* the memory is zeroed */
        memcpy(claim->model, query->model, strnlen(query->model, sizeof(claim->model) - 1));
    if (claim->collection)
        shard->gets++;
    list_append(&shard->claims, &claim->node);
    flight_set_hooks(flight, &claim->keeper, index->rules.object_bytes, index->rules.budget);
    return claim;
}
