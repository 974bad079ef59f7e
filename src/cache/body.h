/* A body that grows: bytes, then an end. All answers and long uploads are such bodies.
 *
 *      begin_                      reader's offset             end_
 *        |  bytes that are held      |  not yet read             |  the filler appends here
 *   -----+---------------------------+---------------------------+----->
 *
 * One filler appends; any number of readers, on any threads, read from their own offsets, and park
 * when they have read all bytes. A parked reader is notified once, when bytes come or the body
 * ends. The end is final: complete or broken.
 *
 * A body that keeps (keep = true) holds all its bytes, so that a reader can still join at offset 0.
 * A body that does not keep frees the bytes that every reader has read. body_append() returns false
 * when the reader that counts is more than `high` bytes behind: the filler then stops, and on_room
 * is called once that reader is within `low` bytes. Of a body that keeps, the fastest reader
 * counts: the others find their bytes whenever they come, and must not delay it. Of a body that
 * does not keep, the slowest reader counts. Without readers a body that keeps holds what is
 * appended, and another one discards it.
 *
 * A body that stops keeping (it grew too long) may have readers at any offset. The fastest reader
 * still counts, but the filler also stops when the slowest is more than `lag_max` bytes behind. A
 * reader that makes the filler wait for too long *loses* the body (body_lose_laggards()): it is
 * notified, and reads BODY_READ_BROKEN. So the memory is bounded, and a reader that has stopped
 * reading blocks the others for a bounded time.
 *
 * Locking: one mutex per body. Functions whose names end in _locked are called with it held, the
 * others without it. Functions marked "Filler" belong to the filler's thread; a struct body_reader
 * is one thread's. notify and on_room are called with the mutex held, on the thread that read,
 * appended, ended or left, so they may only post a letter or set a flag of their own thread; lock
 * order: body → mailbox.
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
    size_t lag_max;        /* bytes, in addition to `high` or `low` */
    struct budget *budget; /* counts the bytes held; NULL: not counted */
    void (*on_room)(void *arg);
    void *on_room_arg;
};

struct body_reader {
    struct list node; /* in body->readers */
    struct body *body;
    uint64_t offset;
    struct chunk *at_;  /* chunk that holds offset; NULL: unknown */
    uint64_t at_begin_; /* offset of at_'s first byte */
    bool parked;
    bool lost; /* it fell too far behind and lost the unread bytes */
    void (*notify)(struct body_reader *);
};

enum body_read {
    BODY_READ_BYTES, /* *len > 0 bytes were copied */
    BODY_READ_WAIT,  /* none now: the reader is parked and will be notified */
    BODY_READ_END,   /* all bytes were read, and the body is complete */
    BODY_READ_BROKEN /* all bytes were read, or the reader lost the body; no more will come */
};

struct body_rules {
    bool keep;
    size_t high, low;           /* bytes */
    void (*on_room)(void *arg); /* NULL: the filler cannot stop */
    void *arg;
};

void body_init(struct body *body, const struct body_rules *rules);
void body_release(struct body *body); /* frees all but the struct; no reader may be left */

/* Filler. Appends a copy of all bytes; false: stop until on_room. Not after the end. */
bool body_append(struct body *body, const void *bytes, size_t len);
/* Filler. how: BODY_COMPLETE or BODY_BROKEN. */
void body_end(struct body *body, enum body_state how);
/* Filler. The body frees from now on the bytes that every reader has read; lag_max: bytes. */
void body_stop_keeping(struct body *body, size_t lag_max);
/* Filler, after it has waited for too long: readers that are more than lag_max + low bytes behind
 * lose the body, unless the filler waits for the fastest reader as well. */
void body_lose_laggards(struct body *body);

/* Reader. Joins at offset 0, not parked; false if the first bytes have been freed. The caller owns
 * the reader, and keeps it in place until body_leave(). */
bool body_join(struct body *body, struct body_reader *reader, void (*notify)(struct body_reader *));
/* Reader. *len: in, the size of buf in bytes; out, with BODY_READ_BYTES, the bytes copied. */
enum body_read body_read(struct body_reader *reader, void *buf, size_t *len);
void body_leave(struct body_reader *reader); /* no notify follows; may be repeated */

/* Any thread. If the body is complete, held from its first byte and in one piece: returns that
 * piece, which is the body's, and valid as long as the body is. */
bool body_whole(struct body *body, const void **bytes, size_t *len);

/* For a flight, whose head the same lock guards and the same notification announces. */
void body_notify_locked(struct body *body); /* all parked readers */
bool body_join_locked(struct body *body, struct body_reader *reader,
                      void (*notify)(struct body_reader *));
void body_leave_locked(struct body_reader *reader);

/* Any thread. */
enum body_state body_state(struct body *body);
/* Filler. Bytes appended so far; no lock, as the filler alone changes it. */
static inline uint64_t body_size(const struct body *body)
{
    return body->end_;
}
/* Any thread. How far the reader that counts is behind, bytes. */
uint64_t body_unread(struct body *body);
/* Filler, of a body that keeps, whose bytes readers do not free; no lock. Calls each() for its
 * pieces in order. */
void body_each(const struct body *body, void (*each)(void *arg, const void *bytes, size_t len),
               void *arg);
/* Filler. If the body is held from its first byte and in one piece: that piece, valid until the
 * next append. */
bool body_piece(const struct body *body, const unsigned char **bytes);
/* Filler. Copies all of it (body_size() bytes); false if its first bytes have been freed. */
bool body_copy(const struct body *body, unsigned char *out);

#endif
