/* A flight: an answer that an upstream transfer is filling (or a long upload that a client is
 * filling).
 *
 *      flight_new ──► waiting ──flight_set_head──► growing ──flight_complete──► complete
 *                        │                             └────flight_break────► broken
 *                        └──────flight_fail──────► failed (no head ever came)
 *
 * The head (status and fields) is set once and does not change afterwards; then the body grows.
 * Readers join, ask for the head, read the body from offset 0, and leave. When the last reader
 * leaves an open flight, the filler is told (on_abandoned).
 *
 * A flight that others may join has hooks (the index's): they see the head before the readers do,
 * and say whether the answer may be shared. If not, the flight is exclusive to one reader: the
 * first, or the next one if the first left before it saw the head. The others get FLIGHT_EXCLUSIVE,
 * and fetch for themselves. The hooks also see the end before the readers do, so that every later
 * lookup finds the complete answer.
 *
 * Reference-counted, because filler and readers end in any order and on any thread. The flight's
 * lock is its body's; no caller holds it. The filler's callbacks come with it held and may only
 * post a letter. Functions marked "Filler" belong to the filler's thread, those marked "Reader" to
 * the reader's; flight_new() and the two functions below it come before another thread knows the
 * flight.
 */
#ifndef CACHE_FLIGHT_H
#define CACHE_FLIGHT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/err.h"
#include "base/fields.h"
#include "cache/body.h"
#include "cache/tap.h"

/* The part of an answer that precedes its body. The fields are end-to-end ones only (RFC 9110
 * section 7.6.1), without Content-Length, which is `length`. */
struct head {
    unsigned status;
    struct fields fields;
    int64_t length; /* Content-Length in bytes; -1: none */
    /* The connection's end ends the body: a truncation cannot be detected. */
    bool until_close;
    /* The framing does not prove that the body is whole: its content must. */
    bool unframed;
};

void head_init(struct head *head);
/* Frees all but the struct. */
void head_release(struct head *head);

enum flight_state { FLIGHT_WAITING, FLIGHT_GROWING, FLIGHT_FAILED, FLIGHT_EXCLUSIVE };

struct flight_filler {
    void (*on_room)(void *arg);      /* the readers caught up: append again */
    void (*on_abandoned)(void *arg); /* the last reader left before the end */
    void (*on_rejoined)(void *arg);  /* another reader joined after that; called on its thread */
    void *arg;
};

struct flight;

/* Called without the flight's lock, on the filler's thread; but `free` on the thread that drops the
 * last reference, unless the filler freed the hooks before. */
struct flight_hooks {
    /* The head has come (flight->head), and no reader has seen it: may the answer be shared? */
    bool (*may_share)(struct flight_hooks *, struct flight *);
    /* The flight is complete and shared, and no reader has seen the end. False: the answer is not
     * kept, and the hooks are freed. */
    bool (*complete)(struct flight_hooks *, struct flight *);
    /* No reader is left before the end: are the bytes that came the whole answer? */
    bool (*is_whole)(struct flight_hooks *, struct flight *);
    /* The flight failed, broke, grew too long, or may not be shared: no lookup may find it any
     * more. */
    void (*withdraw)(struct flight_hooks *, struct flight *);
    void (*free)(struct flight_hooks *); /* frees the struct */
    atomic_bool outdated; /* not kept: a purge matched it, or a newer answer was published */
};

/* The longest silence of the upstream before the head and within the body, ms; 0: no limit.
 * asked_ms: the time of the latest request for this answer (monotonic ms), from which its total
 * timeout counts. */
struct flight_timeouts {
    int64_t before_head, within_body;
    uint64_t asked_ms;
};

struct flight {
    atomic_uint refs;
    struct body body; /* its lock guards the members below, unless they are the filler's */
    enum flight_state state;
    bool closed;               /* no reader can join any more */
    struct body_reader *owner; /* the reader of an exclusive flight; NULL: none */
    bool head_delivered; /* the owner has seen the head: no other reader inherits the flight */
    struct flight_hooks *keeper; /* the filler's; NULL: the answer is not kept */
    uint64_t keep_max;           /* bytes; a longer body is not kept */
    struct list taps;            /* the filler's */
    struct flight_filler filler;
    struct flight_timeouts timeouts;
    bool has_timeouts; /* the timeouts are set */
    struct head head;  /* immutable once state is FLIGHT_GROWING */
    /* Why it failed or broke, owned; NULL: neither. Immutable once the body has ended. */
    struct err *err;
};

/* Returns a flight with one reference, the caller's. keep, high, low (bytes): see body.h. */
struct flight *flight_new(bool keep, size_t high, size_t low);
/* Sets the hooks, which the flight owns from now on. A body that grows beyond keep_max bytes, or
 * beyond the budget (NULL: no bound), is not kept: it stops keeping, see body.h. */
void flight_set_hooks(struct flight *flight, struct flight_hooks *keeper, uint64_t keep_max,
                      struct budget *budget);
/* Adds a tap, which the caller owns; any number of them. */
void flight_add_tap(struct flight *flight, struct tap *tap);
/* Any thread. NULL to unref: no effect. */
struct flight *flight_ref(struct flight *flight);
void flight_unref(struct flight *flight);

/* Filler. Can slow readers make it wait, as the answer stopped being kept? If so,
 * flight_lose_laggards() makes them lose the body after it has waited for too long. */
bool flight_has_laggards(const struct flight *flight);
void flight_lose_laggards(struct flight *flight);

/* Filler. Sets the filler's callbacks, copied; NULL: there is no filler any more. */
void flight_set_filler(struct flight *flight, const struct flight_filler *filler);
void flight_set_head(struct flight *flight, struct head *head);           /* moves *head */
bool flight_append(struct flight *flight, const void *bytes, size_t len); /* see body_append() */
void flight_complete(struct flight *flight);
void flight_break(struct flight *flight, const struct err *err); /* after the head; copies *err */
void flight_fail(struct flight *flight, const struct err *err);  /* before the head; likewise */
/* Filler, after on_abandoned. False: a reader has joined since, so continue. True: no reader can
 * join any more; *whole: the bytes that came are the whole answer, and flight_complete() may end
 * it. */
bool flight_give_up(struct flight *flight, bool *whole);

/* Reader. flight_join() returns false if the flight is closed or its first bytes have been freed;
 * the caller owns the reader, and keeps it in place until flight_leave(). flight_poll() parks the
 * reader if the answer is FLIGHT_WAITING: it is notified once the head comes or the flight fails.
 * FLIGHT_EXCLUSIVE: the answer is another reader's, or the reader has lost the body. Otherwise
 * body_read() follows. */
bool flight_join(struct flight *flight, struct body_reader *reader,
                 void (*notify)(struct body_reader *));
enum flight_state flight_poll(struct flight *flight, struct body_reader *reader);
/* Reader. Raises the flight's timeouts to those of a reader that are longer. They stay raised when
 * the reader leaves. */
void flight_raise_timeouts(struct flight *flight, const struct flight_timeouts *timeouts);
/* Filler. */
struct flight_timeouts flight_timeouts(struct flight *flight);
/* Reader. Parks the reader at any offset if the body has not ended; else false. */
bool flight_is_open(struct flight *flight, struct body_reader *reader);
/* Reader. May call on_abandoned. May be repeated. */
void flight_leave(struct flight *flight, struct body_reader *reader);
/* Filler. Will the answer be kept, as far as is known? No lock. */
bool flight_is_kept(const struct flight *flight);
/* Any thread. Has the flight a reader? */
bool flight_is_read(struct flight *flight);

#endif
