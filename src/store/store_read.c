/* Readers, each used by one thread at a time, and reads for commands. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_internal.h"

#define RETRY_MS 1000
#define BUSY_RETRY_MS 20
#define COMMAND_WAIT_MS 3000
#define DISCARD_STEP 256
#define INLINE_MAX ((uint64_t)1024 * 1024) /* bytes of a body, read in one or two ms */

struct store_reader {
    struct store *store;
    struct store_conn link;
    struct entry_codec *codec;
    unsigned generation; /* store.generation of the file that is open */
    unsigned changes;    /* store.changes before this turn's transaction began */
    bool in_turn;
    uint64_t retry_ms;
};

struct store_reader *store_reader_new(struct store *store)
{
    struct store_reader *reader = mem_zero(sizeof(*reader));

    reader->store = store;
    reader->codec = entry_codec_new();
    return reader;
}

void store_reader_rest(struct store_reader *reader)
{
    if (reader && reader->in_turn)
        db_read_end(reader->link.db);
    if (reader)
        reader->in_turn = false;
}

static void close_file(struct store_reader *r)
{
    store_reader_rest(r);
    store_file_close(&r->link);
}

void store_reader_refresh(struct store_reader *reader)
{
    if (reader && reader->link.db && reader->generation != atomic_load(&reader->store->generation))
        close_file(reader);
}

void store_reader_free(struct store_reader *reader)
{
    if (!reader)
        return;
    close_file(reader);
    entry_codec_free(reader->codec);
    free(reader);
}

/* Opens the current file if the reader has another one or none open. False: not possible now. */
static bool is_ready(struct store_reader *r)
{
    unsigned generation = atomic_load(&r->store->generation);
    struct err err;

    if (r->link.db && r->generation == generation)
        return true;
    close_file(r);
    if (clock_mono_ms() < r->retry_ms)
        return false;
    if (store_file_look(&r->store->file, &r->link, 0, &err) < 0) {
        /* Mostly another thread holds the folder's lock to open the file; the writer logs other
         * errors. */
        r->retry_ms = clock_mono_ms() + BUSY_RETRY_MS;
        return false;
    }
    r->generation = generation;
    return true;
}

static void note_damage(struct store *s, unsigned generation)
{
    atomic_store(&s->damaged_generation, generation);
    queue_flush_now(&s->queue);
}

static void note_trouble(struct store_reader *r, enum sql_result result)
{
    struct store *s = r->store;

    if (result == SQL_DAMAGED) {
        note_damage(s, r->generation);
    } else if (result == SQL_TROUBLE) {
        atomic_fetch_add_explicit(&s->errors, 1, memory_order_relaxed);
        store_warn(s, TROUBLE_READ, "cannot read %s: %s", s->file.path, db_error(r->link.db));
        r->retry_ms = clock_mono_ms() + RETRY_MS;
        close_file(r);
    }
}

struct object *store_decode(struct entry_codec *codec, const struct entry *entry)
{
    return db_id(&entry->key) == entry->id ? entry_decode(codec, entry) : NULL;
}

/* Discards by id, because the key may be damaged. Other processes need not know: the objects in
 * their memory tiers are sound. */
static void drop_damaged(struct store *s, int64_t id)
{
    if (!queue_discard(&s->queue, id, NULL))
        return;
    atomic_fetch_add_explicit(&s->damaged, 1, memory_order_relaxed);
    store_warn(s, TROUBLE_ENTRY, "an entry of %s was damaged and is dropped: %016" PRIx64,
               s->file.path, (uint64_t)id << 1);
}

/* Decodes the row; discards it and returns NULL if it is damaged. */
static struct object *read_row(struct store_reader *r, const struct entry *entry)
{
    struct object *object = store_decode(r->codec, entry);

    if (object)
        atomic_store(&object->touched_ms, entry->used_ms > 0 ? entry->used_ms : 0);
    else
        drop_damaged(r->store, entry->id);
    return object;
}

/* One transaction serves all gets of a turn, unless the file has changed since it began. */
static enum sql_result begin_turn(struct store_reader *r)
{
    unsigned changes = atomic_load(&r->store->changes);
    enum sql_result result;

    if (r->in_turn && r->changes == changes)
        return SQL_OK;
    store_reader_rest(r);
    result = db_read(r->link.db);
    r->in_turn = result == SQL_OK;
    r->changes = changes;
    return result;
}

/* Reads the key's entry, unless a pending purge covers it. *object: with a reference, or NULL. A
 * body of more than *max bytes is not read: *max becomes its length. */
static enum sql_result read_file(struct store_reader *r, const struct key *key, uint64_t *max,
                                 struct object **object)
{
    struct entry entry;
    enum sql_result result = begin_turn(r);

    *object = NULL;
    if (result != SQL_OK)
        return result;
    result = db_get(r->link.db, db_id(key), *max, &entry);
    if (result == SQL_OK && entry.body_bytes > *max)
        *max = entry.body_bytes;
    else if (result == SQL_OK)
        *object = read_row(r, &entry);
    db_release(r->link.db);
    /* Two keys may have the same first 63 bits. */
    if (*object && (memcmp((*object)->key.bytes, key->bytes, KEY_BYTES) != 0 ||
                    tombstones_cover(&r->store->queue, *object))) {
        object_unref(*object);
        *object = NULL;
    }
    return result;
}

/* Was a purge committed, or the file replaced, since the read began? Then a purge that covers the
 * object read may no longer be pending. */
static bool is_overtaken(const struct store_reader *r)
{
    return atomic_load(&r->store->changes) != r->changes ||
           atomic_load(&r->store->generation) != r->generation;
}

/* NULL with *larger set: the body has more than body_max bytes. */
static struct object *get_up_to(struct store_reader *r, const struct key *key, uint64_t body_max,
                                bool *larger)
{
    struct object *object = queue_find(&r->store->queue, key); /* newer than the disk */
    enum sql_result result;
    uint64_t max;

    *larger = false;
    if (object)
        return object;
    do {
        object_unref(object);
        if (!is_ready(r))
            return NULL;
        max = body_max;
        result = read_file(r, key, &max, &object);
        *larger = max > body_max;
    } while ((result == SQL_OK || result == SQL_NONE) && is_overtaken(r));
    if (result != SQL_OK)
        note_trouble(r, result);
    return object;
}

struct object *store_reader_read(struct store_reader *r, const struct key *key)
{
    bool larger;

    return get_up_to(r, key, UINT64_MAX, &larger);
}

enum store_got store_get(struct store_reader *r, struct store_get *get)
{
    const uint64_t body_max = r->store->rules.jobs ? INLINE_MAX : UINT64_MAX;
    bool larger;

    get->object = get_up_to(r, &get->key, body_max, &larger);
    if (!larger)
        return get->object ? STORE_HIT : STORE_ABSENT;
    store_long_get(r->store, get);
    return STORE_PENDING;
}

/* ---- commands ---- */

static int look(struct store *s, struct store_conn *link, struct err *err)
{
    return store_file_look(&s->file, link, COMMAND_WAIT_MS, err);
}

static int end_look(struct store *s, struct store_conn *link, enum sql_result result,
                    struct err *err)
{
    if (result != SQL_OK)
        err_set(err, ERR_SYSTEM, "cannot read %s: %s", s->file.path, db_error(link->db));
    if (result == SQL_DAMAGED) {
        if (s->rules.read_only)
            store_file_leave(&s->file, "it is damaged", err);
        else
            err_wrap(err, "the cache file is damaged, and is begun anew");
        note_damage(s, atomic_load(&s->generation));
    }
    store_file_close(link);
    return result == SQL_OK ? 0 : -1;
}

int store_each(struct store *s, bool (*each)(void *arg, const struct store_row *row), void *arg,
               struct err *err)
{
    struct store_conn link;

    if (look(s, &link, err) < 0)
        return -1;
    return end_look(s, &link, db_list(link.db, each, arg), err);
}

int store_find(struct store *s, const struct key *begin, unsigned bits, struct key *key,
               struct err *err)
{
    struct store_conn link;
    int found = 0;

    if (look(s, &link, err) < 0 ||
        end_look(s, &link, db_find(link.db, begin, bits, key, &found), err) < 0)
        return -1;
    return found;
}

struct check {
    struct entry_codec *codec;
    uint64_t good, damaged;
    int64_t *ids; /* of the damaged rows */
    bool (*each)(void *arg, const struct key *key, bool sound);
    void *arg;
};

static bool check_one(void *arg, const struct entry *entry)
{
    struct check *check = arg;
    struct object *object = store_decode(check->codec, entry);

    object_unref(object);
    if (check->each && !check->each(check->arg, &entry->key, object != NULL))
        return false;
    if (object) {
        check->good++;
        return true;
    }
    check->ids = mem_grow(check->ids, (size_t)(check->damaged + 1) * sizeof(check->ids[0]));
    check->ids[check->damaged++] = entry->id;
    return true;
}

/* Waits once for each DISCARD_STEP ids: bounds each transaction, and saves one for each id. */
static int discard_all(struct store *s, const int64_t *ids, uint64_t count, struct err *err)
{
    for (uint64_t i = 0; i < count; i++) {
        struct store_waiter waiter = {.done = false};
        bool waits = i + 1 == count || i % DISCARD_STEP == DISCARD_STEP - 1;

        queue_discard(&s->queue, ids[i], waits ? &waiter : NULL);
        atomic_fetch_add_explicit(&s->damaged, 1, memory_order_relaxed);
        if (!waits)
            continue;
        queue_wait(&s->queue, &waiter);
        if (waiter.result < 0) {
            *err = waiter.err;
            return err_wrap(err, "damaged answers cannot be removed");
        }
    }
    return 0;
}

int store_verify(struct store *s, struct store_verified *verified,
                 bool (*each)(void *arg, const struct key *key, bool sound), void *arg,
                 struct err *err)
{
    struct check check = {.each = each, .arg = arg};
    struct store_conn link;
    int result;

    if (look(s, &link, err) < 0)
        return -1;
    check.codec = entry_codec_new();
    result = end_look(s, &link, db_check(link.db, check_one, &check), err);
    entry_codec_free(check.codec);
    if (result == 0)
        result = discard_all(s, check.ids, check.damaged, err);
    free(check.ids);
    *verified = (struct store_verified){.good = check.good, .damaged = check.damaged};
    return result;
}
