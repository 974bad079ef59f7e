#include "store/store_queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/mem.h"

#define OPS_MAX 16384
#define BYTES_MAX ((size_t)64 << 20)
/* Touches are not urgent: a transaction costs as much as many entries. */
#define TOUCH_WAIT_MS 2000U
#define TOUCHES_IDLE 1024U /* touches that may wait while the file has room */
#define TOUCHES_FULL 512U  /* touches that start a batch near the file's bound */
#define GATHER_MS 50U
#define PROMPT_MAX 20U /* immediate batches in a row; each GATHER_MS allows another */
#define BUSY_OPS 128   /* operations within GATHER_MS that mean heavy load */
#define GATHER_BUSY_MS 450U

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
    tombstone_log_init(&q->tombstones);
    atomic_init(&q->drop_count, 0);
    atomic_init(&q->pending.count, 0);
}

void queue_release(struct store_queue *q)
{
    batch_clear(q, &q->waiting);
    free(q->waiting.ops);
    while (!list_empty(&q->drops))
        free(container_of(list_pop(&q->drops), struct queued_purge, node));
    tombstone_log_release(&q->tombstones);
    pthread_cond_destroy(&q->filled);
    pthread_cond_destroy(&q->answered);
    pthread_mutex_destroy(&q->lock);
}

/* ---- any thread ---- */

struct store_op *queue_add(struct store_queue *q, enum store_op_kind kind)
{
    struct store_batch *w = &q->waiting;

    if (w->count == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 64;
        w->ops = mem_grow(w->ops, w->cap * sizeof(w->ops[0]));
    }
    w->ops[w->count] = (struct store_op){.kind = kind};
    return &w->ops[w->count++];
}

/* Should the writer write now? The lock is held. */
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

/* Is the writer to be woken? Resets its waiting flags if so. The lock is held. */
static bool is_to_wake(struct store_queue *q)
{
    bool wake = (q->idle && (is_urgent(q) || q->flush_now || q->closing)) ||
                (q->gathering && (is_full(&q->waiting) || q->flush_now || q->closing));

    if (wake)
        q->idle = q->gathering = false;
    return wake;
}

void queue_unlock_and_wake(struct store_queue *q)
{
    bool wake = is_to_wake(q);

    pthread_mutex_unlock(&q->lock);
    if (wake)
        pthread_cond_signal(&q->filled);
}

struct object *queue_find(struct store_queue *q, const struct key *key)
{
    struct object *object;

    if (pending_writes_none(&q->pending))
        return NULL;
    pthread_mutex_lock(&q->lock);
    object = pending_writes_find(&q->pending, key);
    if (object)
        object_ref(object);
    pthread_mutex_unlock(&q->lock);
    return object;
}

void queue_let_go_of_purged(struct store_queue *q, const struct purge *purge)
{
    if (pending_writes_none(&q->pending))
        return;
    pthread_mutex_lock(&q->lock);
    pending_writes_purge(&q->pending, purge);
    pthread_mutex_unlock(&q->lock);
}

/* While a request that changes the collection is in flight, a GET of it must not be stored without
 * a recorded tombstone: it would outlive the process. False: no record is possible. */
static bool note_get(struct store_queue *q, uint64_t collection)
{
    struct tombstone *tombstone = tombstone_find(&q->tombstones, collection);

    if (tombstone && !tombstone_record(&q->tombstones, tombstone))
        return false;
    stored_gets_add(&q->gets, collection);
    return true;
}

bool queue_put(struct store_queue *q, struct object *object, bool hold_it)
{
    struct store_op *op;
    bool fits;

    pthread_mutex_lock(&q->lock);
    fits = q->waiting.count < OPS_MAX &&
           q->waiting.bytes + q->in_hand + object->body_len <= BYTES_MAX && !q->closing;
    if (fits && object->collection)
        fits = note_get(q, object->collection);
    if (fits) {
        op = queue_add(q, OP_PUT);
        op->object = object_ref(object);
        op->held = hold_it;
        if (hold_it)
            pending_writes_add(&q->pending, object);
        q->waiting.bytes += object->body_len;
        q->last_put = q->taken + q->waiting.count;
        if (object->collection)
            q->last_get = q->last_put;
    }
    queue_unlock_and_wake(q);
    return fits;
}

bool queue_touch(struct store_queue *q, int64_t id, int64_t now_ms)
{
    bool fits;

    pthread_mutex_lock(&q->lock);
    fits = q->waiting.count < OPS_MAX && !q->closing &&
           (q->nearly_full || q->touches < TOUCHES_IDLE);
    if (fits) {
        struct store_op *op = queue_add(q, OP_TOUCH);

        op->id = id;
        op->ms = now_ms;
        if (q->touches++ == 0)
            q->touched_ms = clock_mono_ms();
    }
    queue_unlock_and_wake(q);
    return fits;
}

/* Safe for the batch in flight: `kind` and `id` are constant, though the writer changes other
 * members without the lock. */
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
           (q->waiting.count < OPS_MAX && !discards(&q->waiting, id) && !discards(q->inflight, id));
    if (fits) {
        struct store_op *op = queue_add(q, OP_DISCARD);

        op->id = id;
        op->waiter = waiter;
        q->flush_now = q->flush_now || waiter;
    }
    queue_unlock_and_wake(q);
    return fits;
}

void queue_wait(struct store_queue *q, struct store_waiter *waiter)
{
    pthread_mutex_lock(&q->lock);
    while (!waiter->done)
        pthread_cond_wait(&q->answered, &q->lock);
    pthread_mutex_unlock(&q->lock);
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

void queue_flush_now(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->flush_now = true;
    queue_unlock_and_wake(q);
}

void queue_close(struct store_queue *q)
{
    pthread_mutex_lock(&q->lock);
    q->closing = true;
    queue_unlock_and_wake(q);
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
    return !q->flush_now && !q->closing;
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

/* Leaky bucket: bucket_ms is ahead of the present by GATHER_MS for each recent immediate batch.
 * False: the allowance is used up. */
static bool bucket_take(struct store_queue *q)
{
    uint64_t now = clock_mono_ms();

    if (q->bucket_ms < now)
        q->bucket_ms = now;
    if (q->bucket_ms - now > (PROMPT_MAX - 1) * GATHER_MS)
        return false;
    q->bucket_ms += GATHER_MS;
    return true;
}

static void gather_some(struct store_queue *q)
{
    unsigned ahead = PROMPT_MAX * GATHER_MS;

    if (bucket_take(q))
        return;
    gather(q, GATHER_MS);
    if (q->waiting.count >= BUSY_OPS) {
        gather(q, GATHER_BUSY_MS);
        ahead += GATHER_BUSY_MS;
    }
    q->bucket_ms = clock_mono_ms() + ahead;
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
        q->inflight = batch;
        q->in_hand = batch->bytes;
    }
    batch->place = q->taken;
    q->taken += batch->count;
    q->flush_now = false;
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

static void let_go_of_ops(struct store_queue *q, struct store_op *ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ops[i].held) {
            pending_writes_remove(&q->pending, ops[i].object);
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
    q->inflight = NULL;
    q->in_hand = 0;
    pthread_mutex_unlock(&q->lock);
    for (size_t i = 0; i < batch->count; i++)
        object_unref(batch->ops[i].object);
    batch->count = batch->bytes = 0;
}
