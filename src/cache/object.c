#include "cache/object.h"

#include <stdlib.h>
#include <string.h>

#include "base/refs.h"
#include "base/mem.h"
#include "base/slab.h"

#define FETCH_MAX ((size_t)4096)

static struct slab slab = SLAB_INIT(256);

static struct object *make(const struct key *key, size_t size)
{
    struct object *object = slab_alloc(&slab, size);

    /* It was last used long ago, most of it: fetched now, it is there when it is written to. */
    for (size_t at = 0; at < size && at < FETCH_MAX; at += 64)
        __builtin_prefetch((const char *)object + at, 1);
    memset(object, 0, sizeof(*object));
    object->size_ = size;
    atomic_init(&object->refs, 1);
    object->key = *key;
    fields_init(&object->fields);
    list_init(&object->lru);
    pthread_mutex_init(&object->ready_lock, NULL);
    return object;
}

struct object *object_new(const struct key *key)
{
    return make(key, sizeof(struct object));
}

void object_seal(struct object *object)
{
    const char *encoding = fields_get(&object->fields, "content-encoding");

    object->gzip = encoding && !str_is_nocase(encoding, "identity");
    object->has_id = fields_get(&object->fields, "x-request-id") != NULL;
}

struct object *object_new_whole(const struct key *key, size_t body_len, const char *label,
                                size_t label_len, const struct fields *fields,
                                bool (*keeps)(const struct field *))
{
    size_t fields_len = fields_copy(fields, keeps, NULL, NULL);
    size_t size = sizeof(struct object) + body_len + label_len + fields_len + 3;
    struct object *object = make(key, size);
    unsigned char *at = object->inside;

    object->body = at;
    object->body_len = body_len;
    at += body_len;
    *at++ = '\0'; /* it is no text, but may be looked at as one */
    if (label) {
        object->label = memcpy(at, label, label_len);
        at[label_len] = '\0';
        at += label_len + 1;
    }
    fields_copy(fields, keeps, &object->fields, (char *)at);
    at[fields_len] = '\0';
    object_seal(object);
    return object;
}

struct object *object_ref(struct object *object)
{
    refs_add(&object->refs);
    return object;
}

void object_unref(struct object *object)
{
    if (!object || !refs_drop(&object->refs))
        return;
    if (object->ready)
        object->free_ready(object->ready);
    pthread_mutex_destroy(&object->ready_lock);
    fields_release(&object->fields);
    if (object->body != object->inside) {
        free(object->label);
        free(object->body);
    }
    slab_free(&slab, object, object->size_);
}

size_t object_weight(const struct object *object)
{
    size_t apart = 0;

    if (object->body != object->inside)
        apart = object->fields.bytes.cap + object->body_len +
                (object->label ? strlen(object->label) + 1 : 0);
    return slab_cost(&slab, object->size_) + apart;
}
