/* Busy entries: the index's state of a flight that it may keep. Through its busy entry the index
 * sees the flight's head, proves its end, and puts the object in the flight's place.
 *
 *      busy_new ──► may_share ──no──► withdraw
 *                        └──► complete ──► proved? ──► publish, or withdraw
 *                              (the object of a long answer is made by a job; the flight can be
 *                               joined meanwhile)
 *
 * A short answer is proved at its end, in one piece. An answer that grows beyond that is proved as
 * it comes (by a tap), so that no turn of a loop takes time in proportion to an answer's length.
 *
 * The hooks and taps run on the filler's thread, without locks; on_job() runs on a thread of
 * rules.jobs, after the filler has called on_complete().
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/shard.h"

#define LABEL_PATH_MAX 200
/* A longer answer is proved as it comes. Gzip, which may inflate to a thousand times its size, has
 * a lower limit. */
#define PROVE_MAX ((uint64_t)64 * 1024)
#define PROVE_GZIP_MAX ((uint64_t)4 * 1024)
#define COPY_MAX ((uint64_t)256 * 1024) /* a longer answer is copied by a job */
#define PROVE_RATIO 8                   /* usual ratio of inflated to gzip bytes */

void busy_leave_slot(struct busy *busy)
{
    struct slot *slot = take(busy->slot);

    if (!slot)
        return;
    slot->busy = NULL;
    shard_tidy(busy->shard, slot);
}

void busy_detach(struct busy *busy)
{
    busy->slot = NULL;
    busy->detached = true;
    busy->shard->detached++;
}

/* With the shard's lock held. */
static void unlink_busy(struct busy *busy)
{
    if (busy->settled)
        return;
    busy->shard->detached -= busy->detached;
    busy->settled = true;
    list_remove(&busy->node);
    if (busy->collection)
        busy->shard->gets--;
    busy_leave_slot(busy);
}

static void on_withdraw(struct flight_hooks *keeper, struct flight *flight)
{
    struct busy *busy = container_of(keeper, struct busy, keeper);

    (void)flight;
    pthread_mutex_lock(&busy->shard->lock);
    unlink_busy(busy);
    pthread_mutex_unlock(&busy->shard->lock);
}

static void on_free(struct flight_hooks *keeper)
{
    struct busy *busy = container_of(keeper, struct busy, keeper);

    if (!busy->settled) /* mostly it is settled, which needs no lock */
        on_withdraw(keeper, NULL);
    list_remove(&busy->tap.node);
    policy_proof_free(busy->proof);
    key_rules_unref(busy->key_rules);
    free(busy);
}

static bool on_may_share(struct flight_hooks *keeper, struct flight *flight)
{
    const struct busy *busy = container_of(keeper, struct busy, keeper);
    const struct head *head = &flight->head;

    return (head->length < 0 || (uint64_t)head->length <= flight->keep_max) &&
           policy_head_may_store(busy->api, busy->key_rules, head->status, &head->fields);
}

/* --- the proof ------------------------------------------------------------------------ */

static bool is_framed(const struct busy *busy, const struct flight *flight)
{
    return !busy->unframed && !flight->head.unframed;
}

static void on_head(struct tap *tap, struct flight *flight)
{
    struct busy *busy = container_of(tap, struct busy, tap);
    const bool encoded = fields_get(&flight->head.fields, "content-encoding") != NULL;

    busy->prove_max = encoded ? PROVE_GZIP_MAX : PROVE_MAX;
}

static void on_piece(void *arg, const void *bytes, size_t len)
{
    policy_proof_feed(arg, bytes, len);
}

static void on_bytes(struct tap *tap, struct flight *flight, const void *bytes, size_t len)
{
    struct busy *busy = container_of(tap, struct busy, tap);

    if (busy->proof) {
        policy_proof_feed(busy->proof, bytes, len);
    } else if (body_size(&flight->body) > busy->prove_max) {
        busy->proof = policy_proof_new(busy->api, flight->head.status, &flight->head.fields);
        body_each(&flight->body, on_piece, busy->proof);
    }
}

static bool is_whole(const struct busy *busy, const struct flight *flight, const void *bytes)
{
    const struct policy_body body = {bytes, (size_t)body_size(&flight->body),
                                     is_framed(busy, flight)};

    return policy_answer_is_whole(busy->api, flight->head.status, &flight->head.fields, &body);
}

/* PROOF_OPEN: the answer is short, or its gzip could not be proved in pieces. */
enum proof { PROOF_HOLDS, PROOF_FAILS, PROOF_OPEN };

static enum proof proof_of(const struct busy *busy, const struct flight *flight)
{
    if (!busy->proof || policy_proof_gave_up(busy->proof))
        return PROOF_OPEN;
    return policy_proof_holds(busy->proof, is_framed(busy, flight)) ? PROOF_HOLDS : PROOF_FAILS;
}

/* --- the object ----------------------------------------------------------------------- */

/* Validates the flight's buffer if that is in one piece, because it is hot in the processor's
 * cache, and copies it to the cold object only if it is valid. */
static bool fill_if_whole(const struct busy *busy, struct flight *flight, struct object *object)
{
    const unsigned char *bytes = object->body;
    bool in_one = body_piece(&flight->body, &bytes);

    if (!in_one && !body_copy(&flight->body, object->body))
        return false;
    if (proof_of(busy, flight) == PROOF_OPEN && !is_whole(busy, flight, bytes))
        return false;
    if (in_one)
        memcpy(object->body, bytes, object->body_len);
    return true;
}

/* Returns an object with one reference; NULL: the answer is not whole, or may change later. */
static struct object *object_of(const struct busy *busy, struct flight *flight)
{
    struct object *object = object_new(
        &(struct object_parts){.key = &busy->key,
                               .body_len = (size_t)body_size(&flight->body),
                               .label = busy->label,
                               .label_len = strlen(busy->label),
                               .model = busy->model,
                               .model_len = strlen(busy->model),
                               .fields = &flight->head.fields,
                               .keeps = policy_field_is_kept});

    if (!fill_if_whole(busy, flight, object)) {
        object_unref(object);
        return NULL;
    }
    object->stored_ms = clock_unix_ms();
    if (object->stored_ms > busy->begun_ms)
        object->took_ms = (uint32_t)(object->stored_ms - busy->begun_ms);
    object->status = flight->head.status;
    object->collection = busy->collection;
    object->renews = busy->renews;
    return object;
}

/* Is the remaining work too long for a loop: the copy of a long body, or a proof that gave up? */
static bool takes_long(const struct busy *busy, const struct flight *flight)
{
    return busy->index->rules.jobs && (body_size(&flight->body) > COPY_MAX ||
                                       (busy->proof && policy_proof_gave_up(busy->proof)));
}

/* Proves a short answer, on a copy if it is not in one piece. */
static bool short_is_whole(const struct busy *busy, const struct flight *flight)
{
    mem_auto unsigned char *copy = NULL;
    const unsigned char *bytes;

    if (!body_piece(&flight->body, &bytes)) {
        bytes = copy = mem_alloc((size_t)body_size(&flight->body) + 1);
        if (!body_copy(&flight->body, copy))
            return false;
    }
    return is_whole(busy, flight, bytes);
}

static bool on_is_whole(struct flight_hooks *keeper, struct flight *flight)
{
    struct busy *busy = container_of(keeper, struct busy, keeper);
    const struct head *head = &flight->head;
    enum proof proof;

    if (!policy_ends_by_itself(&head->fields) ||
        (head->length >= 0 && body_size(&flight->body) < (uint64_t)head->length))
        return false;
    busy->unframed = true;
    proof = proof_of(busy, flight);
    if (proof != PROOF_OPEN)
        return proof == PROOF_HOLDS;
    /* No reader has joined and none can join: on_complete() gives it to a job, which proves it. */
    if (takes_long(busy, flight))
        return true;
    return short_is_whole(busy, flight);
}

/* Earlier requests' flights of the same key, which have not ended, are not kept any more. The
 * slot's generation alone does not suffice: it goes with the object that is evicted. */
static void outdate_older(const struct busy *busy)
{
    if (!busy->shard->detached)
        return;
    list_each(node, &busy->shard->busy_list) {
        struct busy *other = container_of(node, struct busy, node);

        if (other->generation < busy->generation &&
            memcmp(other->key.bytes, busy->key.bytes, KEY_BYTES) == 0)
            atomic_store(&other->keeper.outdated, true);
    }
}

/* Puts the object in the flight's place, and in the store, unless a newer one is there. */
static void publish(struct busy *busy, struct object *object)
{
    struct index *index = busy->index;
    struct shard *shard = busy->shard;
    struct store *store = atomic_load(&index->store);
    struct slot *slot;

    pthread_mutex_lock(&shard->lock);
    if (!atomic_load(&busy->keeper.outdated)) {
        slot = busy->slot ? busy->slot : shard_find_or_add(shard, &busy->key);
        if (!slot->object || slot->generation <= busy->generation) {
            shard_set_object(shard, slot, object, busy->generation);
            /* Under the lock: a later purge of the index is later in the store's queue, too. */
            if (store)
                index->store_ops->put(store, object);
            outdate_older(busy);
        }
        shard_tidy(shard, slot);
        shard_shrink(shard);
    }
    unlink_busy(busy);
    pthread_mutex_unlock(&shard->lock);
}

static bool keep(struct busy *busy, struct flight *flight)
{
    struct object *object = object_of(busy, flight);

    if (object)
        publish(busy, object);
    else
        on_withdraw(&busy->keeper, flight);
    object_unref(object);
    return object != NULL;
}

/* Estimate, in bytes, of the memory for the copy and for a proof that is still open. */
static size_t memory_of_job(const struct busy *busy, const struct flight *flight)
{
    size_t size = (size_t)body_size(&flight->body);

    return proof_of(busy, flight) == PROOF_OPEN ? size * PROVE_RATIO : size;
}

static void on_job(struct job *job)
{
    struct busy *busy = container_of(job, struct busy, job);
    struct flight *flight = busy->flight;
    struct budget *budget = busy->index->rules.budget;
    size_t bytes = memory_of_job(busy, flight);

    if (budget_has_room(budget, bytes)) {
        budget_add(budget, bytes);
        keep(busy, flight);
        budget_sub(budget, bytes);
    } else {
        on_withdraw(&busy->keeper, flight);
    }
    flight_unref(flight); /* and frees the busy entry, if this was the last reference */
}

/* Removes the object that the complete answer is about to replace: no lookup may find it. */
static void unset_older(const struct busy *busy)
{
    struct shard *shard = busy->shard;
    struct slot *slot;

    pthread_mutex_lock(&shard->lock);
    slot = shard_find(shard, &busy->key);
    if (slot && slot->object && slot->generation <= busy->generation) {
        shard_unset_object(shard, slot);
        shard_tidy(shard, slot);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* If a job makes the object, lookups can join the flight until the job ends. */
static bool on_complete(struct flight_hooks *keeper, struct flight *flight)
{
    struct busy *busy = container_of(keeper, struct busy, keeper);
    const enum proof proof = proof_of(busy, flight);

    if (proof == PROOF_FAILS) {
        on_withdraw(keeper, flight);
        return false;
    }
    if (!takes_long(busy, flight))
        return keep(busy, flight);
    if (proof == PROOF_HOLDS)
        unset_older(busy);
    flight_ref(flight);
    jobs_add(busy->index->rules.jobs, &busy->job, on_job);
    return true;
}

struct busy *busy_new(struct index *index, struct slot *slot, struct flight *flight,
                      const struct index_query *query)
{
    struct shard *shard = index_shard(index, query->key);
    size_t method_len = strlen(query->method), path_len = strcspn(query->target, "?");
    struct busy *busy;

    if (path_len > LABEL_PATH_MAX)
        path_len = LABEL_PATH_MAX;
    busy = mem_zero(sizeof(*busy) + method_len + path_len + 2);
    memcpy(busy->label, query->method, method_len);
    busy->label[method_len] = ' ';
    memcpy(busy->label + method_len + 1, query->target, path_len);
    busy->keeper = (struct flight_hooks){.may_share = on_may_share,
                                         .complete = on_complete,
                                         .is_whole = on_is_whole,
                                         .withdraw = on_withdraw,
                                         .free = on_free};
    busy->tap = (struct tap){.on_head = on_head, .on_bytes = on_bytes};
    busy->index = index;
    busy->shard = shard;
    busy->flight = flight;
    busy->slot = slot;
    busy->key = *query->key;
    busy->begun_ms = query->now_ms;
    busy->generation = atomic_fetch_add(&index->generations, 1) + 1;
    busy->api = query->api;
    busy->renews = query->no_coalesce || query->asks.no_cache || query->asks.max_age_s >= 0;
    if (query->key_rules)
        busy->key_rules = key_rules_ref(query->key_rules);
    busy->collection = query->api == CACHE_CLASS_GET ? policy_collection_of(query->target) : 0;
    if (query->model) /* the memory is zero: the text ends with a NUL */
        memcpy(busy->model, query->model, strnlen(query->model, sizeof(busy->model) - 1));
    if (busy->collection)
        shard->gets++;
    list_append(&shard->busy_list, &busy->node);
    flight_add_tap(flight, &busy->tap);
    flight_set_hooks(flight, &busy->keeper, index->rules.object_bytes, index->rules.budget);
    return busy;
}
