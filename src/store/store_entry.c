#include "store/store_entry.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/zip.h"

#define DEFLATE_FROM 4096
#define KEEP_BUFFER ((size_t)1 << 20) /* a larger buffer is freed before the next use */

struct entry_codec {
    struct crypto_tagger *tagger;
    struct zip *zip;
    struct str head, body;
    struct str sealed; /* the checksummed bytes without the body */
    struct fields fields;
};

static const unsigned char seal[CRYPTO_SECRET_BYTES] = "goproxyai entry";

struct entry_codec *entry_codec_new(void)
{
    struct entry_codec *codec = mem_alloc(sizeof(*codec));

    codec->tagger = crypto_tagger_new(seal);
    codec->zip = zip_new();
    str_init(&codec->head);
    str_init(&codec->body);
    str_init(&codec->sealed);
    fields_init(&codec->fields);
    return codec;
}

void entry_codec_free(struct entry_codec *codec)
{
    if (!codec)
        return;
    crypto_tagger_free(codec->tagger);
    zip_free(codec->zip);
    str_release(&codec->head);
    str_release(&codec->body);
    str_release(&codec->sealed);
    fields_release(&codec->fields);
    free(codec);
}

static void sum_of(struct entry_codec *codec, const struct entry *e, unsigned char *sum)
{
    const struct entry_bytes *texts[] = {&e->label, &e->model, &e->head};
    const uint64_t numbers[] = {/* in one byte order */
                                htole64((uint64_t)e->stored_ms),
                                htole64(e->collection),
                                htole64(e->status),
                                htole64(e->flags),
                                htole64(e->body_bytes),
                                htole64(e->label.len),
                                htole64(e->model.len),
                                htole64(e->head.len),
                                htole64(e->body.len)};

    str_clear(&codec->sealed);
    str_add(&codec->sealed, (const char *)e->key.bytes, KEY_BYTES);
    str_add(&codec->sealed, (const char *)numbers, sizeof(numbers));
    for (size_t i = 0; i < countof(texts); i++)
        if (texts[i]->len)
            str_add(&codec->sealed, texts[i]->at, texts[i]->len);
    crypto_tag(codec->tagger,
               (const struct crypto_text[]){{codec->sealed.text, codec->sealed.len},
                                            {e->body.at, e->body.len}},
               sum);
}

static void add_head(struct str *out, const struct fields *fields)
{
    str_clear(out);
    fields_each(h, fields) {
        str_add(out, h.name, h.name_len);
        str_add(out, STR_LIT(": "));
        str_add(out, h.value, h.value_len);
        str_add(out, STR_LIT("\r\n"));
    }
}

static bool deflate_body(struct entry_codec *codec, const struct object *object)
{
    if (codec->body.cap > KEEP_BUFFER)
        str_release(&codec->body);
    str_clear(&codec->body);
    if (object->gzip || object->body_len < DEFLATE_FROM)
        return false;
    zip_deflate(codec->zip, object->body, object->body_len, &codec->body);
    return codec->body.len <= object->body_len - object->body_len / 8;
}

void entry_encode(struct entry_codec *codec, const struct object *object, struct entry *entry)
{
    *entry = (struct entry){
        .key = object->key,
        .stored_ms = object->stored_ms,
        .collection = object->collection,
        .status = object->status,
        .flags = object->gzip ? ENTRY_GZIP : 0,
        .body_bytes = object->body_len,
        .label = {object->label, object->label ? strlen(object->label) : 0},
        .model = {object->model, strlen(object->model)},
        .body = {object->body, object->body_len},
    };
    add_head(&codec->head, &object->fields);
    entry->head = (struct entry_bytes){codec->head.text, codec->head.len};
    if (deflate_body(codec, object)) {
        entry->flags |= ENTRY_DEFLATED;
        entry->body = (struct entry_bytes){codec->body.text, codec->body.len};
    }
    sum_of(codec, entry, entry->sum);
}

bool entry_is_sound(struct entry_codec *codec, const struct entry *entry)
{
    unsigned char sum[ENTRY_SUM_BYTES];

    sum_of(codec, entry, sum);
    return memcmp(sum, entry->sum, sizeof(sum)) == 0;
}

static bool parse_head(struct fields *fields, const struct entry_bytes *head)
{
    const char *at = head->at, *end = at + head->len;

    fields_clear(fields);
    while (at < end) {
        const char *colon = memchr(at, ':', (size_t)(end - at));
        const char *cr = colon ? memchr(colon, '\r', (size_t)(end - colon)) : NULL;

        if (!cr || end - cr < 2 || cr[1] != '\n' ||
            !fields_add(fields, at, (size_t)(colon - at), colon + 1, (size_t)(cr - colon - 1)))
            return false;
        at = cr + 2;
    }
    return true;
}

static bool inflate_body(struct entry_codec *codec, const struct entry *entry,
                         struct object *object)
{
    if (!(entry->flags & ENTRY_DEFLATED) && entry->body.len != entry->body_bytes)
        return false;
    if (entry->flags & ENTRY_DEFLATED)
        return zip_inflate(codec->zip, entry->body.at, entry->body.len, object->body,
                           object->body_len);
    if (object->body_len)
        memcpy(object->body, entry->body.at, object->body_len);
    return true;
}

static struct object *object_of(struct entry_codec *codec, const struct entry *entry)
{
    if (!parse_head(&codec->fields, &entry->head))
        return NULL;
    return object_new(&(struct object_parts){.key = &entry->key,
                                             .body_len = (size_t)entry->body_bytes,
                                             .label = entry->label.len ? entry->label.at : NULL,
                                             .label_len = entry->label.len,
                                             .model = entry->model.at,
                                             .model_len = entry->model.len,
                                             .fields = &codec->fields});
}

struct object *entry_decode(struct entry_codec *codec, const struct entry *entry)
{
    struct object *object;

    /* The checksum first: the code below trusts every number and length. */
    if (!entry_is_sound(codec, entry))
        return NULL;
    object = object_of(codec, entry);
    if (!object)
        return NULL;
    object->stored_ms = entry->stored_ms;
    object->collection = entry->collection;
    object->status = entry->status;
    object->gzip = entry->flags & ENTRY_GZIP;
    if (!inflate_body(codec, entry, object)) {
        object_unref(object);
        return NULL;
    }
    return object;
}
