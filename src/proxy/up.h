/* The upstream side: one transfer that fills one flight.
 *
 *      up_start ──► curl's callbacks append to the flight and notify ──► complete | broken | failed
 *                   (nothing else happens in them)
 *
 * A transfer belongs to its worker's thread and to one pool; the flight may be read anywhere.
 * It ends by itself: when the answer is whole, when something broke, when the upstream was silent
 * for too long, when the last reader left. Nothing is retried here, except what curl does when
 * a kept-alive connection turns out to be dead before a byte of the answer came.
 */
#ifndef PROXY_UP_H
#define PROXY_UP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/mailbox.h"
#include "cache/flight.h"
#include "proxy/endpoint.h"
#include "proxy/up_head.h"
#include "proxy/up_pool.h"

/* What is asked for. All pointers need to be good only during up_start(). */
struct up_order {
    const char *method;
    const char *target; /* raw: path and query as the client wrote them */
    const struct fields *fields; /* as the client sent them */
    int64_t length;              /* of the body, or UP_LENGTH_… */
    struct str *whole;      /* the body in one piece, whose contents are taken, … */
    struct flight *growing; /* … or as it grows, from this thread; a reference is added */
    int64_t silence_ms;          /* 0: for ever */
    struct up_forwarded forwarded;
};

/* What the transfers of one worker share. */
struct up_home {
    struct loop *loop;
    struct mailbox *mailbox;
    const struct endpoint *endpoint;
    struct up_sockets sockets;
    void *share; /* CURLSH: names looked up, TLS sessions */
    struct list spare; /* finished transfers, set up for the next */
    unsigned spares;
};

void up_home_init(struct up_home *home, struct loop *loop, struct mailbox *mailbox,
                  const struct endpoint *endpoint);
void up_home_release(struct up_home *home); /* after its pools */

/* Starts filling the flight, of which it takes a reference of its own. Cannot fail here: what
 * goes wrong becomes the flight's failure. */
void up_start(struct up_home *home, struct up_pool *pool, const struct up_order *order,
              struct flight *flight);

#endif
