/* The operations of a batch, carried out within a transaction. The writer's.
 *
 * Puts are written in queue order: clients mostly repeat requests in the same order, and find their
 * entries side by side. (In the order of ids the index would be written a little faster, and the
 * first hits after a restart would take a fifth longer.)
 */
#include "base/mem.h"
#include "store/store_internal.h"

/* Did another process purge the object while it was fetched, or waited in our queue? The upstream
 * may have made the answer before the write that caused the purge. */
static bool is_stale(const struct store *s, const struct object *o, uint64_t place)
{
    const int64_t asked_ms = o->stored_ms - o->took_ms;

    for (size_t i = 0; i < s->peer_purge_count; i++)
        if (place < s->peer_purges[i].until && asked_ms <= s->peer_purges[i].at_ms &&
            purge_covers(&s->peer_purges[i].purge, &o->key, o->collection, o->stored_ms, o->model))
            return true;
    return false;
}

static enum sql_result write_drop(struct store *s, struct queued_purge *drop, int64_t until_ms,
                                  uint64_t *count)
{
    enum sql_result result = db_drop(s->link.db, &drop->purge, until_ms, count);

    if (result != SQL_OK)
        return result;
    return db_purge_log_append(s->link.db, s->origin, atomic_load(&drop->at_ms), &drop->purge);
}

/* Discards a row that a reader found damaged, unless a sound answer has replaced it since. */
static enum sql_result discard(struct store *s, int64_t id, uint64_t *count)
{
    struct entry entry;
    struct object *sound = NULL;
    enum sql_result result = db_get(s->link.db, id, UINT64_MAX, &entry);

    if (result == SQL_OK)
        sound = store_decode(s->codec, &entry);
    db_release(s->link.db);
    object_unref(sound);
    if (result == SQL_OK && !sound)
        return db_discard(s->link.db, id, count);
    return result == SQL_NONE ? SQL_OK : result;
}

/* Other processes may have the replaced answer in memory: the purge log names it. */
static enum sql_result log_replaced(struct store *s, const struct object *o)
{
    const struct purge older = {.one = true, .key = o->key, .stored_before_ms = o->stored_ms};

    if (!atomic_load(&s->has_peers))
        return SQL_OK;
    return db_purge_log_append(s->link.db, s->origin, o->stored_ms, &older);
}

static enum sql_result write_put(struct store *s, const struct object *o)
{
    struct entry entry;
    enum sql_result result;
    uint64_t replaced;

    entry_encode(s->codec, o, &entry);
    key_filter_add(&s->filter, db_id(&entry.key));
    /* used_ms is the time of the answer, not of this write: queued touches have their own times,
     * too. */
    result = db_put(s->link.db, &entry, o->stored_ms, &replaced);
    return result == SQL_OK && replaced ? log_replaced(s, o) : result;
}

static enum sql_result write_op(struct store *s, struct store_op *op, uint64_t place)
{
    switch (op->kind) {
    case OP_PUT:
        return is_stale(s, op->object, place) ? SQL_OK : write_put(s, op->object);
    case OP_TOUCH:
        return db_touch(s->link.db, op->id, op->ms);
    case OP_DROP:
        /* Operations apply in queue order, so every row present predates this purge: no time limit
         * is needed. */
        op->count = 0;
        return write_drop(s, op->drop, INT64_MAX, &op->count);
    case OP_DISCARD:
        op->count = 0;
        return discard(s, op->id, &op->count);
    }
    return SQL_OK;
}

enum sql_result store_write_late(struct store *s)
{
    enum sql_result result = SQL_OK;
    uint64_t count = 0;

    list_each(node, &s->late) {
        struct queued_purge *drop = container_of(node, struct queued_purge, late);

        if (result == SQL_OK) /* newer entries were written since: limit by time */
            result = write_drop(s, drop, atomic_load(&drop->at_ms), &count);
    }
    return result;
}

enum sql_result store_write_ops(struct store *s, struct store_op *ops, size_t count, uint64_t place)
{
    enum sql_result result = SQL_OK;

    for (size_t at = 0; at < count && result == SQL_OK; at++)
        result = write_op(s, &ops[at], place + at);
    return result;
}
