#include "store/pending_writes.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"

/* A key is a digest: its bytes serve as a hash. */
static struct pending_write **bucket_of(struct pending_writes *writes, const struct key *key)
{
    return &writes->buckets[(key->bytes[0] ^ key->bytes[KEY_BYTES - 1]) % PENDING_BUCKETS];
}

static void remove_at(struct pending_writes *writes, struct pending_write **at)
{
    struct pending_write *write = *at;

    *at = write->next;
    free(write);
    atomic_fetch_sub(&writes->count, 1);
}

bool pending_writes_none(struct pending_writes *writes)
{
    return atomic_load(&writes->count) == 0;
}

void pending_writes_add(struct pending_writes *writes, struct object *object)
{
    struct pending_write **bucket = bucket_of(writes, &object->key),
                         *write = mem_alloc(sizeof(*write));

    *write = (struct pending_write){.next = *bucket, .object = object};
    *bucket = write;
    atomic_fetch_add(&writes->count, 1);
}

struct object *pending_writes_find(struct pending_writes *writes, const struct key *key)
{
    struct pending_write *write = *bucket_of(writes, key);

    while (write && memcmp(write->object->key.bytes, key->bytes, KEY_BYTES) != 0)
        write = write->next;
    return write ? write->object : NULL;
}

void pending_writes_remove(struct pending_writes *writes, const struct object *object)
{
    struct pending_write **at = bucket_of(writes, &object->key);

    while (*at && (*at)->object != object)
        at = &(*at)->next;
    if (*at)
        remove_at(writes, at);
}

void pending_writes_purge(struct pending_writes *writes, const struct purge *purge)
{
    for (size_t i = 0; i < PENDING_BUCKETS && !pending_writes_none(writes); i++) {
        struct pending_write **at = &writes->buckets[i];

        while (*at) {
            const struct object *o = (*at)->object;

            if (purge_covers(purge, &o->key, o->collection, o->stored_ms, o->model))
                remove_at(writes, at);
            else
                at = &(*at)->next;
        }
    }
}
