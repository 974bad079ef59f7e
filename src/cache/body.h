/* A body that grows: bytes, then an end. The one idea of the program.
 *
 *      begin_                      reader's offset             end_
 *        |  bytes that are held      |  not yet read             |  the filler appends here
 *   -----+---------------------------+---------------------------+----->
 *
 * One filler appends; any number of readers, on any threads, read from their own offsets and
 * park when they have read all there is. A reader that parked is told once (notify) when
 * something came or the body ended. The end is final: complete, or broken.
 *
 * A body that keeps (keep = true) holds all its bytes, so that a reader may still join at
 * offset 0. One that does not lets go of the bytes that every reader has read. body_append()
 * says when the readers are more than `high` bytes behind: the filler then stops, and on_room is
 * called once they have come to within `low`. Of a body that keeps that is the fastest reader: the
 * others find their bytes whenever they come, and must not hold it up. Of one that does not keep
 * it is the slowest. With no reader at all what comes is kept, or swallowed.
 *
 * A body that kept and stops keeping (it grew too long) has readers wherever they are. It still
 * goes by the fastest, but lets nobody fall more than `lag_max` behind: then the filler stops for
 * the slowest, too. A reader that makes it wait for too long *loses* the body
 * (body_lose_laggards()): it is told, and reads BODY_READ_BROKEN. So what is held is bounded, and
 * nobody waits for ever for a reader that has stopped reading.
 *
 * Locking: one mutex per body. notify and on_room are called under it, from whichever thread
 * read or appended, so they may only post a letter or set a flag of their own thread; lock order:
 * body → mailbox. Data is read under the lock.
 */
#ifndef CACHE_BODY_H
#define CACHE_BODY_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

enum body_state { BODY_OPEN, BODY_COMPLETE, BODY_BROKEN };

struct body {
    pthread_mutex_t lock;
    enum body_state state;
    bool keep;
    bool filler_waits;
    struct chunk *first_, *last_;
    uint64_t begin_; /* offset of the first byte held */
    uint64_t end_;   /* offset after the last byte */
    struct list readers;
    size_t high, low;
    bool loses;            /* it stopped keeping: slow readers may lose it */
    size_t lag_max;        /* bytes, beside `high` and `low` */
    struct budget *budget; /* of what is held; NULL: it is not counted */
    void (*on_room)(void *arg);
    void *on_room_arg;
};

struct body_reader {
    struct list node; /* in body->readers */
    struct body *body;
    uint64_t offset;
    struct chunk *at_;  /* chunk that holds offset, or NULL: look for it */
    uint64_t at_begin_; /* offset of at_'s first byte */
    bool parked;
    bool lost; /* it fell too far behind: what it has not read is gone */
    void (*notify)(struct body_reader *);
};

enum body_read {
    BODY_READ_BYTES, /* *len > 0 bytes were copied */
    BODY_READ_WAIT,  /* nothing now: the reader is parked and will be notified */
    BODY_READ_END,   /* all was read, and it is complete */
    BODY_READ_BROKEN /* all was read, or lost, and no more will come */
};

struct body_rules {
    bool keep;
    size_t high, low;           /* bytes */
    void (*on_room)(void *arg); /* NULL: the filler cannot stop */
    void *arg;
};

void body_init(struct body *body, const struct body_rules *rules);
void body_release(struct body *body); /* no reader may be left */

/* Filler. Appends all of it; false: stop until on_room. Nothing may be appended after the end. */
bool body_append(struct body *body, const void *bytes, size_t len);
void body_end(struct body *body, enum body_state how);
/* From now on it lets go of what was read; readers may be lag_max bytes behind. */
void body_stop_keeping(struct body *body, size_t lag_max);
/* Filler, after it waited for too long: readers that are more than lag_max behind lose the body,
 * unless the filler waits for the fastest reader as well. */
void body_lose_laggards(struct body *body);

/* Reader. Joins at offset 0, parked or not; false if the first bytes are gone. */
bool body_join(struct body *body, struct body_reader *reader, void (*notify)(struct body_reader *));
enum body_read body_read(struct body_reader *reader, void *buf, size_t *len);
void body_leave(struct body_reader *reader); /* no notify comes afterwards; may be repeated */

/* If the body is complete, in one piece and held from its first byte: that piece. The pointer
 * is good as long as the body is (it will not change any more). */
bool body_whole(struct body *body, const void **bytes, size_t *len);

/* For a flight, which has more to tell than bytes, with the lock held. */
void body_notify_locked(struct body *body); /* the parked readers */
bool body_join_locked(struct body *body, struct body_reader *reader,
                      void (*notify)(struct body_reader *));
void body_leave_locked(struct body_reader *reader);

enum body_state body_state(struct body *body);
/* Bytes so far. Its filler's, who alone adds to them. */
static inline uint64_t body_size(const struct body *body)
{
    return body->end_;
}
uint64_t body_unread(struct body *body); /* how far the reader that counts is behind */
/* The filler's as well, of a body that is kept: readers change nothing of what it holds. Calls
 * each() for its pieces in order. */
void body_each(const struct body *body, void (*each)(void *arg, const void *bytes, size_t len),
               void *arg);
/* If it is in one piece, that piece, good until more is appended. */
bool body_piece(const struct body *body, const unsigned char **bytes);
/* Copies all of it (body_size() bytes); false if its first bytes are gone. */
bool body_copy(const struct body *body, unsigned char *out);

#endif
