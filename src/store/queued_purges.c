/* The purges of the write-behind queue, and their tombstones. See store_queue.h for the threads. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "store/store_queue.h"

#define DROPS_MAX 4096
#define MERGE_LOOK 8 /* pending purges with which a new one is compared */

static const struct purge everything = {.one = false};

static bool is_same(const struct purge *a, const struct purge *b)
{
    return a->one == b->one && a->collection == b->collection &&
           a->stored_before_ms == b->stored_before_ms &&
           (!a->one || memcmp(a->key.bytes, b->key.bytes, KEY_BYTES) == 0) &&
           strcmp(a->model ? a->model : "", b->model ? b->model : "") == 0;
}

/* An equal purge that the writer has not taken and that no put followed which it would have to
 * cover; or NULL. */
static struct queued_purge *find_same(struct store_queue *q, const struct purge *purge)
{
    uint64_t after = purge->collection ? q->last_get : q->last_put;
    unsigned looked = 0;

    for (struct list *node = q->drops.prev; node != &q->drops && looked < MERGE_LOOK;
         node = node->prev, looked++) {
        struct queued_purge *drop = container_of(node, struct queued_purge, node);

        if (drop->place < q->taken || drop->place < after)
            return NULL;
        if (is_same(&drop->purge, purge))
            return drop;
    }
    return NULL;
}

/* May the disk have, or get, an entry that the purge covers? */
static bool may_cover(const struct store_queue *q, const struct purge *purge)
{
    return !purge->collection || stored_gets_has(&q->gets, purge->collection);
}

/* If too many purges are pending: exchanges the tombstone for that of a purge of everything. */
static struct tombstone *widen(struct store_queue *q, struct tombstone *tombstone)
{
    struct tombstone *wide;

    if (atomic_load(&q->drop_count) < DROPS_MAX)
        return tombstone;
    wide = tombstone_hold(&q->tombstones, &everything);
    (void)tombstone_record(&q->tombstones, wide);
    tombstone_release(&q->tombstones, tombstone);
    return wide;
}

/* Takes over the caller's reference. at_ms: Unix time of the purge, for the purge log, and the
 * limit of a purge that is written late. */
static void add_drop(struct store_queue *q, struct tombstone *tombstone, int64_t at_ms,
                     struct store_waiter *waiter)
{
    struct queued_purge *drop;
    struct store_op *op;

    if (!waiter)
        tombstone = widen(q, tombstone);
    pending_writes_purge(&q->pending, &tombstone->purge);
    drop = waiter ? NULL : find_same(q, &tombstone->purge);
    if (drop) {
        if (at_ms > atomic_load(&drop->at_ms))
            atomic_store(&drop->at_ms, at_ms);
        tombstone_release(&q->tombstones, tombstone);
        return;
    }
    drop = mem_zero(sizeof(*drop));
    drop->tombstone = tombstone;
    drop->purge = tombstone->purge;
    atomic_init(&drop->at_ms, at_ms);
    drop->place = q->taken + q->waiting.count;
    list_init(&drop->late);
    list_append(&q->drops, &drop->node);
    atomic_fetch_add(&q->drop_count, 1);
    op = queue_add(q, OP_DROP);
    op->drop = drop;
    op->waiter = waiter;
}

void queue_drop(struct store_queue *q, const struct purge *purge, struct store_waiter *waiter)
{
    struct tombstone *tombstone;

    pthread_mutex_lock(&q->lock);
    tombstone = tombstone_hold(&q->tombstones, purge);
    if (may_cover(q, purge))
        /* May fail: queue_may_forget() finds out later. */
        (void)tombstone_record(&q->tombstones, tombstone);
    add_drop(q, tombstone, clock_unix_ms(), waiter);
    if (waiter)
        q->flush_now = true;
    queue_unlock_and_wake(q);
}

void queue_begin_write(struct store_queue *q, uint64_t collection, bool shared)
{
    const struct purge purge = {.collection = collection};
    struct tombstone *tombstone;

    pthread_mutex_lock(&q->lock);
    tombstone = tombstone_hold(&q->tombstones, &purge);
    if (shared || may_cover(q, &purge))
        (void)tombstone_record(&q->tombstones, tombstone);
    pthread_mutex_unlock(&q->lock);
}

void queue_end_write(struct store_queue *q, uint64_t collection, bool shared)
{
    struct tombstone *tombstone;

    pthread_mutex_lock(&q->lock);
    /* Passes on the reference of queue_begin_write(). */
    tombstone = tombstone_find(&q->tombstones, collection);
    if (shared)
        (void)tombstone_record(&q->tombstones, tombstone);
    add_drop(q, tombstone, clock_unix_ms(), NULL);
    queue_unlock_and_wake(q);
}

bool tombstones_cover(struct store_queue *q, const struct object *object)
{
    bool hides = false;

    if (atomic_load(&q->drop_count) == 0)
        return false;
    pthread_mutex_lock(&q->lock);
    list_each(node, &q->drops) {
        struct queued_purge *drop = container_of(node, struct queued_purge, node);

        hides = hides || purge_covers(&drop->purge, &object->key, object->collection,
                                      object->stored_ms, object->model);
    }
    pthread_mutex_unlock(&q->lock);
    return hides;
}

bool queue_clears(struct store_queue *q)
{
    bool clears = false;

    if (atomic_load(&q->drop_count) == 0)
        return false;
    pthread_mutex_lock(&q->lock);
    list_each(node, &q->drops)
        clears = clears || purge_is_all(&container_of(node, struct queued_purge, node)->purge);
    pthread_mutex_unlock(&q->lock);
    return clears;
}

/* ---- the writer ---- */

/* If no GET was queued after the purge, the disk has no GETs of its collection now. */
static void forget_gets(struct store_queue *q, const struct queued_purge *drop)
{
    if (q->last_get > drop->place)
        return;
    if (purge_is_all(&drop->purge))
        q->gets = (struct stored_gets){.count = 0};
    else if (purge_is_of_collection(&drop->purge))
        stored_gets_remove(&q->gets, drop->purge.collection);
}

void queue_settle(struct store_queue *q, struct queued_purge *drop)
{
    pthread_mutex_lock(&q->lock);
    list_remove(&drop->node);
    atomic_fetch_sub(&q->drop_count, 1);
    forget_gets(q, drop);
    tombstone_release(&q->tombstones, drop->tombstone);
    pthread_mutex_unlock(&q->lock);
    list_remove(&drop->late);
    free(drop);
}

bool queue_may_forget(struct store_queue *q, const struct queued_purge *drop)
{
    bool forgets;

    pthread_mutex_lock(&q->lock);
    forgets = may_cover(q, &drop->purge) && !tombstone_record(&q->tombstones, drop->tombstone);
    pthread_mutex_unlock(&q->lock);
    return forgets;
}

void queue_note_gets(struct store_queue *q, uint64_t collection)
{
    pthread_mutex_lock(&q->lock);
    if (collection)
        stored_gets_add(&q->gets, collection);
    else
        q->gets.any = true;
    pthread_mutex_unlock(&q->lock);
}

struct adoption {
    struct store_queue *queue;
    void (*each)(void *arg, const struct purge *purge);
    void *arg;
};

static void on_adopted(void *arg, struct tombstone *tombstone)
{
    struct adoption *adoption = arg;

    adoption->each(adoption->arg, &tombstone->purge);
    /* No time limit: the clock may have been set since the entries were stored. */
    add_drop(adoption->queue, tombstone, INT64_MAX, NULL);
}

bool queue_adopt(struct store_queue *q, const char *folder,
                 void (*each)(void *arg, const struct purge *purge), void *arg)
{
    struct adoption adoption = {.queue = q, .each = each, .arg = arg};

    bool is_open;

    pthread_mutex_lock(&q->lock);
    is_open = tombstone_log_open(&q->tombstones, folder);
    if (is_open)
        tombstone_adopt(&q->tombstones, on_adopted, &adoption);
    queue_unlock_and_wake(q);
    return is_open;
}
