#include "store/store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/crypto.h"
#include "base/mem.h"
#include "base/str.h"
#include "store/store_internal.h"

#define TELL_EVERY_MS 60000
#define ENTRY_MAX ((size_t)64 << 20)
#define TELL_WAIT_MS 3000
#define LOG_PART 8 /* 1/8 of the file's bound */

void store_warn(struct store *s, enum store_trouble kind, const char *format, ...)
{
    uint64_t now = clock_mono_ms() + 1, said = atomic_load(&s->said_ms[kind]);
    struct str text = STR_INIT;
    va_list args;

    if (!s->rules.log || (said && now - said < TELL_EVERY_MS) ||
        !atomic_compare_exchange_strong(&s->said_ms[kind], &said, now))
        return;
    va_start(args, format);
    str_vaddf(&text, format, args);
    va_end(args);
    log_event(s->rules.log, LOG_WARN, "%s", text.text);
    str_release(&text);
}

static void on_anew(void *arg, const char *why)
{
    struct store *s = arg;

    store_warn(s, TROUBLE_FILE, "the cache file %s was begun anew: %s", s->file.path, why);
}

static void on_unlocked(void *arg)
{
    struct store *s = arg;

    store_warn(
        s, TROUBLE_LOCK,
        "the file system of %s has no locks: let only one goproxyai use this folder, or name "
        "one on a local disk with --cache-dir",
        s->file.folder);
}

static void free_store(struct store *s)
{
    store_spares_release(s);
    store_file_close(&s->link);
    store_file_release(&s->file);
    queue_release(&s->queue);
    key_filter_release(&s->filter);
    purge_ack_close(&s->peers);
    entry_codec_free(s->codec);
    free(s);
}

int store_open(struct store **made, const struct store_rules *rules, struct err *err)
{
    struct store *s = mem_zero(sizeof(*s));

    s->rules = *rules;
    store_file_init(&s->file, rules->folder);
    s->rules.folder = s->file.folder;
    s->file.log_bytes = (uint64_t)rules->max_bytes / LOG_PART;
    s->file.read_only = rules->read_only;
    s->file.on_anew = on_anew;
    s->file.on_unlocked = on_unlocked;
    s->file.arg = s;
    pthread_mutex_init(&s->spares.lock, NULL);
    queue_init(&s->queue);
    key_filter_init(&s->filter);
    s->peers = (struct purge_ack)PURGE_ACK_INIT;
    list_init(&s->late);
    s->codec = entry_codec_new();
    crypto_random(&s->origin, sizeof(s->origin));
    if (store_file_open(&s->file, &s->link, err) < 0) {
        free_store(s);
        return -1;
    }
    store_opened(s);
    peer_purges_adopt(s); /* before the first get */
    errno = pthread_create(&s->thread, NULL, store_write, s);
    if (errno) {
        err_sys(err, "cannot start the store's thread");
        free_store(s);
        return -1;
    }
    *made = s;
    return 0;
}

void store_close(struct store *s)
{
    if (!s)
        return;
    queue_close(&s->queue);
    pthread_join(s->thread, NULL);
    free_store(s);
}

int store_clear_folder(const char *folder, int64_t *count, struct err *err)
{
    struct store_file file;
    int result;

    store_file_init(&file, folder);
    result = store_file_clear(&file, count, err);
    store_file_release(&file);
    return result;
}

int store_check_folder(const char *folder, struct err *err)
{
    struct store_file file;
    int result;

    store_file_init(&file, folder);
    result = store_file_check(&file, err);
    store_file_release(&file);
    return result;
}

bool store_is_in_use(const char *folder)
{
    return purge_ack_in_use(folder);
}

bool store_wait_purged(const char *folder)
{
    return purge_ack_wait(folder, TELL_WAIT_MS);
}

bool store_takes(const struct store *s, uint64_t body_len)
{
    return body_len <= ENTRY_MAX && body_len <= (uint64_t)s->rules.max_bytes / 4;
}

static bool is_shared(const struct store *s)
{
    return atomic_load_explicit(&s->has_peers, memory_order_relaxed);
}

bool store_may_have(struct store *s, const struct key *key)
{
    struct object *held;

    if (is_shared(s) || key_filter_has(&s->filter, db_id(key)))
        return true;
    held = queue_find(&s->queue, key);
    object_unref(held);
    return held != NULL;
}

/* A newer answer of the key is not stored: no get may find the older one in its place. */
static void drop_older(struct store *s, const struct object *object)
{
    const struct purge older = {.one = true, .key = object->key};

    if (object->renews || store_may_have(s, &object->key))
        queue_drop(&s->queue, &older, NULL);
}

void store_put(struct store *s, struct object *object)
{
    if (!store_takes(s, object->body_len)) {
        atomic_fetch_add_explicit(&s->too_large, 1, memory_order_relaxed);
        drop_older(s, object);
        return;
    }
    if (queue_put(&s->queue, object, !object->in_tier))
        return;
    drop_older(s, object);
    atomic_fetch_add_explicit(&s->dropped, 1, memory_order_relaxed);
    store_warn(s, TROUBLE_FULL,
               "the disk of %s cannot keep up: %" PRIu64 " answers were not stored", s->file.folder,
               (uint64_t)atomic_load(&s->dropped));
}

void store_touch(struct store *s, const struct key *key, int64_t now_ms)
{
    queue_touch(&s->queue, db_id(key), now_ms);
}

void store_begin_write(struct store *s, uint64_t collection)
{
    queue_begin_write(&s->queue, collection, is_shared(s));
}

void store_end_write(struct store *s, uint64_t collection)
{
    queue_end_write(&s->queue, collection, is_shared(s));
}

int store_remove(struct store *s, const struct purge *purge, uint64_t *count, struct err *err)
{
    struct store_waiter waiter = {.done = false};

    queue_drop(&s->queue, purge, &waiter);
    queue_wait(&s->queue, &waiter);
    if (waiter.result < 0)
        *err = waiter.err;
    else
        *count = waiter.count;
    return waiter.result;
}

static uint64_t read_figure(const atomic_uint_least64_t *figure)
{
    return atomic_load_explicit(figure, memory_order_relaxed);
}

void store_figures(struct store *s, struct store_figures *figures)
{
    /* Before the figures: the purge ends after they have become 0. */
    bool cleared = queue_clears(&s->queue);

    *figures = (struct store_figures){
        .items = read_figure(&s->items),
        .bytes = read_figure(&s->bytes),
        .evictions = read_figure(&s->evictions),
        .dropped = read_figure(&s->dropped),
        .too_large = read_figure(&s->too_large),
        .damaged = read_figure(&s->damaged),
        .errors = read_figure(&s->errors),
    };
    if (cleared)
        figures->items = figures->bytes = 0;
}

const struct store_ops store_functions = {.close = store_close,
                                          .takes = store_takes,
                                          .put = store_put,
                                          .touch = store_touch,
                                          .begin_write = store_begin_write,
                                          .end_write = store_end_write,
                                          .remove = store_remove,
                                          .may_have = store_may_have,
                                          .open_reader = store_reader_new,
                                          .close_reader = store_reader_free,
                                          .get = store_get,
                                          .rest = store_reader_rest,
                                          .refresh = store_reader_refresh,
                                          .read = store_read,
                                          .figures = store_figures,
                                          .each = store_each,
                                          .find = store_find,
                                          .verify = store_verify};
