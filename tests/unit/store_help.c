#include "store_help.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"
#include "unit.h"

struct key key_of(uint64_t group, uint64_t n)
{
    struct key key = {{0}};

    for (unsigned i = 0; i < 8; i++) {
        key.bytes[i] = (unsigned char)(group >> (56 - 8 * i));
        key.bytes[KEY_BYTES - 1 - i] = (unsigned char)(n >> (8 * i));
    }
    return key;
}

static uint64_t seed_of(const struct key *key)
{
    uint64_t seed = 88172645463325252U;

    for (unsigned i = 0; i < KEY_BYTES; i++)
        seed = (seed ^ key->bytes[i]) * 1099511628211U;
    return seed ? seed : 1;
}

/* Longer than deflate looks back: equal blocks do not pack better. */
#define BLOCK ((size_t)64 << 10)

/* Text that packs to about a half, with NULs in it. Each block after the first is a copy of it with
 * its number: a byte at a time, megabytes take seconds under ThreadSanitizer. */
static void fill(unsigned char *body, size_t size, uint64_t seed)
{
    for (size_t i = 0; i < size && i < BLOCK; i++)
        body[i] = (unsigned char)(unit_random(&seed) % 11 ? 'a' + seed % 13 : 0);
    for (size_t i = BLOCK; i < size; i += BLOCK) {
        size_t length = size - i < BLOCK ? size - i : BLOCK, number = i / BLOCK;

        memcpy(body + i, body, length);
        memcpy(body + i, &number, length < sizeof(number) ? length : sizeof(number));
    }
}

#define LABEL "POST /v1/chat/completions"

struct object *object_of(const struct key *key, size_t size)
{
    char model[32];

    snprintf(model, sizeof(model), "gpt-%u", key->bytes[KEY_BYTES - 1]);
    return object_of_model(key, size, model);
}

struct object *object_of_model(const struct key *key, size_t size, const char *model)
{
    struct fields fields;
    struct object *o;

    fields_init(&fields);
    fields_adds(&fields, "Content-Type", "application/json");
    fields_adds(&fields, "X-Empty", "");
    fields_adds(&fields, "X-Twice", "a: b, c");
    fields_adds(&fields, "X-Twice", "d");
    o = object_new(&(struct object_parts){.key = key,
                                          .body_len = size,
                                          .label = LABEL,
                                          .label_len = strlen(LABEL),
                                          .model = model,
                                          .model_len = strlen(model),
                                          .fields = &fields});
    fields_release(&fields);
    o->stored_ms = clock_unix_ms();
    o->status = 200 + key->bytes[KEY_BYTES - 1];
    fill(o->body, size, seed_of(key));
    return o;
}

static bool is_same_head(const struct object *a, const struct object *b)
{
    return a->fields.count == b->fields.count && a->fields.bytes.len == b->fields.bytes.len &&
           memcmp(a->fields.bytes.text, b->fields.bytes.text, a->fields.bytes.len) == 0;
}

bool is_object_of(const struct object *o, const struct key *key, size_t size)
{
    struct object *right = object_of(key, size);
    bool same = memcmp(&o->key, key, sizeof(*key)) == 0 && o->body_len == size &&
                memcmp(o->body, right->body, size) == 0 && o->status == right->status &&
                is_same_head(o, right) && o->label && strcmp(o->label, right->label) == 0 &&
                strcmp(o->model, right->model) == 0 && !o->gzip;

    object_unref(right);
    return same;
}

static void on_purge(void *arg, const struct purge *gone)
{
    struct rig *rig = arg;

    rig->last = *gone;
    rig->last.model = NULL;
    if (rig->when_told)
        rig->when_told(rig);
    atomic_fetch_add(&rig->told, 1);
}

static void on_replaced(void *arg)
{
    atomic_fetch_add(&((struct rig *)arg)->replaced, 1);
}

static bool open_with(struct rig *rig, const char *folder, struct store_rules rules,
                      struct err *err)
{
    memset(rig, 0, sizeof(*rig));
    rig->folder = folder ? mem_strdup(folder) : unit_folder();
    rules.folder = rig->folder;
    rules.on_purge = on_purge;
    rules.on_replaced = on_replaced;
    rules.arg = rig;
    rules.jobs = rig->jobs = jobs_new(1);
    if (store_open(&rig->store, &rules, err) < 0) {
        jobs_free(take(rig->jobs));
        return false;
    }
    rig->reader = store_reader_new(rig->store);
    return true;
}

bool rig_open(struct rig *rig, const char *folder, int64_t max_bytes, struct err *err)
{
    return open_with(rig, folder, (struct store_rules){.max_bytes = max_bytes}, err);
}

bool rig_look(struct rig *rig, const char *folder, struct err *err)
{
    return open_with(rig, folder, (struct store_rules){.max_bytes = INT64_MAX, .read_only = true},
                     err);
}

void rig_close(struct rig *rig)
{
    jobs_free(take(rig->jobs));
    store_reader_free(take(rig->reader));
    store_close(take(rig->store));
}

void rig_free(struct rig *rig)
{
    rig_close(rig);
    free(take(rig->folder));
}

void drop_later(struct store *store, const struct purge *purge)
{
    queue_drop(&store->queue, purge, NULL);
}

void put(struct rig *rig, const struct key *key, size_t size)
{
    struct object *object = object_of(key, size);

    store_put(rig->store, object);
    object_unref(object);
}

void settle(struct rig *rig)
{
    /* A drop of what is not there, which waits: all before it is written then. */
    struct purge nothing = {.one = true, .key = key_of(UINT64_MAX, UINT64_MAX)};
    uint64_t count;
    struct err err;

    if (store_remove(rig->store, &nothing, &count, &err) < 0)
        CHECK_STR(err.text, "");
}

bool has(struct rig *rig, const struct key *key, size_t size)
{
    struct object *object = store_reader_read(rig->reader, key);
    bool there = object != NULL;

    CHECK(!there || is_object_of(object, key, size));
    object_unref(object);
    store_reader_rest(rig->reader);
    return there;
}

struct store_figures figures(struct rig *rig)
{
    struct store_figures f;

    store_figures(rig->store, &f);
    return f;
}

size_t file_size(const struct rig *rig, const char *name)
{
    struct str path = STR_INIT;
    struct stat info = {.st_size = 0};

    str_addf(&path, "%s/%s", rig->folder, name);
    (void)stat(path.text, &info);
    str_release(&path);
    return (size_t)info.st_size;
}

struct sql *hold_file(const struct rig *rig)
{
    struct str path = STR_INIT;
    struct sql *sql;

    str_addf(&path, "%s/cache.db", rig->folder);
    CHECK_INT(sql_open(&sql, &(struct sql_file){.path = path.text, .wait_ms = 20000}), SQL_OK);
    CHECK_INT(sql_execute(sql, "BEGIN IMMEDIATE"), SQL_OK);
    str_release(&path);
    return sql;
}

void let_file_go(struct sql *sql)
{
    CHECK_INT(sql_execute(sql, "ROLLBACK"), SQL_OK);
    sql_close(sql);
}
