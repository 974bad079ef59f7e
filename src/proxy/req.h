/* A request: the story of one exchange, told in steps (req_steps.c).
 *
 * libmicrohttpd's side (down.c) calls in this order, always on the worker's thread:
 *
 *   req_new    the request line is there
 *   req_begin  the head is whole: method, fields and head_size are filled in
 *   req_run    a body is announced
 *   req_take   0 or more times: bytes of the body
 *   req_run    the body is whole (received is set); and again whenever the connection was parked
 *              and woken
 *   req_read   when it answered REQ_REPLY with a body that grows
 *   req_finish the exchange is over, however it ended; frees
 */
#ifndef PROXY_REQ_H
#define PROXY_REQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "base/fields.h"
#include "base/list.h"
#include "cache/flight.h"
#include "proxy/reply.h"
#include "proxy/up_head.h"

struct conn;
struct worker;

enum req_next {
    REQ_ON,    /* the next step, at once */
    REQ_MORE,  /* go on receiving the body */
    REQ_PARK,  /* nothing until it is woken */
    REQ_REPLY, /* req->reply is ready */
    REQ_CLOSE  /* end the connection without an answer */
};

enum step {
    STEP_ROUTE,
    STEP_ADMIT,
    STEP_READ,
    STEP_LOOKUP,
    STEP_FETCH,
    STEP_WAIT,
    STEP_SEND,
    STEP_ADMIN,
    STEP_FAIL,
    STEP_DONE
};

struct req {
    struct list node; /* worker's spare ones */
    struct conn *conn;
    struct worker *worker;
    enum step step;
    char id[24]; /* for logs, X-Request-ID */

    struct str target; /* raw */
    char method[24];
    bool method_fits;
    struct fields fields;
    bool bad_field;   /* one of the fields was none: it is missing above */
    size_t head_size; /* bytes of request line and fields */
    int64_t length;   /* of the body: bytes, UP_LENGTH_NONE, UP_LENGTH_UNKNOWN */

    bool begun;    /* the head is whole: it counts as in flight */
    bool received; /* the body is whole */
    uint64_t body_bytes;
    struct str whole;      /* a short body, … */
    struct flight *upload; /* … or one that is passed on as it comes */
    bool upload_full;

    struct flight *flight; /* the answer */
    struct body_reader reader;
    struct err *err; /* set: it failed, or was refused */
    bool close;      /* after an error: the framing cannot be trusted, or the body is too long */
    bool broken;
    struct reply reply;
    bool replied;
    uint64_t sent; /* bytes of a growing body that went down */

    uint64_t started_us;
};

struct req *req_new(struct worker *worker, struct conn *conn, const char *target);
void req_begin(struct req *req);
/* How many of the bytes it took; fewer than given: park until it is woken. */
size_t req_take(struct req *req, const char *bytes, size_t len);
enum req_next req_run(struct req *req);
/* As libmicrohttpd's reader: > 0 bytes, 0 park, REQ_READ_END, REQ_READ_BROKEN. */
#define REQ_READ_END (-1)
#define REQ_READ_BROKEN (-2)
ssize_t req_read(struct req *req, char *buf, size_t max);
void req_finish(struct req *req, bool whole); /* whole: the client has all of the answer */

/* req_steps.c */
enum req_next req_step(struct req *req);
const char *req_step_name(enum step step);

void req_free(struct req *req);

#endif
