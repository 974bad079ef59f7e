#include "cache/shard.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/slab.h"

#define BUCKETS_FIRST 64U
#define ANSWER_BYTES ((size_t)4096)            /* the weight of a usual object */
#define SLOT_WEIGHT (sizeof(struct slot) + 40) /* with its share of the buckets */

static struct slab slots = SLAB_INIT(16);

void shard_init(struct shard *shard, size_t budget)
{
    *shard = (struct shard){.budget = budget, .bucket_count = BUCKETS_FIRST};
    while (shard->bucket_count < budget / ANSWER_BYTES) /* avoids growing, which moves each slot */
        shard->bucket_count *= 2;
    pthread_mutex_init(&shard->lock, NULL);
    list_init(&shard->busy_list);
    list_init(&shard->lru);
    shard->buckets = mem_zero(shard->bucket_count * sizeof(struct slot *));
}

void shard_release(struct shard *shard)
{
    assert(list_empty(&shard->busy_list));
    for (size_t i = 0; i < shard->bucket_count; i++) {
        while (shard->buckets[i]) {
            struct slot *slot = shard->buckets[i];

            shard->buckets[i] = slot->next;
            object_unref(slot->object);
            slab_free(&slots, slot, sizeof(*slot));
        }
    }
    if (shard->spare)
        slab_free(&slots, shard->spare, sizeof(*shard->spare));
    free(shard->buckets);
    pthread_mutex_destroy(&shard->lock);
}

/* --- the table ------------------------------------------------------------------------ */

static size_t bucket_of(const struct shard *shard, const struct key *key)
{
    uint64_t number;

    memcpy(&number, key->bytes, sizeof(number));
    return number & (shard->bucket_count - 1);
}

static void grow(struct shard *shard)
{
    size_t old_count = shard->bucket_count;
    struct slot **old = shard->buckets;

    shard->bucket_count *= 2;
    shard->buckets = mem_zero(shard->bucket_count * sizeof(struct slot *));
    for (size_t i = 0; i < old_count; i++) {
        while (old[i]) {
            struct slot *slot = old[i];
            size_t at = bucket_of(shard, &slot->key);

            old[i] = slot->next;
            slot->next = shard->buckets[at];
            shard->buckets[at] = slot;
        }
    }
    free(old);
}

struct slot *shard_find(struct shard *shard, const struct key *key)
{
    struct slot *slot = shard->buckets[bucket_of(shard, key)];

    while (slot && memcmp(&slot->key, key, sizeof(*key)) != 0)
        slot = slot->next;
    return slot;
}

struct slot *shard_add(struct shard *shard, const struct key *key)
{
    struct slot *slot;
    size_t at;

    if (shard->slot_count * 2 >= shard->bucket_count)
        grow(shard);
    at = bucket_of(shard, key);
    slot = take(shard->spare);
    if (!slot)
        slot = slab_alloc(&slots, sizeof(*slot));
    *slot = (struct slot){.key = *key, .next = shard->buckets[at]};
    shard->buckets[at] = slot;
    shard->slot_count++;
    return slot;
}

struct slot *shard_find_or_add(struct shard *shard, const struct key *key)
{
    struct slot *slot = shard_find(shard, key);

    return slot ? slot : shard_add(shard, key);
}

void shard_tidy(struct shard *shard, struct slot *slot)
{
    struct slot **at = &shard->buckets[bucket_of(shard, &slot->key)];

    if (slot->object || slot->busy)
        return;
    while (*at != slot)
        at = &(*at)->next;
    *at = slot->next;
    shard->slot_count--;
    if (shard->spare)
        slab_free(&slots, slot, sizeof(*slot));
    else
        shard->spare = slot;
}

/* --- the memory tier ------------------------------------------------------------------ */

static size_t weight_of(const struct object *object)
{
    return object_weight(object) + object->charged + SLOT_WEIGHT;
}

void shard_unset_object(struct shard *shard, struct slot *slot)
{
    struct object *object = take(slot->object);

    if (!object)
        return;
    list_remove(&object->lru);
    object->in_tier = false;
    object->slot = NULL;
    shard->bytes -= weight_of(object);
    shard->items--;
    if (object->collection)
        shard->gets--;
    object_unref(object);
}

void shard_set_object(struct shard *shard, struct slot *slot, struct object *object,
                      uint64_t generation)
{
    shard_unset_object(shard, slot);
    if (weight_of(object) > shard->budget / 2)
        return;
    slot->object = object_ref(object);
    slot->generation = generation;
    object->in_tier = true;
    object->slot = slot;
    list_append(&shard->lru, &object->lru);
    shard->bytes += weight_of(object);
    shard->items++;
    if (object->collection)
        shard->gets++;
}

void shard_use(struct shard *shard, struct object *object)
{
    atomic_store_explicit(&object->warm, true, memory_order_relaxed);
    list_remove(&object->lru);
    list_append(&shard->lru, &object->lru);
}

/* Prefetches the next victim and its slot into the processor's cache: most of the cost of an
 * eviction is waiting for memory. */
static void prefetch_victim(struct shard *shard)
{
    struct list *first = shard->lru.next, *second = first->next;
    const struct object *object = container_of(first, struct object, lru);

    if (first == &shard->lru || second == &shard->lru)
        return;
    __builtin_prefetch(object->slot);
    __builtin_prefetch(&shard->buckets[bucket_of(shard, &object->key)]);
    object = container_of(second, struct object, lru);
    for (size_t at = 0; at < OBJECT_FRONT; at += 64)
        __builtin_prefetch((const char *)object + at);
}

void shard_shrink(struct shard *shard)
{
    if (shard->bytes <= shard->budget)
        return;
    while (shard->bytes > shard->budget) {
        struct object *object = container_of(shard->lru.next, struct object, lru);
        struct slot *slot = object->slot;

        shard_unset_object(shard, slot);
        shard_tidy(shard, slot);
        shard->evictions++;
    }
    prefetch_victim(shard);
}
