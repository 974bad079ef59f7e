/* The upstream side: one transfer that fills one flight.
 *
 *      up_start ──► curl's callbacks append to the flight and notify ──► complete | broken | failed
 *                   (nothing else happens in them)
 *
 * A transfer belongs to its worker's thread and to one pool; the flight may be read anywhere.
 * It ends by itself: when the answer is whole, when something broke, when the upstream was silent
 * for too long, when the last reader left. Nothing is sent twice: where a kept-alive connection
 * proves to be dead, a fresh one is tried only if not a byte was written to the old one, or if
 * the method is idempotent (RFC 9110 section 9.2.2).
 */
#ifndef PROXY_UP_H
#define PROXY_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/mailbox.h"
#include "cache/flight.h"
#include "proxy/endpoint.h"
#include "proxy/up_head.h"
#include "proxy/up_pool.h"

/* What is asked for. All pointers need to be good only during up_start(). */
struct up_order {
    const char *method;
    const char *target;          /* raw: path and query as the client wrote them */
    const struct fields *fields; /* as the client sent them */
    int64_t length;              /* of the body, or UP_LENGTH_… */
    struct str *whole;           /* the body in one piece, whose contents are taken, … */
    size_t *held;            /* … and what it takes of the budget, bytes: taken as well, … */
    struct flight *growing;  /* … or as it grows, from this thread; a reference is added */
    const char *encodings;   /* what is accepted in the client's stead, or NULL */
    bool finish;             /* go on when the last reader has left */
    int64_t head_silence_ms; /* longest silence before the answer's head, 0: for ever */
    int64_t body_silence_ms; /* and after it */
    struct up_forwarded forwarded;
};

/* What the transfers of one worker share. */
struct up_home {
    struct loop *loop;
    struct mailbox *mailbox;
    const struct endpoint *endpoint;
    struct budget *budget; /* of what `held` is a part */
    /* A request that changes things was answered (before any reader sees it), or may have been
     * acted on although no answer came (RFC 9111 section 4.4, which leaves failures out). */
    void (*on_written)(void *arg, const char *target);
    void *arg;
    struct up_sockets sockets;
    struct up *looking_up; /* the one transfer that looks a name up, or NULL */
    struct list queue;     /* those that wait for it */
    struct list spare;     /* finished transfers, set up for the next */
    unsigned spares;
};

/* The rest of the members is the caller's to fill in. */
void up_home_init(struct up_home *home, struct loop *loop, struct mailbox *mailbox,
                  const struct endpoint *endpoint);
void up_home_release(struct up_home *home); /* after its pools */

/* Starts filling the flight, of which it takes a reference of its own. Cannot fail here: what
 * goes wrong becomes the flight's failure. */
void up_start(struct up_home *home, struct up_pool *pool, const struct up_order *order,
              struct flight *flight);

/* Ends the transfers that are left (--on-disconnect finish), before the pool is released. */
void up_cancel_all(struct up_pool *pool);

#endif
