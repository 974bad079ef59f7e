/* What is to be written, in order, on its way from any thread to the writer.
 *
 * Bounded: at most 16384 operations wait, with 64 MiB of bodies (those that are being written
 * count); beyond that puts and touches are refused. A drop is never refused, because what it takes
 * away must not be served again: equal ones are merged, and if thousands differ they become one
 * that takes away everything.
 *
 * Touches alone wait for company, and as long as there is plenty of room (queue_set_full()) only so
 * many are taken at all: who was used last matters where something has to go, and each write makes
 * readers look at the file anew.
 *
 * What is put is written at once where little comes, because who asks for little (a script, a
 * person) looks for it at once. Where more comes it waits for company, for 50 ms, or half a second
 * where it is much: a batch writes each page of the file's index once, however many of its entries
 * are new, and writing takes the processor's caches away from those who serve.
 *
 * A put that no memory tier has is *held*: queue_find() finds it until it is written, so that the
 * same answer is not asked and paid for once more. A drop ends that at once.
 *
 * A drop is *pending* from the moment it is queued until it is on disk, even where that takes long
 * because the disk cannot be written to. Readers ask tombstones_cover(). It has a tombstone for as
 * long, which is recorded (tombstone.h) where the disk may have entries that the drop covers. A
 * request that changes a collection takes that tombstone before it goes out (queue_begin_write()),
 * and gives it to the drop that follows it (queue_end_write()).
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

/* A thread that waits for a purge or discard; guarded by the queue's lock. */
struct store_waiter {
    bool done;
    int result;
    uint64_t count;
    struct err err;
};

struct queued_purge {
    struct list node; /* of the pending ones, under the queue's lock */
    struct list late; /* the writer's: it could not be written and is to be tried again */
    struct tombstone *tombstone; /* a reference */
    struct purge purge;          /* the tombstone's */
    _Atomic int64_t at_ms;
    uint64_t place; /* among all operations ever queued */
};

struct store_op {
    enum store_op_kind { OP_PUT, OP_TOUCH, OP_DROP, OP_DISCARD } kind;
    struct object *object; /* a reference */
    bool held;
    int64_t id; /* of the row that was used, or is to be discarded, if it is damaged indeed */
    int64_t ms;
    uint64_t count; /* of entries that went */
    struct queued_purge *drop;
    struct store_waiter *waiter;
};

struct store_batch {
    struct store_op *ops;
    size_t count, cap;
    size_t bytes;   /* of bodies */
    uint64_t place; /* of the first, or the next, among all operations ever queued */
};

struct store_queue {
    pthread_mutex_t lock;
    pthread_cond_t filled, answered;
    struct store_batch waiting;
    struct store_batch *inflight; /* the batch that was taken last, until it is written */
    size_t in_hand;               /* its bytes */
    bool nearly_full;             /* the file is: touches count */
    size_t touches;               /* of those that wait */
    uint64_t touched_ms;          /* when the first of them came */
    uint64_t taken;               /* operations ever taken */
    uint64_t last_put; /* the place after the last put; and after the last one of a GET */
    uint64_t last_get;
    uint64_t bucket_ms;   /* leaky bucket: when the allowance of immediate batches is full again
                             (monotonic) */
    bool idle, gathering; /* the writer waits: for anything, for more */
    bool flush_now, closing;
    struct list drops;
    atomic_uint drop_count;
    struct tombstone_log tombstones;
    struct stored_gets gets;
    struct pending_writes pending;
};

void queue_init(struct store_queue *queue);
void queue_release(struct store_queue *queue);

/* Any thread. False: refused. hold: nobody else has it. */
bool queue_put(struct store_queue *queue, struct object *object, bool hold);
/* Finds a pending write by key; adds a reference. NULL: none. Mostly takes no lock. */
struct object *queue_find(struct store_queue *queue, const struct key *key);
/* Another process took that away: nothing of it is found any more. */
void queue_let_go_of_purged(struct store_queue *queue, const struct purge *purge);
bool queue_touch(struct store_queue *queue, int64_t id, int64_t now_ms);
void queue_drop(struct store_queue *queue, const struct purge *purge, struct store_waiter *waiter);
/* Around a request that changes a collection; each begin has one end, which drops its GETs.
 * shared: other processes may have stored some that we do not know of. */
void queue_begin_write(struct store_queue *queue, uint64_t collection, bool shared);
void queue_end_write(struct store_queue *queue, uint64_t collection, bool shared);
/* False as well: that row is to be discarded already. With a waiter it is always true. */
bool queue_discard(struct store_queue *queue, int64_t id, struct store_waiter *waiter);
/* Waits for the answer to the drop or discard that was queued with it. */
void queue_wait(struct store_queue *queue, struct store_waiter *waiter);
/* Does a drop that is pending cover this? */
bool tombstones_cover(struct store_queue *queue, const struct object *object);
/* Is a drop of everything pending? */
bool queue_clears(struct store_queue *queue);
/* Of what is queued next, among all operations ever queued. */
uint64_t queue_place(struct store_queue *queue);
void queue_set_full(struct store_queue *queue, bool nearly_full);
void queue_flush_now(struct store_queue *queue); /* the writer is to look after things now */
void queue_close(struct store_queue *queue);

/* Writer. Takes all that waits, after having gathered some, into *batch, which is empty; waits for
 * at most wait_ms. False: closed, and there is nothing left. */
bool queue_take(struct store_queue *queue, struct store_batch *batch, unsigned wait_ms);
void queue_answer(struct store_queue *queue, struct store_waiter *waiter, int result,
                  uint64_t count, const struct err *err);
void queue_settle(struct store_queue *queue, struct queued_purge *drop); /* it is on disk: freed */
/* May the disk have entries that the drop covers, without a record of it that outlives the process?
 */
bool queue_may_forget(struct store_queue *queue, const struct queued_purge *drop);
/* The collection has GETs on disk; 0: any may have. */
void queue_note_gets(struct store_queue *queue, uint64_t collection);
/* Opens the folder's file of tombstones, unless it is open, and drops what processes that ended
 * left in it: each() is told of it, with the queue locked. False: there is no such file. */
bool queue_adopt(struct store_queue *queue, const char *folder,
                 void (*each)(void *arg, const struct purge *purge), void *arg);
/* They are written, or never will be: what is held of them is let go of. */
void queue_let_go(struct store_queue *queue, struct store_op *ops, size_t count);
void batch_clear(struct store_queue *queue, struct store_batch *batch);

/* For the queue's own files, with its lock held. */
struct store_op *queue_add(struct store_queue *queue, enum store_op_kind kind);
void queue_unlock_and_wake(struct store_queue *queue);

#endif
