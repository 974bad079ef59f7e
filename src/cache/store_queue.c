#include "cache/store_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

#define OPS_MAX 16384
#define BYTES_MAX ((size_t)64 << 20)
#define DROPS_MAX 4096
/* A transaction costs as much as many entries, and nobody waits for this one. */
#define TOUCH_WAIT_MS 2000U
#define TOUCHES_IDLE 1024U /* taken while there is room */
#define TOUCHES_FULL 512U  /* so many are company enough near the bound */
#define GATHER_MS 50U
#define PROMPT_MAX 20U /* batches that do not wait for more; one again each GATHER_MS */
#define BUSY_OPS 128   /* so many within that time: more will come */
#define GATHER_BUSY_MS 450U
#define MERGE_LOOK 8 /* pending drops that a new one is compared with */

void queue_init(struct store_queue *q)
{
    pthread_condattr_t monotonic;

    memset(q, 0, sizeof(*q));
    pthread_mutex_init(&q->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&q->filled, &monotonic);
    pthread_cond_init(&q->answered, NULL);
    pthread_condattr_destroy(&monotonic);
    list_init(&q->drops);
    atomic_init(&q->drop_count, 0);
    atomic_init(&q->holds.count, 0);
}

static void free_drop(struct store_drop *drop)
{
    free(drop->model);
    free(drop);
}

void queue_release(struct store_queue *q)
{
    batch_clear(q, &q->waiting);
    free(q->waiting.ops);
    while (!list_empty(&q->drops))
        free_drop(container_of(list_pop(&q->drops), struct store_drop, node));
    pthread_cond_destroy(&q->filled);
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
}

/* ---- any thread ---- */

static struct store_op *add(struct store_queue *q, enum store_op_kind kind)
{
    struct store_batch *w = &q->waiting;

    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 64;
        w->ops = mem_grow(w->ops, w->cap * sizeof(w->ops[0]));
    }
    w->ops[w->count] = (struct store_op){.kind = kind};
    return &w->ops[w->count++];
}

/* Is there something that should be written now? The lock is held. */
static bool is_urgent(const struct store_queue *q)
{
    const struct store_batch *w = &q->waiting;

    if (w->count > q->touches || (q->nearly_full && w->count >= TOUCHES_FULL))
        return true;
    return q->nearly_full && w->count > 0 && clock_mono_ms() - q->touched_ms >= TOUCH_WAIT_MS;
}

static bool is_full(const struct store_batch *batch)
{
    return batch->count >= BATCH_OPS || batch->bytes >= BATCH_BYTES;
}

/* Wakes the writer where it waits for just this; the lock is held. */
static bool is_to_wake(struct store_queue *q)
{
    bool wake = (q->idle && (is_urgent(q) || q->hurry || q->closing)) ||
                (q->gathering && (is_full(&q->waiting) || q->hurry || q->closing));

    if (wake)
        q->idle = q->gathering = false;
    return wake;
}

static void unlock_and_wake(struct store_queue *q)
{
    bool wake = is_to_wake(q);

    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->filled);
}

struct object *queue_find(struct store_queue *q, const struct key *key)
{
    struct object *object;

    if (held_none(&q->holds))
        return NULL;
    pthread_mutex_lock(&q->lock);
    object = held_find(&q->holds, key);
    if (object)
        object_ref(object);
    pthread_mutex_unlock(&q->lock);
    return object;
}

void queue_let_go_of_purged(struct store_queue *q, const struct store_purge *purge)
{
    if (held_none(&q->holds))
        return;
    pthread_mutex_lock(&q->lock);
    held_let_go_of_purged(&q->holds, purge);
    pthread_mutex_unlock(&q->lock);
}

bool queue_put(struct store_queue *q, struct object *object, bool hold_it)
{
    struct store_op *op;
    bool fits;

    pthread_mutex_lock(&q->lock);
    fits = q->waiting.count < OPS_MAX &&
           q->waiting.bytes + q->in_hand + object->body_len <= BYTES_MAX && !q->closing;
    if (fits) {
        op = add(q, OP_PUT);
        op->object = object_ref(object);
        op->held = hold_it;
        if (hold_it)
            held_add(&q->holds, object);
        q->waiting.bytes += object->body_len;
        q->last_put = q->taken + q->waiting.count;
        if (object->collection)
            q->last_get = q->last_put;
    }
    unlock_and_wake(q);
    return fits;
}

bool queue_touch(struct store_queue *q, int64_t id, int64_t now_ms)
{
    bool fits;

    pthread_mutex_lock(&q->lock);
    fits = q->waiting.count < OPS_MAX && !q->closing &&
           (q->nearly_full || q->touches < TOUCHES_IDLE);
    if (fits) {
        struct store_op *op = add(q, OP_TOUCH);

        op->id = id;
        op->ms = now_ms;
        if (q->touches++ == 0)
            q->touched_ms = clock_mono_ms();
    }
    unlock_and_wake(q);
    return fits;
}

static bool is_same(const struct store_purge *a, const struct store_purge *b)
{
    return a->one == b->one && a->collection == b->collection &&
           a->stored_before_ms == b->stored_before_ms &&
           (!a->one || memcmp(a->key.bytes, b->key.bytes, KEY_BYTES) == 0) &&
           strcmp(a->model ? a->model : "", b->model ? b->model : "") == 0;
}

/* Is there an equal one that is not yet taken, and no put after it that it would have to cover? */
static struct store_drop *find_same(struct store_queue *q, const struct store_purge *purge)
{
    uint64_t after = purge->collection ? q->last_get : q->last_put;
    unsigned looked = 0;

    for (struct list *node = q->drops.prev; node != &q->drops && looked < MERGE_LOOK;
         node = node->prev, looked++) {
        struct store_drop *drop = container_of(node, struct store_drop, node);

        if (drop->place < q->taken || drop->place < after)
            return NULL;
        if (is_same(&drop->purge, purge))
            return drop;
    }
    return NULL;
}

static void add_drop(struct store_queue *q, const struct store_purge *purge,
                     struct store_waiter *waiter)
{
    static const struct store_purge everything = {.one = false};
    struct store_drop *drop;
    struct store_op *op;

    if (!waiter && atomic_load(&q->drop_count) >= DROPS_MAX)
        purge = &everything;
    drop = waiter ? NULL : find_same(q, purge);
    if (drop) {
        atomic_store(&drop->at_ms, clock_unix_ms());
        return;
    }
    drop = mem_zero(sizeof(*drop));
    drop->purge = *purge;
    drop->model = purge->model ? mem_strdup(purge->model) : NULL;
    drop->purge.model = drop->model;
    atomic_init(&drop->at_ms, clock_unix_ms());
    drop->place = q->taken + q->waiting.count;
    list_init(&drop->late);
    list_append(&q->drops, &drop->node);
    atomic_fetch_add(&q->drop_count, 1);
    op = add(q, OP_DROP);
    op->drop = drop;
    op->waiter = waiter;
}

void queue_drop(struct store_queue *q, const struct store_purge *purge, struct store_waiter *waiter)
{
    pthread_mutex_lock(&q->lock);
    add_drop(q, purge, waiter);
    held_let_go_of_purged(&q->holds, purge);
    if (waiter)
        q->hurry = true;
    unlock_and_wake(q);
}

/* Of an operation in hand the kind and the id are read only, which nobody changes. */
static bool discards(const struct store_batch *batch, int64_t id)
{
    for (size_t i = 0; batch && i < batch->count; i++)
        if (batch->ops[i].kind == OP_DISCARD && batch->ops[i].id == id)
            return true;
    return false;
}

bool queue_discard(struct store_queue *q, int64_t id, struct store_waiter *waiter)
{
    bool fits;

    pthread_mutex_lock(&q->lock);
    fits = waiter ||
           (q->waiting.count < OPS_MAX && !discards(&q->waiting, id) && !discards(q->hand, id));
    if (fits) {
        struct store_op *op = add(q, OP_DISCARD);

        op->id = id;
        op->waiter = waiter;
        q->hurry = q->hurry || waiter;
    }
    unlock_and_wake(q);
    return fits;
}

void queue_wait(struct store_queue *q, struct store_waiter *waiter)
{
    pthread_mutex_lock(&q->lock);
    while (!waiter->done)
        pthread_cond_wait(&q->answered, &q->lock);
    pthread_mutex_unlock(&q->lock);
}

bool queue_hides(struct store_queue *q, const struct object *object)
{
    bool hides = false;

    if (atomic_load(&q->drop_count) == 0)
        return false;
    pthread_mutex_lock(&q->lock);
    list_each(node, &q->drops) {
        struct store_drop *drop = container_of(node, struct store_drop, node);

        hides = hides || (object->stored_ms <= atomic_load(&drop->at_ms) &&
                          store_purge_covers(&drop->purge, &object->key, object->collection,
                                             object->stored_ms, object->model));
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
        clears = clears || store_purge_is_all(&container_of(node, struct store_drop, node)->purge);
    pthread_mutex_unlock(&q->lock);
    return clears;
}

uint64_t queue_place(struct store_queue *q)
{
    uint64_t place;

    pthread_mutex_lock(&q->lock);
    place = q->taken + q->waiting.count;
    pthread_mutex_unlock(&q->lock);
    return place;
}

void queue_set_full(struct store_queue *q, bool nearly_full)
{
    pthread_mutex_lock(&q->lock);
    q->nearly_full = nearly_full;
    pthread_mutex_unlock(&q->lock);
}

void queue_hurry(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->hurry = true;
    unlock_and_wake(q);
}

void queue_close(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closing = true;
    unlock_and_wake(q);
}

/* ---- the writer ---- */

static struct timespec in_ms(unsigned ms)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * 1000000L;
    if (t.tv_nsec >= 1000000000L) {
        t.tv_nsec -= 1000000000L;
        t.tv_sec++;
    }
    return t;
}

static bool is_quiet(const struct store_queue *q)
{
    return !q->hurry && !q->closing;
}

static void gather(struct store_queue *q, unsigned ms)
{
    struct timespec until = in_ms(ms);
    int code = 0;

    while (!is_full(&q->waiting) && is_quiet(q) && code != ETIMEDOUT) {
        q->gathering = true;
        code = pthread_cond_timedwait(&q->filled, &q->lock, &until);
    }
    q->gathering = false;
}

/* As a leaky bucket counts: crowded_ms is ahead of now by what was taken lately. */
static bool is_prompt(struct store_queue *q)
{
    uint64_t now = clock_mono_ms();

    if (q->crowded_ms < now)
        q->crowded_ms = now;
    if (q->crowded_ms - now > (PROMPT_MAX - 1) * GATHER_MS)
        return false;
    q->crowded_ms += GATHER_MS;
    return true;
}

static void gather_some(struct store_queue *q)
{
    unsigned ahead = PROMPT_MAX * GATHER_MS;

    if (is_prompt(q))
        return;
    gather(q, GATHER_MS);
    if (q->waiting.count >= BUSY_OPS) {
        gather(q, GATHER_BUSY_MS);
        ahead += GATHER_BUSY_MS;
    }
    q->crowded_ms = clock_mono_ms() + ahead;
}

static void await_ops(struct store_queue *q, unsigned wait_ms)
{
    struct timespec until = in_ms(wait_ms);
    int code = 0;

    while (!is_urgent(q) && is_quiet(q) && code != ETIMEDOUT) {
        q->idle = true;
        code = pthread_cond_timedwait(&q->filled, &q->lock, &until);
    }
    q->idle = false;
    if (is_urgent(q))
        gather_some(q);
}

bool queue_take(struct store_queue *q, struct store_batch *batch, unsigned wait_ms)
{
    struct store_batch empty = *batch;
    bool more;

    pthread_mutex_lock(&q->lock);
    await_ops(q, wait_ms);
    more = q->waiting.count > 0 || !q->closing;
    if (is_urgent(q) || !is_quiet(q)) {
        *batch = q->waiting;
        q->waiting = empty;
        q->touches = 0;
        q->hand = batch;
        q->in_hand = batch->bytes;
    }
    batch->place = q->taken;
    q->taken += batch->count;
    q->hurry = false;
    pthread_mutex_unlock(&q->lock);
    return more;
}

void queue_answer(struct store_queue *q, struct store_waiter *waiter, int result, uint64_t count,
                  const struct err *err)
{
    if (!waiter)
        return;
    pthread_mutex_lock(&q->lock);
    waiter->result = result;
    waiter->count = count;
    if (result < 0)
        waiter->err = *err;
    waiter->done = true;
    pthread_cond_broadcast(&q->answered);
    pthread_mutex_unlock(&q->lock);
}

void queue_settle(struct store_queue *q, struct store_drop *drop)
{
    pthread_mutex_lock(&q->lock);
    list_remove(&drop->node);
    atomic_fetch_sub(&q->drop_count, 1);
    pthread_mutex_unlock(&q->lock);
    list_remove(&drop->late);
    free_drop(drop);
}

static void let_go_of_ops(struct store_queue *q, struct store_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i].held) {
            held_let_go(&q->holds, ops[i].object);
            ops[i].held = false;
        }
}

void queue_let_go(struct store_queue *q, struct store_op *ops, size_t count)
{
    pthread_mutex_lock(&q->lock);
    let_go_of_ops(q, ops, count);
    pthread_mutex_unlock(&q->lock);
}

void batch_clear(struct store_queue *q, struct store_batch *batch)
{
    pthread_mutex_lock(&q->lock);
    let_go_of_ops(q, batch->ops, batch->count);
    q->hand = NULL;
    q->in_hand = 0;
    pthread_mutex_unlock(&q->lock);
    for (size_t i = 0; i < batch->count; i++)
        object_unref(batch->ops[i].object);
    batch->count = batch->bytes = 0;
}
