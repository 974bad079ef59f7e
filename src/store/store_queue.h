/* The write-behind queue: operations in order, from any thread to the writer.
 *
 * Bounds: 16384 waiting operations, and 64 MiB of bodies, in which the bodies of the batch in
 * flight count. Beyond that puts and touches are refused. A purge is never refused, because its
 * entries must not be served again: equal purges are merged, and while 4096 are pending each new
 * one becomes a purge of everything.
 *
 * Touches alone do not start a batch until the file is nearly full (queue_set_full()); until then
 * at most 1024 wait for the next batch. The order of use matters only if entries must be evicted,
 * and each write makes readers read the file anew.
 *
 * Group commit: under light load the writer writes a put at once, because a script or a person
 * repeats its request soon. Under more load it gathers puts for 50 ms, and under heavy load for
 * half a second: a batch writes each page of the file's index once, however many of its entries are
 * new, and the writer evicts the workers' data from the processor's caches.
 *
 * A put that no memory tier has is a pending write (`held`): queue_find() finds the object until it
 * is written, so that the same request is not sent and paid for twice. A purge ends that at once.
 *
 * A purge is *pending* from the moment it is queued until it is committed, which an unwritable disk
 * may delay for long. Readers ask tombstones_cover(). Its tombstone lives as long, and is recorded
 * (tombstone.h) if the disk may have entries that the purge covers. A request that changes a
 * collection holds the tombstone while it is in flight (queue_begin_write()) and passes it on to
 * the purge that follows (queue_end_write()).
 *
 * Any thread may call these functions, without the queue's lock, unless a comment says "Writer".
 */
#ifndef STORE_STORE_QUEUE_H
#define STORE_STORE_QUEUE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "cache/object.h"
#include "cache/purge.h"
#include "store/pending_writes.h"
#include "store/stored_gets.h"
#include "store/tombstone.h"

#define BATCH_OPS 8192
#define BATCH_BYTES ((size_t)8 << 20)

/* The result of a purge or discard, for the caller that waits for it; on that caller's stack.
 * Guarded by the queue's lock. */
struct store_waiter {
    bool done;
    int result;
    uint64_t count;
    struct err err;
};

struct queued_purge {
    struct list node; /* in store_queue.drops, under the queue's lock */
    struct list late; /* in store.late (the writer's): the write failed and is to be tried again */
    struct tombstone *tombstone; /* a reference */
    struct purge purge;          /* the tombstone's; it owns the model */
    _Atomic int64_t at_ms;
    uint64_t place; /* queue position: the number of operations queued before */
};

struct store_op {
    enum store_op_kind { OP_PUT, OP_TOUCH, OP_DROP, OP_DISCARD } kind;
    struct object *object; /* a reference */
    bool held;
    int64_t id; /* db_id() of the touched entry, or of the one to discard if it is damaged */
    int64_t ms;
    uint64_t count; /* out: entries removed */
    struct queued_purge *drop;
    struct store_waiter *waiter;
};

struct store_batch {
    struct store_op *ops;
    size_t count, cap;
    size_t bytes;   /* of all bodies */
    uint64_t place; /* queue position of the first operation; empty batch: of the next */
};

struct store_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled, answered;
    struct store_batch waiting;
    struct store_batch *inflight; /* the writer's current batch; NULL between batches */
    size_t in_hand;               /* bytes of its bodies */
    bool nearly_full;             /* the file is nearly full: touches are urgent */
    size_t touches;               /* waiting touches */
    uint64_t touched_ms;          /* when the first of them was queued (monotonic ms) */
    uint64_t taken;               /* operations that the writer has ever taken */
    /* Queue positions after the last put, and after the last put of a GET. */
    uint64_t last_put;
    uint64_t last_get;
    uint64_t bucket_ms;   /* leaky bucket: when the allowance of immediate batches is full again
                             (monotonic) */
    bool idle, gathering; /* the writer waits: for a first operation; for more */
    bool flush_now, closing;
    struct list drops;
    atomic_uint drop_count;
    struct tombstone_log tombstones;
    struct stored_gets gets;
    struct pending_writes pending;
};

void queue_init(struct store_queue *queue);
/* No other thread may use the queue any more. Frees all but the struct. */
void queue_release(struct store_queue *queue);

/* Queues an object and adds a reference. hold: no memory tier has the object, so queue_find() is to
 * find it. False: refused, because the queue is full or closed, or because the tombstone of a write
 * in progress to the object's collection cannot be recorded. */
bool queue_put(struct store_queue *queue, struct object *object, bool hold);
/* Finds a pending write by key. Returns its object with a reference for the caller, or NULL. Takes
 * the lock only if there are pending writes. */
struct object *queue_find(struct store_queue *queue, const struct key *key);
/* Another process purged entries: removes them from the pending writes. */
void queue_let_go_of_purged(struct store_queue *queue, const struct purge *purge);
/* Queues a use of the entry `id` (db_id()) at now_ms (Unix time). False: refused. */
bool queue_touch(struct store_queue *queue, int64_t id, int64_t now_ms);
/* Queues a purge; the model is copied. waiter: gets the result, and must stay valid until
 * queue_wait() has returned; it also makes the writer run at once. NULL: no result is wanted. */
void queue_drop(struct store_queue *queue, const struct purge *purge, struct store_waiter *waiter);
/* Bracket a request that changes a collection; each begin has one end, which queues a purge of its
 * GETs. shared: other processes may have stored some that this process does not know of. */
void queue_begin_write(struct store_queue *queue, uint64_t collection, bool shared);
void queue_end_write(struct store_queue *queue, uint64_t collection, bool shared);
/* Queues the removal of the entry `id`, if the writer finds it damaged. False: refused, or queued
 * already. With a waiter (as of queue_drop()) it is never refused. */
bool queue_discard(struct store_queue *queue, int64_t id, struct store_waiter *waiter);
/* Blocks until the writer has answered the waiter. Not for the writer's thread. */
void queue_wait(struct store_queue *queue, struct store_waiter *waiter);
/* Does a pending purge cover the object, which was read from disk? The time at which the object was
 * stored is not compared with that of the purge: another process may have stored, after the purge,
 * an answer that the upstream made before. What this process stores after the purge gets to the
 * disk after the purge. */
bool tombstones_cover(struct store_queue *queue, const struct object *object);
/* Is a purge of everything pending? */
bool queue_clears(struct store_queue *queue);
/* The queue position of the next operation. */
uint64_t queue_place(struct store_queue *queue);
void queue_set_full(struct store_queue *queue, bool nearly_full);
void queue_flush_now(struct store_queue *queue); /* the writer runs a round at once */
/* Refuses puts and touches from now on; queue_take() returns false after the last batch. */
void queue_close(struct store_queue *queue);

/* Writer. Waits for urgent operations for wait_ms at most, gathers more, and moves all waiting
 * operations to *batch, which is empty. The batch may remain empty. False: closed and empty.
 * batch_clear() ends the batch. */
bool queue_take(struct store_queue *queue, struct store_batch *batch, unsigned wait_ms);
/* Writer. Wakes the thread that waits; result: 0, or -1 with err; count: entries removed. waiter
 * NULL: no effect. */
void queue_answer(struct store_queue *queue, struct store_waiter *waiter, int result,
                  uint64_t count, const struct err *err);
/* Writer. The purge is committed: frees it, and its tombstone's reference. */
void queue_settle(struct store_queue *queue, struct queued_purge *drop);
/* Writer, after a failed write. May the disk have entries that the purge covers, while its
 * tombstone cannot be recorded? Then the purge would be lost with the process. */
bool queue_may_forget(struct store_queue *queue, const struct queued_purge *drop);
/* Writer. The collection has GETs on disk; 0: any collection may have. */
void queue_note_gets(struct store_queue *queue, uint64_t collection);
/* Writer. Opens the folder's tombstone file, unless it is open, and queues the purges that ended
 * processes left in it; each() gets each purge, with the queue locked. False: the file cannot be
 * opened. */
bool queue_adopt(struct store_queue *queue, const char *folder,
                 void (*each)(void *arg, const struct purge *purge), void *arg);
/* Writer. Removes the objects of operations that are written, or given up, from the pending writes.
 */
void queue_let_go(struct store_queue *queue, struct store_op *ops, size_t count);
/* Writer. Ends the batch: as queue_let_go(), and releases the objects. The array stays, to be
 * reused. */
void batch_clear(struct store_queue *queue, struct store_batch *batch);

/* For the queue's own files, with its lock held. queue_add() returns an operation that is valid
 * until the lock is released; queue_unlock_and_wake() releases the lock. */
struct store_op *queue_add(struct store_queue *queue, enum store_op_kind kind);
void queue_unlock_and_wake(struct store_queue *queue);

#endif
