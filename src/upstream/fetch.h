/* A fetch fills one flight with the answer to one request, by one or several attempts.
 *
 *      choose ─► send ─► head ─► commit ─► body ─► end
 *        ▲                 └─► next ────────────────┘
 *        └──────────────────────┘
 *
 * A fetch outlives its request: readers of the flight come and go. It owns the request (its head,
 * and a body held for sending again). It belongs to one pool and to its worker's thread, on which
 * all functions here are called; the flight may be read on any thread. A fetch ends by itself: when
 * the answer is complete, at an error, at a time limit, or when the last reader has left. The
 * flight gets its head once; before that another attempt may follow, if no server can have acted on
 * the earlier attempts (attempt.h).
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

/* A request to fetch. All pointers must be valid during fetch_start() only. */
struct fetch_request {
    struct endpoint *endpoint;   /* a reference is added */
    const char *method;          /* shorter than FETCH_METHOD_SIZE */
    const char *target;          /* raw: path and query as the client sent them */
    const struct fields *fields; /* as the client sent them */
    int64_t length;              /* of the body in bytes, or REQUEST_LENGTH_… */
    struct str *whole;           /* the body in one piece, its contents are taken; … */
    size_t *held;                /* … bytes of the budget that it uses, taken as well … */
    struct flight *growing;      /* … or an upload, filled on this thread; a reference is added */
    const char *encodings;       /* Accept-Encoding in place of the client's, or NULL; static */
    bool finish;                 /* continue without a reader, if the answer is kept */
    struct request_forwarded forwarded;
};
#define FETCH_METHOD_SIZE 24

/* State that the fetches of one worker share. */
struct fetcher {
    struct loop *loop;
    struct mailbox *mailbox;
    struct budget *budget; /* to which fetch_request.held was added */
    /* An unsafe request (RFC 9110 section 9.2.1) is about to be sent. */
    void (*on_write)(void *arg, const char *target);
    /* Once after each on_write: the request was answered (no reader has seen the head yet), or it
     * failed. The server may have acted on it even so, which RFC 9111 section 4.4 does not cover.
     */
    void (*on_written)(void *arg, const char *target);
    void *arg;
    struct pool_sockets sockets;
    struct lookups lookups;
    struct list active;      /* struct fetch */
    atomic_ulong unattended; /* fetches that continue without a reader; any thread reads */
    struct list spare;       /* finished fetches, to be reused */
    unsigned spares;
};

/* Stores loop and mailbox, which must outlive the fetcher; the caller sets budget, on_write,
 * on_written and arg. */
void fetcher_init(struct fetcher *fetcher, struct loop *loop, struct mailbox *mailbox);
void fetcher_release(struct fetcher *fetcher); /* after its pools */
/* Prepares for requests to this endpoint, before the first fetch and when the endpoint changes:
 * ends idle connections and forgets TLS sessions, because a resumed session is trusted without a
 * check of the server's certificate (RFC 8446 section 2.2). The endpoint must live until the next
 * call. */
void fetcher_renew(struct fetcher *fetcher, const struct endpoint *endpoint);

/* Starts filling the flight, to which it adds a reference. The flight's timeouts apply. Cannot
 * fail: an error becomes the flight's failure. */
void fetch_start(struct fetcher *fetcher, struct pool *pool, const struct fetch_request *request,
                 struct flight *flight);

/* Ends the fetches that remain in the pool (--on-disconnect finish), before pool_release(). */
void fetch_cancel_all(struct fetcher *fetcher, const struct pool *pool);

#endif
