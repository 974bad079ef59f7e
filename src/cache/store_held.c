#include "cache/store_held.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* Keys are digests: any bits of theirs are as good as a hash. */
static struct store_held **bucket_of(struct store_holds *holds, const struct key *key)
{
    return &holds->buckets[(key->bytes[0] ^ key->bytes[KEY_BYTES - 1]) % HELD_BUCKETS];
}

static void let_go(struct store_holds *holds, struct store_held **at)
{
    struct store_held *held = *at;

    *at = held->next;
    free(held);
    atomic_fetch_sub(&holds->count, 1);
}

bool held_none(struct store_holds *holds)
{
    return atomic_load(&holds->count) == 0;
}

void held_add(struct store_holds *holds, struct object *object)
{
    struct store_held **bucket = bucket_of(holds, &object->key), *held = mem_alloc(sizeof(*held));

    *held = (struct store_held){.next = *bucket, .object = object};
    *bucket = held;
    atomic_fetch_add(&holds->count, 1);
}

struct object *held_find(struct store_holds *holds, const struct key *key)
{
    struct store_held *held = *bucket_of(holds, key);

    while (held && memcmp(held->object->key.bytes, key->bytes, KEY_BYTES) != 0)
        held = held->next;
    return held ? held->object : NULL;
}

void held_let_go(struct store_holds *holds, const struct object *object)
{
    struct store_held **at = bucket_of(holds, &object->key);

    while (*at && (*at)->object != object)
        at = &(*at)->next;
    if (*at)
        let_go(holds, at);
}

void held_let_go_of_purged(struct store_holds *holds, const struct purge *purge)
{
    for (size_t i = 0; i < HELD_BUCKETS && !held_none(holds); i++) {
        struct store_held **at = &holds->buckets[i];

        while (*at) {
            const struct object *o = (*at)->object;

            if (purge_covers(purge, &o->key, o->collection, o->stored_ms, o->model))
                let_go(holds, at);
            else
                at = &(*at)->next;
        }
    }
}
