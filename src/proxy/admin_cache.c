#include "proxy/admin_cache.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "proxy/cache_rows.h"
#include "proxy/req.h"
#include "proxy/server.h"
#include "proxy/worker.h"

#define PARAMETER_MAX 1024
#define MESSAGE_HTTP "message/http"

struct cache_job {
    struct admin_job job;
    struct caching *caching;
    const char *folder;
    void (*work)(struct cache_job *);
    /* the request */
    struct purge purge;
    char *model; /* owns purge.model */
    struct key begin;
    unsigned bits; /* bits of `begin` that are given */
    /* the result */
    struct err err; /* code ERR_NONE: no error */
    struct str text;
    const char *type;
};

static void free_job(struct admin_job *job)
{
    struct cache_job *c = container_of(job, struct cache_job, job);

    free(c->model);
    str_release(&c->text);
    free(c);
}

static void run_job(struct admin_job *job)
{
    struct cache_job *c = container_of(job, struct cache_job, job);

    c->work(c);
}

static void finish_json(struct cache_job *c, struct json *root)
{
    json_set_text(root, "folder", c->folder);
    json_print(root, &c->text);
    c->type = "application/json";
    json_free(root);
}

/* ---- removing ---- */

static void add_removed(struct cache_job *c, struct json *root)
{
    struct caching_removed removed = caching_remove(c->caching, &c->purge);

    json_set_number(root, "removed", (double)removed.count);
    json_set_bool(root, "pending", removed.pending);
}

static void work_clear(struct cache_job *c)
{
    struct json *root = json_object();

    json_set_text(root, "message", "Cache cleared successfully");
    add_removed(c, root);
    finish_json(c, root);
}

/* ---- finding an answer by a prefix of its key ---- */

static bool begins_with(const struct key *key, const struct key *begin, unsigned bits)
{
    return memcmp(key->bytes, begin->bytes, bits / 8) == 0 &&
           (bits % 8 == 0 || key->bytes[bits / 8] >> 4 == begin->bytes[bits / 8] >> 4);
}

struct finding {
    const struct cache_job *c;
    struct object *object; /* the first match, with a reference */
    unsigned count;
};

static bool find_in_memory(void *arg, struct object *object)
{
    struct finding *finding = arg;

    if (!begins_with(&object->key, &finding->c->begin, finding->c->bits))
        return true;
    if (finding->count++ == 0)
        finding->object = object_ref(object);
    return finding->count < 2;
}

/* Finds the answer with the key prefix, in memory, on disk, or both. False: c->err says why not.
 * *object: the answer in memory, with a reference, or NULL. */
static bool find(struct cache_job *c, struct key *key, struct object **object)
{
    struct finding finding = {.c = c};
    int on_disk = 0;

    if (c->caching->on)
        index_each(c->caching->index, SIZE_MAX, find_in_memory, &finding);
    if (finding.count < 2 && c->caching->store)
        on_disk = c->caching->store_ops->find(c->caching->store, &c->begin, c->bits, key, &c->err);
    *object = finding.object;
    if (on_disk == 1 && finding.object &&
        memcmp(key->bytes, finding.object->key.bytes, KEY_BYTES) != 0)
        on_disk = 2;
    if (finding.object)
        *key = finding.object->key;
    if (on_disk >= 0 && finding.count == 0 && on_disk == 0)
        err_set(&c->err, ERR_NO_ENTRY, "No stored answer has this key.");
    else if (finding.count > 1 || on_disk > 1)
        err_set(&c->err, ERR_AMBIGUOUS, "Several keys begin like this: give more of it.");
    if (c->err.code == ERR_NONE)
        return true;
    object_unref(take(*object));
    return false;
}

static void work_remove(struct cache_job *c)
{
    struct json *root;
    struct object *object;
    char hex[KEY_HEX_SIZE];

    if (!find(c, &c->purge.key, &object))
        return;
    object_unref(object);
    c->purge.one = true;
    key_to_hex(&c->purge.key, hex);
    root = json_object();
    json_set_text(root, "message", "Answer removed");
    json_set_text(root, "key", hex);
    add_removed(c, root);
    finish_json(c, root);
}

/* ---- one answer ---- */

static struct object *read_from_disk(struct cache_job *c, const struct key *key)
{
    return c->caching->store_ops->read(c->caching->store, key);
}

static void work_show(struct cache_job *c)
{
    struct object *object;
    struct key key;

    if (!find(c, &key, &object))
        return;
    if (!object)
        object = read_from_disk(c, &key);
    if (!object) {
        err_set(&c->err, ERR_NO_ENTRY, "The answer cannot be read from disk.");
        return;
    }
    str_addf(&c->text, "HTTP/1.1 %u \r\n", object->status); /* the blank: RFC 9112 section 4 */
    fields_each(h, &object->fields)
        str_addf(&c->text, "%s: %s\r\n", h.name, h.value);
    str_adds(&c->text, "\r\n");
    str_add(&c->text, object->body, object->body_len);
    c->type = MESSAGE_HTTP;
    object_unref(object);
}

/* ---- the list ---- */

struct listing {
    struct cache_job *c;
    struct json *rows;
    struct object **objects;
    size_t count;
    bool more;
};

static bool add_row(void *arg, const struct store_row *row)
{
    struct listing *listing = arg;

    listing->more = listing->count == ADMIN_CACHE_ROWS_MAX;
    if (listing->more || admin_job_must_stop(&listing->c->job))
        return false;
    cache_rows_add(listing->rows, row);
    listing->count++;
    return true;
}

static bool take_object(void *arg, struct object *object)
{
    struct listing *listing = arg;

    if ((listing->count & (listing->count - 1)) == 0) /* doubles at each power of two */
        listing->objects = mem_grow(listing->objects, (listing->count ? listing->count * 2 : 1) *
                                                          sizeof(struct object *));
    listing->objects[listing->count++] = object_ref(object);
    return true;
}

static int newest_first(const void *a, const void *b)
{
    const struct object *const *x = a, *const *y = b;

    return ((*x)->stored_ms < (*y)->stored_ms) - ((*x)->stored_ms > (*y)->stored_ms);
}

static void add_objects(struct listing *listing)
{
    size_t count = listing->count;

    if (count)
        qsort(listing->objects, count, sizeof(struct object *), newest_first);
    listing->count = 0;
    for (size_t i = 0; i < count; i++) {
        struct object *o = listing->objects[i];

        add_row(listing, &(struct store_row){.key = o->key,
                                             .stored_ms = o->stored_ms,
                                             .used_ms = atomic_load(&o->touched_ms),
                                             .status = o->status,
                                             .body_bytes = o->body_len,
                                             .label = o->label ? o->label : "",
                                             .model = o->model});
        object_unref(o);
    }
    free(listing->objects);
}

static void work_list(struct cache_job *c)
{
    struct json *root = json_object();
    struct listing listing = {.c = c, .rows = json_set_array(root, "answers")};

    if (c->caching->store) {
        c->caching->store_ops->each(c->caching->store, add_row, &listing, &c->err);
    } else if (c->caching->on) {
        index_each(c->caching->index, ADMIN_CACHE_ROWS_MAX, take_object, &listing);
        add_objects(&listing);
    }
    json_set_bool(root, "more", listing.more);
    finish_json(c, root);
}

/* ---- checksums ---- */

struct checking {
    struct cache_job *c;
    struct json *keys;
    unsigned count;
};

static bool note_checked(void *arg, const struct key *key, bool sound)
{
    struct checking *checking = arg;
    char hex[KEY_HEX_SIZE];

    if (!sound && checking->count++ < ADMIN_CACHE_KEYS_MAX) {
        key_to_hex(key, hex);
        json_add_text(checking->keys, hex);
    }
    return !admin_job_must_stop(&checking->c->job);
}

static void work_verify(struct cache_job *c)
{
    struct json *root = json_object();
    struct checking checking = {.c = c, .keys = json_set_array(root, "keys")};
    struct store_verified found = {.good = 0};

    if (c->caching->store)
        c->caching->store_ops->verify(c->caching->store, &found, note_checked, &checking, &c->err);
    json_set_number(root, "good", (double)found.good);
    json_set_number(root, "damaged", (double)found.damaged);
    finish_json(c, root);
}

/* ---- parsing the request ---- */

/* Copies a parameter's value, percent-decoded. False: it is empty, too long, or contains a NUL. */
static bool decode(const char *value, size_t len, char *to)
{
    size_t step, n = 0;

    for (size_t i = 0; i < len; i += step) {
        if (n == PARAMETER_MAX - 1)
            return false;
        to[n] = (char)route_byte(value + i, len - i, &step);
        if (to[n++] == '\0')
            return false;
    }
    to[n] = '\0';
    return n > 0;
}

/* An unknown parameter is refused: ignoring it would remove more than was meant. */
static bool take_parameter(struct cache_job *c, const char *text, size_t len)
{
    const char *equals = memchr(text, '=', len);
    size_t name_len = equals ? (size_t)(equals - text) : len;
    char value[PARAMETER_MAX];
    unsigned long long ms;

    if (!equals || !decode(equals + 1, len - name_len - 1, value))
        return false;
    if (str_same_nocase(text, name_len, STR_LIT("model")) && !c->model) {
        c->model = mem_strdup(value);
        c->purge.model = c->model;
        return true;
    }
    if (!str_same_nocase(text, name_len, STR_LIT("older_than_ms")) || c->purge.stored_before_ms ||
        !str_to_u64(value, strlen(value), &ms) || ms == 0 || ms > (uint64_t)clock_unix_ms())
        return false;
    c->purge.stored_before_ms = clock_unix_ms() - (int64_t)ms;
    return true;
}

static int take_query(struct cache_job *c, const char *target, struct err *err)
{
    const char *at = target + route_path_len(target);

    while (*at) {
        size_t len = strcspn(++at, "&");

        if (len && !take_parameter(c, at, len))
            return err_set(err, ERR_BAD_REQUEST,
                           "The query of DELETE /cache takes older_than_ms=N and model=GLOB.");
        at += len;
    }
    return 0;
}

static int take_key(struct cache_job *c, const char *target, struct err *err)
{
    size_t begin = strlen("/cache/");
    mem_auto char *hex = mem_strndup(target + begin, route_path_len(target) - begin);

    if (!key_from_hex(hex, &c->begin, &c->bits))
        return err_set(err, ERR_NO_ENTRY, "No stored answer has this key.");
    return 0;
}

static int take_question(struct cache_job *c, const struct req *req, enum route route,
                         struct err *err)
{
    const char *target = req->head.target.text;
    bool removes = strcmp(req->head.method, "DELETE") == 0;

    if (route == ROUTE_CACHE_VERIFY) {
        c->work = work_verify;
        return 0;
    }
    if (route == ROUTE_CACHE_ENTRY) {
        c->work = removes ? work_remove : work_show;
        return take_key(c, target, err);
    }
    c->work = removes ? work_clear : work_list;
    return removes ? take_query(c, target, err) : 0;
}

struct admin_job *admin_cache_begin(struct req *req, struct admin_jobs *jobs, enum route route,
                                    const char *folder, struct err *err)
{
    struct cache_job *c = mem_zero(sizeof(*c));
    enum admin_lane lane;
    int result;

    c->job = (struct admin_job){.run = run_job,
                                .free = free_job,
                                .mailbox = &req->worker->mailbox,
                                .letter = &req->answer.news};
    list_init(&c->job.node);
    c->caching = &req->worker->server->caching;
    c->folder = folder;
    str_init(&c->text);
    result = take_question(c, req, route, err);
    lane = c->work == work_clear || c->work == work_remove ? ADMIN_LANE_REMOVE : ADMIN_LANE_READ;
    if (result == 0 && !admin_jobs_post(jobs, lane, &c->job))
        result = err_set(err, ERR_BUSY, "Too many questions about the cache wait already.");
    if (result == 0)
        return &c->job;
    free_job(&c->job);
    return NULL;
}

int admin_cache_finish(struct admin_job *job, struct reply *reply, const char *request_id,
                       struct err *err)
{
    struct cache_job *c = container_of(job, struct cache_job, job);
    struct str empty = reply->text;

    if (c->err.code != ERR_NONE) {
        *err = c->err;
        return -1;
    }
    reply->text = c->text;
    c->text = empty;
    reply_own(reply, 200, c->type, request_id);
    return 0;
}
