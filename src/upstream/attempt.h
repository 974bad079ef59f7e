/* One transfer of a request to one endpoint, by libcurl.
 *
 *      attempt_send ──► head ──► bytes … ──► ended
 *                        (events, within libcurl's callbacks)
 *
 * An attempt belongs to a fetch and, during its transfer, to one pool; all functions are for the
 * worker's thread. A request is sent again only if that is safe: when a kept-alive connection
 * proves dead, libcurl may use a fresh connection only if no byte was written to the old one, if
 * the method is idempotent (RFC 9110 section 9.2.2), or if the server refused the stream (RFC 9113
 * section 8.7).
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

/* on_head, on_bytes and on_want are called within libcurl's callbacks and may not call the
 * functions below. */
struct attempt_events {
    /* The answer's head; the callee may take its contents. */
    void (*on_head)(struct attempt *attempt, struct head *head);
    /* Bytes of its body. False: pause until attempt_resume(); the rest of the current block still
     * comes. */
    bool (*on_bytes)(struct attempt *attempt, const char *bytes, size_t len);
    /* Fills buf with at most *len bytes of a streamed request body, as body_read() does.
     * BODY_READ_WAIT: pause until attempt_resume(). */
    enum body_read (*on_want)(struct attempt *attempt, char *buf, size_t *len);
    /* Follows attempt_todo(). False: the callee stopped the attempt and may have freed it. */
    bool (*on_run)(struct attempt *attempt);
    /* The transfer has ended by itself: call attempt_failure() for its result, then attempt_stop().
     */
    void (*on_end)(struct attempt *attempt, int curl_code);
};

/* All pointers must be valid during attempt_send() only, except body. */
struct attempt_request {
    const char *method, *target;
    const struct fields *fields;
    int64_t length;        /* of the body in bytes, or REQUEST_LENGTH_… */
    const char *body;      /* in one piece, valid until attempt_stop(); NULL: none, … */
    bool streamed;         /* … or the body is read by on_want */
    const char *encodings; /* Accept-Encoding in place of the client's, or NULL */
    struct request_forwarded forwarded;
};

#define ATTEMPT_SAYS_MAX 256 /* CURL_ERROR_SIZE */

struct attempt {
    struct pool_job job;
    const struct attempt_events *events;
    struct endpoint *endpoint; /* the endpoint of `job`'s settings, with a reference; or NULL */
    struct lookups *lookups;
    struct lookup_waiter lookup;
    struct deadline deadline; /* the owning fetch sets start and limits */
    struct answer answer;
    struct dechunk dechunk;
    struct err *err; /* set: why we end the transfer; freed by attempt_stop() */
    bool streamed, send_paused, recv_paused;
    bool send_ends; /* the head came while sending was paused: resume, so that libcurl ends it */
    bool dropping;  /* bytes that still come are discarded */
    bool idempotent;
    unsigned writes;       /* how often the request was written, libcurl's repetitions included */
    struct own_ends ends;  /* of its connection (over http: of the last new connection) */
    uint32_t stream;       /* its stream on that connection, if HTTP/2; 0: unknown */
    bool refused;          /* a GOAWAY says that the server has not acted on it */
    bool end_is_announced; /* the connection's end: by a GOAWAY, or TLS's close_notify */
    bool gave_up;          /* it needs a new connection, but must not be sent again */
    struct str lines;      /* the request's fields: contain an API key */
    struct pool_lines list;
    char curl_says[ATTEMPT_SAYS_MAX];
};

/* attempt_init() allocates libcurl's handle; events must be static. Stop the attempt before
 * attempt_release(). */
void attempt_init(struct attempt *attempt, const struct attempt_events *events);
void attempt_release(struct attempt *attempt);

/* Prepares for another request. lookups: the worker's, must outlive the attempt's use. */
void attempt_reset(struct attempt *attempt, struct lookups *lookups);
/* Sends the request; repeated calls count as further tries of the same request. Adds a reference to
 * the endpoint. Returns -1 if libcurl rejects the transfer: attempt_failure() then gives the error.
 */
int attempt_send(struct attempt *attempt, struct pool *pool, struct endpoint *endpoint,
                 const struct attempt_request *request);
/* Returns NULL if the answer is complete as far as libcurl knows, else an error that the caller
 * frees. Not within libcurl's callbacks. */
struct err *attempt_failure(struct attempt *attempt, int curl_code);
/* Removes the transfer from libcurl, and the attempt from the lookup queue; on_run may still come.
 * given_up: we end an unfinished transfer, so its connection is not reused. lookup: the error for
 * attempts that wait for this attempt's name lookup, or NULL. */
void attempt_stop(struct attempt *attempt, bool given_up, const struct err *lookup);
/* Erases the request's data; on_run does not come any more. False: the attempt cannot be used for
 * another request. */
bool attempt_recycle(struct attempt *attempt);

void attempt_todo(struct attempt *attempt); /* has on_run called soon */
/* Resumes the given directions, if they are paused. Within on_run only. */
void attempt_resume(struct attempt *attempt, bool send, bool receive);
/* Has libcurl read and write for this transfer at the next turn, unless a direction is paused. */
void attempt_read(struct attempt *attempt);
void attempt_heard(struct attempt *attempt); /* restarts the silence of `deadline` */
/* Estimate of the body's bytes that the upstream's kernel has acknowledged: the bytes sent, minus
 * the socket's unacknowledged bytes. */
int64_t attempt_delivered(struct attempt *attempt);

/* --- attempt_http2.c: HTTP/2 connections and their streams ------------------------------ */

/* How often a request may be written. A connection with one request left before its close refuses
 * all but one of the requests written at once; the bound is above a pool's number of requests. */
#define ATTEMPT_WRITES_MAX 100U

/* True if the attempt failed so that its request may be sent again: the server refused its stream.
 * libcurl repeats refused streams itself, except those that end with CURLE_HTTP2, as a stream begun
 * after a GOAWAY may. */
bool attempt_may_resend(const struct attempt *attempt);
/* Records the connection to which the request is about to be written. */
void attempt_note_connection(struct attempt *attempt, const struct own_ends *ends);
/* True if the transfer's HTTP/2 connection ended with it, unannounced by the server. Then the
 * server violated the protocol, and an answer without a length, which libcurl reports as complete,
 * is truncated. False where that cannot be told: for streamed requests, and while another stream of
 * the connection is paused. Not within libcurl's callbacks: other transfers may advance. */
bool attempt_lost_connection(struct attempt *attempt);
/* Evaluates a line of libcurl's debug output (len bytes) for all attempts on the connection of
 * `told`: a GOAWAY refuses the streams after its last one and announces the connection's end, as a
 * close_notify does. */
void attempt_note_text(struct attempt *told, const char *text, size_t len);

#endif
