/* One transfer of a request to one endpoint, by libcurl.
 *
 *      attempt_send ──► head ──► bytes … ──► ended
 *                        (events, within libcurl's callbacks)
 *
 * An attempt belongs to a fetch, and to the pool that it was given; owner thread only. Nothing is
 * sent twice that may have been acted on: where a kept-alive connection proves to be dead, libcurl
 * may use a fresh one only if not a byte was written to the old one, if the method is idempotent
 * (RFC 9110 section 9.2.2), or if the server refused the stream (RFC 9113 section 8.7).
 */
#ifndef UPSTREAM_ATTEMPT_H
#define UPSTREAM_ATTEMPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"
#include "cache/body.h"
#include "cache/flight.h"
#include "upstream/answer.h"
#include "upstream/dechunk.h"
#include "upstream/deadline.h"
#include "upstream/endpoint.h"
#include "upstream/lookup.h"
#include "upstream/own_sockets.h"
#include "upstream/pool.h"
#include "upstream/request_head.h"

struct attempt;

/* Told within libcurl's callbacks, so none but on_run and on_end may call the functions below. */
struct attempt_events {
    /* The answer's head, whose contents may be taken. */
    void (*on_head)(struct attempt *attempt, struct head *head);
    /* Some of its body. False: nothing more until attempt_resume(). */
    bool (*on_bytes)(struct attempt *attempt, const char *bytes, size_t len);
    /* The request's body is wanted, where it is streamed (body_read()). BODY_READ_WAIT: nothing
     * until attempt_resume(). */
    enum body_read (*on_want)(struct attempt *attempt, char *buf, size_t *len);
    /* attempt_todo() was called. False: the attempt was stopped meanwhile. */
    bool (*on_run)(struct attempt *attempt);
    /* The transfer has ended by itself: attempt_failure() says how. attempt_stop() is due. */
    void (*on_end)(struct attempt *attempt, int curl_code);
};

/* All pointers need to be good only during attempt_send(), but for the body. */
struct attempt_request {
    const char *method, *target;
    const struct fields *fields;
    int64_t length;        /* of the body, or REQUEST_LENGTH_… */
    const char *body;      /* in one piece, good until the attempt is stopped; NULL: none, … */
    bool streamed;         /* … or it is asked for as it goes */
    const char *encodings; /* what is accepted in the client's stead, or NULL */
    struct request_forwarded forwarded;
};

#define ATTEMPT_SAYS_MAX 256 /* CURL_ERROR_SIZE */

struct attempt {
    struct pool_job job;
    const struct attempt_events *events;
    struct endpoint *endpoint; /* to which `job` was connected last, with a reference; or NULL */
    struct lookups *lookups;
    struct lookup_waiter lookup;
    struct deadline deadline; /* the fetch's, which sets its limits */
    struct answer answer;
    struct dechunk dechunk;
    struct err *err; /* set: the reason for which we end it */
    bool streamed, send_paused, recv_paused;
    bool send_ends; /* the head has come: libcurl is to see that sending is over */
    bool dropping;
    bool idempotent;
    unsigned writes;       /* how often the request was written, resent attempts included */
    struct own_ends ends;  /* of the connection on which it was sent last (https) */
    uint32_t stream;       /* its number there, if that is HTTP/2; 0: it was not sent */
    bool refused;          /* the server said that it has not acted on it */
    bool end_is_announced; /* its connection's: by a GOAWAY, or TLS's close_notify */
    bool gave_up;          /* it would need another connection, and may not be sent again */
    struct str lines;      /* the request's fields; they hold a key */
    struct pool_lines list;
    char curl_says[ATTEMPT_SAYS_MAX];
};

/* events: static. */
void attempt_init(struct attempt *attempt, const struct attempt_events *events);
void attempt_release(struct attempt *attempt);

/* For another request. */
void attempt_reset(struct attempt *attempt, struct lookups *lookups);
/* Sends the request. Sent again, it counts as the same one's further try. -1: libcurl does not take
 * it. */
int attempt_send(struct attempt *attempt, struct pool *pool, struct endpoint *endpoint,
                 const struct attempt_request *request);
/* NULL: it has brought the whole answer, as far as libcurl knows. The caller frees it. */
struct err *attempt_failure(struct attempt *attempt, int curl_code);
/* Removes it from everything that could call it. given_up: we end it, which may be in the middle of
 * something. lookup: the error that those get who wait for its lookup, or NULL. */
void attempt_stop(struct attempt *attempt, bool given_up, const struct err *lookup);
/* Overwrites and empties what it held of a request; on_run comes no more. False: it cannot be used
 * again. */
bool attempt_recycle(struct attempt *attempt);

void attempt_todo(struct attempt *attempt); /* on_run, soon */
/* Resumes sending and receiving. In on_run. */
void attempt_resume(struct attempt *attempt, bool send, bool receive);
/* Has libcurl read and write for it at the next turn, if nothing of it is paused. */
void attempt_read(struct attempt *attempt);
void attempt_heard(struct attempt *attempt); /* the upstream took or gave something */
/* Bytes of the body that the upstream's kernel has acknowledged. */
int64_t attempt_delivered(struct attempt *attempt);

/* --- attempt_http2.c: what a connection of HTTP/2 tells of its streams ------------------ */

/* How often a request may be written. A connection that serves one more request before it closes
 * refuses all but one of the requests that are written to it at once: as many as a pool has. */
#define ATTEMPT_WRITES_MAX 100U

/* Has it failed in a way that allows to send the request again? The server refused its stream,
 * which libcurl repeats by itself, but for those that end with CURLE_HTTP2, as one begun behind a
 * GOAWAY may. */
bool attempt_may_resend(const struct attempt *attempt);
/* Its request goes out on that connection. */
void attempt_note_connection(struct attempt *attempt, const struct own_ends *ends);
/* Has its connection of HTTP/2 ended with its transfer, and the server has not announced it? Then
 * the server broke the protocol, and an answer without a length, which libcurl takes for whole, is
 * cut. False where that cannot be told: of streamed requests, and where another stream of the
 * connection is paused. Not within libcurl's callbacks: other transfers may go on. */
bool attempt_lost_connection(struct attempt *attempt);
/* A line of libcurl's debug output: a GOAWAY refuses the streams behind it, and announces the
 * connection's end, as a close_notify does. */
void attempt_note_text(struct attempt *told, const char *text, size_t len);

#endif
