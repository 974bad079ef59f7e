/* A flight: an answer that an upstream transfer is filling.
 *
 *      flight_new ──► waiting ──flight_set_head──► growing ──flight_complete──► complete
 *                        │                             └────flight_break────► broken
 *                        └──────flight_fail──────► failed (no head ever came)
 *
 * The head (status and fields) is set once and does not change afterwards; then the body grows.
 * Readers join, ask for the head, read the body from offset 0, and leave. When the last reader
 * leaves a flight that is still open, the filler is told (on_abandoned): nobody wants the rest.
 *
 * A flight that others may join has a keeper (the index): it sees the head before the readers do
 * and says whether the answer may be shared. If not, the flight is one reader's alone: the first
 * one's, or if that one left before it saw the head, the next one's. The others see
 * FLIGHT_EXCLUSIVE, and go on by themselves. The keeper also sees the end before they do, so that
 * what is complete can be found by whoever asks after it.
 *
 * Reference-counted, because filler and readers end in any order and on any thread. Lock order:
 * the flight's lock is its body's; the filler's callbacks come under it and may only post.
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

/* What of an answer precedes its body. Fields are end-to-end ones only (RFC 9110 section 7.6.1),
 * without Content-Length, which is `length`. */
struct head {
    unsigned status;
    struct fields fields;
    int64_t length;   /* of the body as announced, -1 if not */
    bool until_close; /* the body's end is the connection's end: nobody can tell a cut */
    bool unframed; /* HTTP does not prove that the body is whole at its end: its content has to */
};

void head_init(struct head *head);
void head_release(struct head *head);

enum flight_state { FLIGHT_WAITING, FLIGHT_GROWING, FLIGHT_FAILED, FLIGHT_EXCLUSIVE };

struct flight_filler {
    void (*on_room)(void *arg);      /* readers caught up: go on */
    void (*on_abandoned)(void *arg); /* the last reader left before the end */
    void (*on_rejoined)(void *arg);  /* and then another one joined, on whose thread this is */
    void *arg;
};

struct flight;

/* Called on the filler's thread, without the flight's lock. */
struct flight_hooks {
    /* The head is there (flight->head), nobody else has seen it: may the answer be shared? */
    bool (*may_share)(struct flight_hooks *, struct flight *);
    /* The flight is complete and shared, and no reader knows yet. False: it may not be kept. */
    bool (*complete)(struct flight_hooks *, struct flight *);
    /* Nobody wants the rest: is what came the whole answer anyway? */
    bool (*is_whole)(struct flight_hooks *, struct flight *);
    /* The flight failed, broke, or may not be shared: no lookup may find it any more. */
    void (*withdraw)(struct flight_hooks *, struct flight *);
    void (*free)(struct flight_hooks *); /* with the flight */
    atomic_bool outdated; /* what it fills was purged meanwhile: it is kept no more */
};

/* The longest silence of the upstream before the head and within the body, ms; 0: for ever.
 * asked_ms: the time of the latest request for this answer (monotonic ms), from which its total
 * timeout counts. */
struct flight_timeouts {
    int64_t before_head, within_body;
    uint64_t asked_ms;
};

struct flight {
    atomic_uint refs;
    struct body body; /* its lock guards all below, too */
    enum flight_state state;
    bool closed;                 /* nobody joins any more */
    struct body_reader *owner;   /* whose alone it is, or NULL */
    bool head_delivered;         /* the owner has seen the head: nobody inherits it */
    struct flight_hooks *keeper; /* the filler's; NULL: nobody keeps it */
    uint64_t keep_max;           /* a body that grows beyond is not kept */
    struct list taps;            /* the filler's */
    struct flight_filler filler;
    struct flight_timeouts timeouts;
    bool has_timeouts; /* the timeouts are set */
    struct head head;  /* immutable once state is FLIGHT_GROWING */
    struct err *err;   /* why it failed or broke, else NULL; immutable once the body has ended */
};

/* With one reference, the caller's. keep, high, low: see body.h. */
struct flight *flight_new(bool keep, size_t high, size_t low);
/* Gives it a keeper, which is the flight's from now on, before anybody else knows the flight. A
 * body that grows beyond keep_max bytes, or beyond the budget (NULL: none), is not kept: from then
 * on its readers are held together as body.h says. */
void flight_set_hooks(struct flight *flight, struct flight_hooks *keeper, uint64_t keep_max,
                      struct budget *budget);
/* Before anybody else knows the flight; any number of them. */
void flight_add_tap(struct flight *flight, struct tap *tap);
struct flight *flight_ref(struct flight *flight);
void flight_unref(struct flight *flight);

/* Filler. Can a slow reader make it wait, as the answer is not kept any more? If so, and after it
 * waited for too long: breaks such readers off. */
bool flight_has_laggards(const struct flight *flight);
void flight_lose_laggards(struct flight *flight);

/* Filler. flight_set_filler() names who fills, and (with NULL) that nobody does any more. */
void flight_set_filler(struct flight *flight, const struct flight_filler *filler);
void flight_set_head(struct flight *flight, struct head *head); /* takes head's contents */
bool flight_append(struct flight *flight, const void *bytes, size_t len); /* see body_append */
void flight_complete(struct flight *flight);
void flight_break(struct flight *flight, const struct err *err); /* after the head */
void flight_fail(struct flight *flight, const struct err *err);  /* before it */
/* After on_abandoned. False: somebody joined meanwhile, go on. Else nobody can join any more;
 * *whole says whether what came is the whole answer, which flight_complete() may then end. */
bool flight_give_up(struct flight *flight, bool *whole);

/* Reader. flight_join() fails where the flight is closed or its first bytes are gone.
 * flight_poll() parks the reader where the answer is FLIGHT_WAITING: it is notified
 * once the head is there or never will be. FLIGHT_EXCLUSIVE: the answer is another reader's alone,
 * or its first bytes are gone. Then body_read(reader, …). */
bool flight_join(struct flight *flight, struct body_reader *reader,
                 void (*notify)(struct body_reader *));
enum flight_state flight_poll(struct flight *flight, struct body_reader *reader);
/* Raises the flight's timeouts to those of a reader, where these are longer. They stay raised when
 * the reader leaves. */
void flight_raise_timeouts(struct flight *flight, const struct flight_timeouts *timeouts);
/* Filler. */
struct flight_timeouts flight_timeouts(struct flight *flight);
/* Parks the reader, wherever it stands, if more is to come; else false. */
bool flight_is_open(struct flight *flight, struct body_reader *reader);
void flight_leave(struct flight *flight, struct body_reader *reader);
/* Filler. Will what it brings be kept, as far as is known? */
bool flight_is_kept(const struct flight *flight);
/* Is anybody reading? */
bool flight_is_read(struct flight *flight);

#endif
