/* The writer: the thread that alone changes the file.
 *
 * A round: take the queued operations; check that the path still leads to the open file; adopt
 * tombstones; write the operations in transactions, and evict entries down to the bound; read the
 * purge log and apply the purges of other processes; tidy up. Errors are logged and counted. Puts,
 * touches and discards that fail are lost; purges are kept and tried again until they are
 * committed.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/process.h"
#include "store/store_internal.h"

#define POLL_MS 100 /* between readings of the purge log: commands wait for one */
#define RETRY_MS 1000
#define QUIET_MS 2000  /* without a change, before the -wal is emptied */
#define EVICT_MAX 2048 /* entries a transaction, which blocks other writers */
#define SHRINK_FROM ((uint64_t)1 << 20)
#define ADOPT_MS 1000     /* period of the search for orphaned tombstones */
#define WRITER_NICE 5     /* below the workers */
#define FORGET_FROM 4096U /* obsolete ids, before the key filter is rebuilt */

static const struct purge everything = {.one = false};

static void add(atomic_uint_least64_t *figure, uint64_t n)
{
    atomic_fetch_add_explicit(figure, n, memory_order_relaxed);
}

/* ---- the file ---- */

static bool take_sizes(struct store *s)
{
    struct db_sizes sizes;

    if (db_sizes(s->link.db, &sizes) != SQL_OK)
        return false;
    atomic_store_explicit(&s->items, sizes.items, memory_order_relaxed);
    atomic_store_explicit(&s->bytes, sizes.used_bytes, memory_order_relaxed);
    s->free_bytes = sizes.free_bytes;
    queue_set_full(&s->queue, sizes.used_bytes > (uint64_t)s->rules.max_bytes / 4 * 3);
    return true;
}

static void on_id(void *arg, int64_t id)
{
    key_filter_add(arg, id);
}

static void on_collection(void *arg, int64_t collection)
{
    queue_note_gets(arg, (uint64_t)collection);
}

/* Adds the entries that were put since the last call to the key filter and the stored GETs. */
static void learn_new_ids(struct store *s)
{
    if (db_collections(s->link.db, s->filtered, on_collection, &s->queue) != SQL_OK)
        queue_note_gets(&s->queue, 0);
    if (db_ids(s->link.db, &s->filtered, on_id, &s->filter) != SQL_OK)
        /* Gets miss the entries that the filter lacks: they are fetched again. */
        add(&s->errors, 1);
}

/* Rebuilds the key filter from the entries on disk. */
static void learn_ids(struct store *s)
{
    s->filtered = 0;
    key_filter_begin(&s->filter);
    learn_new_ids(s);
    key_filter_end(&s->filter);
}

static void look_for_peers(struct store *s)
{
    atomic_store(&s->has_peers, purge_ack_has_peers(&s->peers));
}

static void replaced(struct store *s)
{
    atomic_fetch_add(&s->generation, 1);
    store_spares_refresh(s);
    if (s->rules.on_replaced)
        s->rules.on_replaced(s->rules.arg);
}

void store_opened(struct store *s)
{
    s->last_seq = 0;
    s->written_ms = clock_mono_ms(); /* another process may have left a -wal: tidy() empties it */
    db_purge_log_last(s->link.db, &s->last_seq);
    (void)store_file_lost_log(&s->file, &s->link); /* records the inodes of -wal and -shm */
    take_sizes(s);
    purge_ack_open(&s->peers, s->file.folder);
    look_for_peers(s);
    learn_ids(s);
    replaced(s);
}

static int begin_anew(struct store *s, const char *why, struct err *err)
{
    if (s->rules.read_only && why) {
        store_file_close(&s->link);
        s->reopen_ms = clock_mono_ms() + RETRY_MS;
        return store_file_leave(&s->file, why, err);
    }
    if (store_file_anew(&s->file, &s->link, why, err) < 0) {
        add(&s->errors, 1);
        store_warn(s, TROUBLE_FILE, "%s", err->text);
        return -1;
    }
    store_opened(s);
    return 0;
}

/* Another file stands at the path, or none is open. Which purges were made in the meantime is
 * unknown: the memory tier and the queued puts are purged, too. */
static void follow_file(struct store *s)
{
    struct err err;

    s->reopen_ms = clock_mono_ms() + RETRY_MS;
    store_file_close(&s->link);
    if (store_file_open(&s->file, &s->link, &err) < 0) {
        add(&s->errors, 1);
        store_warn(s, TROUBLE_FILE, "%s; answers are not stored now", err.text);
        replaced(s); /* readers close the old file, too */
        return;
    }
    store_opened(s);
    peer_purges_add(s, clock_unix_ms(), &everything);
}

/* Another process may have replaced the whole file: store_file_anew() keeps that file, but its
 * purges were not read, so the memory tier is purged. */
static void follow_lost_log(struct store *s)
{
    struct err err;

    if (begin_anew(s, "its log (-wal, -shm) was removed", &err) == 0)
        peer_purges_add(s, clock_unix_ms(), &everything);
}

static void watch_file(struct store *s)
{
    struct err err;
    unsigned damaged = atomic_exchange(&s->damaged_generation, 0);

    if (s->link.db && damaged && damaged == atomic_load(&s->generation))
        (void)begin_anew(s, "it was damaged", &err);
    if (s->link.db && !store_file_is(&s->file, &s->link))
        follow_file(s);
    else if (store_file_lost_log(&s->file, &s->link))
        follow_lost_log(s);
    else if (!s->link.db && clock_mono_ms() >= s->reopen_ms)
        follow_file(s);
}

/* Handles a failed statement: undoes the transaction, fills *err, and recreates a damaged file or
 * sets the time of the next attempt. */
static void trouble(struct store *s, enum sql_result result, struct err *err)
{
    err_set(err, ERR_SYSTEM, "cannot write %s: %s", s->file.path, db_error(s->link.db));
    db_undo(s->link.db);
    add(&s->errors, 1);
    if (result == SQL_DAMAGED) {
        (void)begin_anew(s, "it was damaged", &(struct err){.code = ERR_NONE});
        return;
    }
    s->retry_ms = clock_mono_ms() + RETRY_MS;
    store_warn(s, TROUBLE_WRITE, "%s; answers are not stored now", err->text);
}

/* ---- other processes ---- */

static enum sql_result read_purge_log(struct store *s)
{
    struct purge_log_reader log = {
        .origin = s->origin, .seq = s->last_seq, .each = peer_purges_add, .arg = s};
    enum sql_result result = db_purge_log_read(s->link.db, &log);

    s->last_seq = log.seq;
    if (log.missed)
        peer_purges_add(s, clock_unix_ms(), &everything);
    return result;
}

static void follow_purge_log(struct store *s)
{
    enum sql_result result;

    if (!db_changed(s->link.db) && !s->purge_log_unread)
        return;
    atomic_fetch_add(&s->changes, 1);
    result = read_purge_log(s);
    s->purge_log_unread = result != SQL_OK;
    if (result == SQL_DAMAGED)
        atomic_store(&s->damaged_generation, atomic_load(&s->generation));
    take_sizes(s);
    learn_new_ids(s);
}

/* ---- writing ---- */

static void settle_late(struct store *s)
{
    while (!list_empty(&s->late))
        queue_settle(&s->queue, container_of(list_pop(&s->late), struct queued_purge, late));
}

static bool begins_anew(const struct store_op *op)
{
    return op->kind == OP_DROP && purge_is_all(&op->drop->purge);
}

/* The end of a transaction that begins at `at`: before a purge of everything, or at the size of a
 * batch. */
static size_t end_of(const struct store_batch *batch, size_t at)
{
    size_t end = at, bytes = 0;

    while (end < batch->count && end - at < BATCH_OPS && bytes < BATCH_BYTES &&
           !begins_anew(&batch->ops[end])) {
        const struct store_op *op = &batch->ops[end++];

        bytes += op->object ? op->object->body_len : 0;
    }
    return end;
}

static enum sql_result write_some(struct store *s, struct store_op *ops, size_t count,
                                  uint64_t place)
{
    enum sql_result result = db_begin(s->link.db);

    if (result == SQL_OK)
        result = read_purge_log(s);
    if (result == SQL_OK)
        result = store_write_late(s);
    if (result == SQL_OK)
        result = store_write_ops(s, ops, count, place);
    if (result == SQL_OK)
        result = db_commit(s->link.db);
    atomic_fetch_add(&s->changes, 1);
    return result;
}

static void finish_ops(struct store *s, struct store_op *ops, size_t count)
{
    queue_let_go(&s->queue, ops, count);
    for (size_t i = 0; i < count; i++) {
        if (ops[i].kind == OP_DROP)
            queue_settle(&s->queue, take(ops[i].drop));
        queue_answer(&s->queue, ops[i].waiter, 0, ops[i].count, NULL);
    }
}

/* Neither the database nor the tombstone file takes a purge: without the database its entries
 * cannot come back. */
static void remove_file(struct store *s)
{
    struct err err;

    store_warn(s, TROUBLE_FILE,
               "%s was removed: answers that are out of date could be neither removed from it nor "
               "marked; is the disk full?",
               s->file.path);
    (void)begin_anew(s, NULL, &err);
}

static void fail_ops(struct store *s, struct store_op *ops, size_t count, const struct err *err)
{
    bool forgets = false;

    for (size_t i = 0; i < count; i++) {
        add(&s->dropped, ops[i].kind == OP_PUT);
        if (ops[i].kind == OP_DROP) {
            forgets = forgets || queue_may_forget(&s->queue, ops[i].drop);
            list_append(&s->late, &ops[i].drop->late);
        }
        queue_answer(&s->queue, ops[i].waiter, -1, 0, err);
    }
    if (forgets && !s->rules.read_only)
        remove_file(s);
}

/* Purges everything by recreating the file: at once at any size, and the disk space is free. */
static int drop_everything(struct store *s, struct store_op *op, struct err *err)
{
    struct db_sizes sizes = {.items = 0};

    db_sizes(s->link.db, &sizes);
    if (begin_anew(s, NULL, err) < 0)
        return -1;
    op->count = sizes.items;
    settle_late(s);
    finish_ops(s, op, 1);
    return 0;
}

/* Evicts down to 5 % below the bound, so that not every put evicts, and no further: each evicted
 * entry costs a later miss. A page becomes free with its last entry only, so several steps may be
 * needed. */
static void keep_bound(struct store *s)
{
    uint64_t bound = (uint64_t)s->rules.max_bytes, aim = bound - bound / 20, count = 0;
    enum sql_result result = SQL_OK;
    struct err err;

    while (result == SQL_OK && take_sizes(s) && atomic_load(&s->bytes) > bound) {
        count = 0;
        result = db_begin(s->link.db);
        while (result == SQL_OK && count < EVICT_MAX && take_sizes(s) &&
               atomic_load(&s->bytes) > aim)
            result = db_evict(s->link.db, atomic_load(&s->bytes) - aim, &count);
        if (result == SQL_OK || (result == SQL_NONE && count))
            result = db_commit(s->link.db);
        if (result == SQL_OK)
            add(&s->evictions, count);
    }
    if (result == SQL_NONE)
        db_undo(s->link.db); /* no entry is left: the bound is below the size of the empty tables */
    else if (result != SQL_OK)
        trouble(s, result, &err);
}

static void shrink_now(struct store *s)
{
    while (s->link.db && take_sizes(s) && s->free_bytes && db_shrink(s->link.db) == SQL_OK)
        ;
    if (s->link.db)
        db_checkpoint(s->link.db, true);
}

static bool write_chunk(struct store *s, struct store_batch *batch, size_t *at, struct err *err)
{
    size_t begin = *at, end = end_of(batch, begin);
    enum sql_result result;

    if (!s->link.db) {
        err_set(err, ERR_SYSTEM, "%s cannot be opened", s->file.path);
        return false;
    }
    if (begin < batch->count && begins_anew(&batch->ops[begin])) {
        if (drop_everything(s, &batch->ops[begin], err) < 0)
            return false;
        ++*at;
        return true;
    }
    result = write_some(s, batch->ops + begin, end - begin, batch->place + begin);
    if (result != SQL_OK)
        trouble(s, result, err);
    peer_purges_apply(s);
    if (result != SQL_OK)
        return false;
    *at = end;
    s->written_ms = clock_mono_ms();
    settle_late(s);
    keep_bound(s);
    for (size_t i = begin; i < end; i++)
        if (batch->ops[i].waiter) {
            shrink_now(s);
            break;
        }
    finish_ops(s, batch->ops + begin, end - begin);
    return true;
}

static void write_batch(struct store *s, struct store_batch *batch)
{
    struct err err = {.code = ERR_NONE};
    bool fine = true;
    size_t at = 0;

    do
        fine = write_chunk(s, batch, &at, &err);
    while (fine && at < batch->count);
    if (!fine)
        fail_ops(s, batch->ops + at, batch->count - at, &err);
    batch_clear(&s->queue, batch);
}

/* ---- the thread ---- */

/* Do free pages make the file larger than the bound? New entries fill them; without new entries the
 * file has to shrink. */
static bool is_file_over(const struct store *s)
{
    return s->free_bytes && atomic_load(&s->bytes) + s->free_bytes > (uint64_t)s->rules.max_bytes;
}

static void tidy(struct store *s)
{
    uint64_t now = clock_mono_ms(), used = atomic_load(&s->bytes);

    if (key_filter_count(&s->filter) > 2 * atomic_load(&s->items) + FORGET_FROM)
        learn_ids(s);
    if (!s->tidying)
        s->tidying = s->free_bytes > SHRINK_FROM && s->free_bytes > used / 8;
    if (s->tidying) {
        s->tidying = db_shrink(s->link.db) == SQL_OK && take_sizes(s) && s->free_bytes;
        s->written_ms = now;
    } else if (s->written_ms && now - s->written_ms >= QUIET_MS && is_file_over(s)) {
        s->tidying = true;
    } else if (s->written_ms && now - s->written_ms >= QUIET_MS) {
        s->written_ms = 0;
        db_checkpoint(s->link.db, true);
    }
}

void *store_write(void *arg)
{
    struct store *s = arg;
    struct store_batch batch = {.ops = NULL};

    process_lower_priority(WRITER_NICE);
    while (queue_take(&s->queue, &batch, s->tidying ? 1 : POLL_MS)) {
        bool late = !list_empty(&s->late) && clock_mono_ms() >= s->retry_ms;
        uint64_t end = batch.place + batch.count;

        purge_ack_begin(&s->peers);
        watch_file(s);
        if (clock_mono_ms() - s->adopt_ms >= ADOPT_MS)
            peer_purges_adopt(s);
        look_for_peers(s);
        if (batch.count || (late && s->link.db))
            write_batch(s, &batch);
        if (s->link.db)
            follow_purge_log(s);
        peer_purges_apply(s);
        if (s->link.db)
            tidy(s);
        peer_purges_forget(s, end);
        if (s->link.db && !s->purge_log_unread)
            purge_ack_commit(&s->peers);
    }
    if (s->link.db && is_file_over(s))
        shrink_now(s);
    else if (s->link.db)
        db_checkpoint(s->link.db, true);
    peer_purges_forget(s, UINT64_MAX);
    free(batch.ops);
    return NULL;
}
