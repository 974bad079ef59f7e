#include "cache/object.h"

#include <stdlib.h>
#include <string.h>

#include "base/refs.h"
#include "base/mem.h"
#include "base/slab.h"

#define FETCH_MAX ((size_t)4096)

static struct slab slab = SLAB_INIT(256);

static struct object *make(size_t size)
{
    struct object *object = slab_alloc(&slab, size);

    /* Most of the memory was last used long ago: prefetches it, so that the writes below hit the
     * cache. */
    for (size_t at = 0; at < size && at < FETCH_MAX; at += 64)
        __builtin_prefetch((const char *)object + at, 1);
    memset(object, 0, sizeof(*object));
    object->size_ = size;
    atomic_init(&object->refs, 1);
    fields_init(&object->fields);
    list_init(&object->lru);
    pthread_mutex_init(&object->ready_lock, NULL);
    return object;
}

/* Derives gzip and has_id from the fields. */
static void note_fields(struct object *object)
{
    const char *encoding = fields_get(&object->fields, "content-encoding");

    object->gzip = encoding && !str_is_nocase(encoding, "identity");
    object->has_id = fields_get(&object->fields, "x-request-id") != NULL;
}

/* Copies the text to *at, and moves *at behind it. */
static const char *add_text(unsigned char **at, const char *text, size_t len)
{
    char *copy = (char *)*at;

    if (len)
        memcpy(copy, text, len);
    copy[len] = '\0';
    *at += len + 1;
    return copy;
}

struct object *object_new(const struct object_parts *parts)
{
    static const struct fields none = {.count = 0};
    const struct fields *fields = parts->fields ? parts->fields : &none;
    const size_t fields_len = fields_copy(fields, parts->keeps, NULL, NULL);
    const size_t texts_len = parts->label_len + parts->model_len + fields_len;
    struct object *object = make(sizeof(*object) + parts->body_len + texts_len + 4);
    unsigned char *at = object->inside;

    object->key = *parts->key;
    object->body = at;
    object->body_len = parts->body_len;
    at += parts->body_len;
    *at++ = '\0'; /* a NUL ends the body for text functions */
    if (parts->label)
        object->label = add_text(&at, parts->label, parts->label_len);
    object->model = add_text(&at, parts->model, parts->model_len);
    fields_copy(fields, parts->keeps, &object->fields, (char *)at);
    at[fields_len] = '\0';
    note_fields(object);
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
    slab_free(&slab, object, object->size_);
}

size_t object_weight(const struct object *object)
{
    return slab_cost(&slab, object->size_);
}
