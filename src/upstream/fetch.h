/* A fetch fills one flight with the answer to one request, by one or several attempts.
 *
 *      choose ─► send ─► head ─► commit ─► body ─► end
 *        ▲                 └─► next ────────────────┘
 *        └──────────────────────┘
 *
 * It outlives the request that it was begun for: readers of the flight come and go. It owns the
 * request (its head, and its body as far as that may have to be sent again), and belongs to its
 * worker's thread and to one pool; the flight may be read anywhere. It ends by itself: when the
 * answer is whole, when something broke, when the upstream was silent for too long, when the last
 * reader left. The flight gets its head once; before that another attempt may follow, if no server
 * can have acted on the ones before (attempt.h).
 */
#ifndef UPSTREAM_FETCH_H
#define UPSTREAM_FETCH_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/budget.h"
#include "base/mailbox.h"
#include "cache/flight.h"
#include "upstream/endpoint.h"
#include "upstream/lookup.h"
#include "upstream/pool.h"
#include "upstream/request_head.h"

/* A request to fetch. All pointers need to be valid only during fetch_start(). */
struct fetch_request {
    struct endpoint *endpoint;   /* a reference is added */
    const char *method;          /* a token that FETCH_METHOD_SIZE has room for */
    const char *target;          /* raw: path and query as the client wrote them */
    const struct fields *fields; /* as the client sent them */
    int64_t length;              /* of the body, or REQUEST_LENGTH_… */
    struct str *whole;           /* the body in one piece, whose contents are taken, … */
    size_t *held;           /* … and what it takes of the budget, bytes: taken as well, … */
    struct flight *growing; /* … or as it grows, from this thread; a reference is added */
    const char *encodings;  /* what is accepted in the client's stead, or NULL; static */
    bool finish;            /* go on when the last reader has left */
    struct request_forwarded forwarded;
};
#define FETCH_METHOD_SIZE 24

/* State that the fetches of one worker share. */
struct fetcher {
    struct loop *loop;
    struct mailbox *mailbox;
    struct budget *budget; /* of what `held` is a part */
    /* A request that changes things is about to be sent. */
    void (*on_write)(void *arg, const char *target);
    /* And then, once: it was answered (before any reader sees it), or may have been
     * acted on although no answer came (RFC 9111 section 4.4, which leaves failures out). */
    void (*on_written)(void *arg, const char *target);
    void *arg;
    struct pool_sockets sockets;
    struct lookups lookups;
    struct list active;      /* struct fetch */
    atomic_ulong unattended; /* those that go on although the last reader left; any thread reads */
    struct list spare;       /* finished ones, set up for the next */
    unsigned spares;
};

/* The rest of the members is the caller's to fill in. */
void fetcher_init(struct fetcher *fetcher, struct loop *loop, struct mailbox *mailbox);
void fetcher_release(struct fetcher *fetcher); /* after its pools */
/* From now on requests go to this endpoint: forgets idle connections and TLS sessions of before. A
 * session that is resumed is trusted without a look at the server's certificate (RFC 8446 section
 * 2.2). The endpoint must stay until the next call. */
void fetcher_renew(struct fetcher *fetcher, const struct endpoint *endpoint);

/* Starts filling the flight, of which it takes a reference of its own. The flight's timeouts hold.
 * Cannot fail: an error becomes the flight's failure. */
void fetch_start(struct fetcher *fetcher, struct pool *pool, const struct fetch_request *request,
                 struct flight *flight);

/* Ends the fetches that are left in the pool (--on-disconnect finish), before it is released. */
void fetch_cancel_all(struct fetcher *fetcher, const struct pool *pool);

#endif
