/* Claims: what becomes of a flight that may be kept. The index is its keeper through one of these:
 * sees its head, proves its end, and puts the object in the flight's place.
 *
 *      claim_new ──► may_share ──no──► withdraw
 *                        └──► complete ──► proved? ──► publish, or withdraw
 *                              (the object of a long answer is made by a job; the flight can be
 *                               joined meanwhile)
 *
 * A short answer is proved at its end, in one piece. One that grows beyond that is proved as it
 * comes (a tap), so that no turn of a loop takes time in proportion to an answer's length.
 */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "cache/shard.h"

#define LABEL_PATH_MAX 200
/* A longer answer is proved as it comes; of gzip, which may unfold to a thousand times its size. */
#define PROVE_MAX ((uint64_t)64 * 1024)
#define PROVE_GZIP_MAX ((uint64_t)4 * 1024)
#define COPY_MAX ((uint64_t)256 * 1024) /* a longer one is copied by a job */
#define PROVE_RATIO 8                   /* of an answer's gzip, as it mostly is */

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
    list_remove(&claim->tap.node);
    policy_proof_free(claim->proof);
    key_rules_unref(claim->key_rules);
    free(claim);
}

static bool on_may_share(struct flight_hooks *keeper, struct flight *flight)
{
    const struct claim *claim = container_of(keeper, struct claim, keeper);
    const struct head *head = &flight->head;

    return (head->length < 0 || (uint64_t)head->length <= flight->keep_max) &&
           policy_head_may_store(claim->api, claim->key_rules, head->status, &head->fields);
}

/* --- the proof ------------------------------------------------------------------------ */

static bool is_framed(const struct claim *claim, const struct flight *flight)
{
    return !claim->unframed && !flight->head.unframed;
}

static void on_head(struct tap *tap, struct flight *flight)
{
    struct claim *claim = container_of(tap, struct claim, tap);
    const bool encoded = fields_get(&flight->head.fields, "content-encoding") != NULL;

    claim->prove_max = encoded ? PROVE_GZIP_MAX : PROVE_MAX;
}

static void on_piece(void *arg, const void *bytes, size_t len)
{
    policy_proof_feed(arg, bytes, len);
}

static void on_bytes(struct tap *tap, struct flight *flight, const void *bytes, size_t len)
{
    struct claim *claim = container_of(tap, struct claim, tap);

    if (claim->proof) {
        policy_proof_feed(claim->proof, bytes, len);
    } else if (body_size(&flight->body) > claim->prove_max) {
        claim->proof = policy_proof_new(claim->api, flight->head.status, &flight->head.fields);
        body_each(&flight->body, on_piece, claim->proof);
    }
}

static bool is_whole(const struct claim *claim, const struct flight *flight, const void *bytes)
{
    const struct policy_body body = {bytes, (size_t)body_size(&flight->body),
                                     is_framed(claim, flight)};

    return policy_answer_is_whole(claim->api, flight->head.status, &flight->head.fields, &body);
}

/* PROOF_OPEN: the answer is short, or its gzip could not be proved in pieces. */
enum proof { PROOF_HOLDS, PROOF_FAILS, PROOF_OPEN };

static enum proof proof_of(const struct claim *claim, const struct flight *flight)
{
    if (!claim->proof || policy_proof_gave_up(claim->proof))
        return PROOF_OPEN;
    return policy_proof_holds(claim->proof, is_framed(claim, flight)) ? PROOF_HOLDS : PROOF_FAILS;
}

/* --- the object ----------------------------------------------------------------------- */

/* An object's memory is seldom in the processor's cache, what has just come is: so that is looked
 * at, where it is in one piece, and copied only then. */
static bool fill_if_whole(const struct claim *claim, struct flight *flight, struct object *object)
{
    const unsigned char *bytes = object->body;
    bool in_one = body_piece(&flight->body, &bytes);

    if (!in_one && !body_copy(&flight->body, object->body))
        return false;
    if (proof_of(claim, flight) == PROOF_OPEN && !is_whole(claim, flight, bytes))
        return false;
    if (in_one)
        memcpy(object->body, bytes, object->body_len);
    return true;
}

/* NULL: it is not whole, or may change. */
static struct object *object_of(const struct claim *claim, struct flight *flight)
{
    struct object *object = object_new(
        &(struct object_parts){.key = &claim->key,
                               .body_len = (size_t)body_size(&flight->body),
                               .label = claim->label,
                               .label_len = strlen(claim->label),
                               .model = claim->model,
                               .model_len = strlen(claim->model),
                               .fields = &flight->head.fields,
                               .keeps = policy_field_is_kept});

    if (!fill_if_whole(claim, flight, object)) {
        object_unref(object);
        return NULL;
    }
    object->stored_ms = clock_unix_ms();
    if (object->stored_ms > claim->begun_ms)
        object->took_ms = (uint32_t)(object->stored_ms - claim->begun_ms);
    object->status = flight->head.status;
    object->collection = claim->collection;
    return object;
}

/* Does the rest of the work take time in proportion to a great length: the copy, and the proof if
 * it was not possible in pieces? */
static bool takes_long(const struct claim *claim, const struct flight *flight)
{
    return claim->index->rules.jobs && (body_size(&flight->body) > COPY_MAX ||
                                        (claim->proof && policy_proof_gave_up(claim->proof)));
}

/* Of a short answer; it is copied if it is not in one piece. */
static bool short_is_whole(const struct claim *claim, const struct flight *flight)
{
    mem_auto unsigned char *copy = NULL;
    const unsigned char *bytes;

    if (!body_piece(&flight->body, &bytes)) {
        bytes = copy = mem_alloc((size_t)body_size(&flight->body) + 1);
        if (!body_copy(&flight->body, copy))
            return false;
    }
    return is_whole(claim, flight, bytes);
}

static bool on_is_whole(struct flight_hooks *keeper, struct flight *flight)
{
    struct claim *claim = container_of(keeper, struct claim, keeper);
    const struct head *head = &flight->head;
    enum proof proof;

    if (!policy_ends_by_itself(&head->fields) ||
        (head->length >= 0 && body_size(&flight->body) < (uint64_t)head->length))
        return false;
    claim->unframed = true;
    proof = proof_of(claim, flight);
    if (proof != PROOF_OPEN)
        return proof == PROOF_HOLDS;
    /* Nobody reads it and nobody joins any more: its end is judged where it is kept, or not. */
    if (takes_long(claim, flight))
        return true;
    return short_is_whole(claim, flight);
}

/* Puts the object where the flight was, unless something newer is there. */
static void publish(struct claim *claim, struct object *object)
{
    struct index *index = claim->index;
    struct shard *shard = claim->shard;
    struct store *store = atomic_load(&index->store);
    struct slot *slot;

    pthread_mutex_lock(&shard->lock);
    if (!atomic_load(&claim->keeper.outdated)) {
        slot = claim->slot ? claim->slot : shard_find_or_add(shard, &claim->key);
        if (!slot->object || slot->generation <= claim->generation) {
            shard_set_object(shard, slot, object, claim->generation);
            /* Under the lock: what is dropped from now on is dropped behind it in the store's
             * queue. */
            if (store)
                index->store_ops->put(store, object);
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

/* Upper bound of the memory that the copy, and a proof that is still open, need. */
static size_t memory_of_job(const struct claim *claim, const struct flight *flight)
{
    size_t size = (size_t)body_size(&flight->body);

    return proof_of(claim, flight) == PROOF_OPEN ? size * PROVE_RATIO : size;
}

static void on_job(struct job *job)
{
    struct claim *claim = container_of(job, struct claim, job);
    struct flight *flight = claim->flight;
    struct budget *budget = claim->index->rules.budget;
    size_t bytes = memory_of_job(claim, flight);

    if (budget_has_room(budget, bytes)) {
        budget_add(budget, bytes);
        keep(claim, flight);
        budget_sub(budget, bytes);
    } else {
        on_withdraw(&claim->keeper, flight);
    }
    flight_unref(flight); /* and the claim with it, if that was the last one */
}

/* An object that the answer is about to take the place of is found no more. */
static void unset_older(const struct claim *claim)
{
    struct shard *shard = claim->shard;
    struct slot *slot;

    pthread_mutex_lock(&shard->lock);
    slot = shard_find(shard, &claim->key);
    if (slot && slot->object && slot->generation <= claim->generation) {
        shard_unset_object(shard, slot);
        shard_tidy(shard, slot);
    }
    pthread_mutex_unlock(&shard->lock);
}

/* Until the job ends the flight stays in its slot, and can be joined. */
static bool on_complete(struct flight_hooks *keeper, struct flight *flight)
{
    struct claim *claim = container_of(keeper, struct claim, keeper);
    const enum proof proof = proof_of(claim, flight);

    if (proof == PROOF_FAILS) {
        on_withdraw(keeper, flight);
        return false;
    }
    if (!takes_long(claim, flight))
        return keep(claim, flight);
    if (proof == PROOF_HOLDS)
        unset_older(claim);
    flight_ref(flight);
    jobs_add(claim->index->rules.jobs, &claim->job, on_job);
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
    claim->tap = (struct tap){.on_head = on_head, .on_bytes = on_bytes};
    claim->index = index;
    claim->shard = shard;
    claim->flight = flight;
    claim->slot = slot;
    claim->key = *query->key;
    claim->begun_ms = query->now_ms;
    claim->generation = atomic_fetch_add(&index->generations, 1) + 1;
    claim->api = query->api;
    if (query->key_rules)
        claim->key_rules = key_rules_ref(query->key_rules);
    claim->collection = query->api == CACHE_CLASS_GET ? policy_collection_of(query->target) : 0;
    if (query->model) /* the memory is zeroed */
        memcpy(claim->model, query->model, strnlen(query->model, sizeof(claim->model) - 1));
    if (claim->collection)
        shard->gets++;
    list_append(&shard->claims, &claim->node);
    flight_add_tap(flight, &claim->tap);
    flight_set_hooks(flight, &claim->keeper, index->rules.object_bytes, index->rules.budget);
    return claim;
}
