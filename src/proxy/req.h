/* A request: the story of one exchange, told in steps (req_steps.c). The client side drives it by
 * the functions that client/client_ops.h describes; all of it is on the worker's thread. */
#ifndef PROXY_REQ_H
#define PROXY_REQ_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "api/policy.h"
#include "base/err.h"
#include "base/fields.h"
#include "base/list.h"
#include "base/mailbox.h"
#include "cache/flight.h"
#include "cache/index.h"
#include "proxy/exchange.h"
#include "client/client_ops.h"
#include "client/reply.h"
#include "upstream/request_head.h"

struct admin_job;
struct conn;
struct key_job;
struct load;
struct inflate;
struct worker;

/* What a body or an answer may be ahead of its reader: then its sender has to wait. */
#define REQ_AHEAD_HIGH ((size_t)256 * 1024)
#define REQ_AHEAD_LOW ((size_t)64 * 1024)

/* The outcome of a step. */
enum req_next {
    REQ_MORE = CLIENT_MORE,
    REQ_PARK = CLIENT_PARK,
    REQ_REPLY = CLIENT_REPLY,
    REQ_CLOSE = CLIENT_CLOSE,
    REQ_ON /* the next step, at once */
};

/* In the order of a request's way through them: req_steps.c draws it. */
enum step {
    STEP_CHECK,
    STEP_GUARD,
    STEP_PREFLIGHT,
    STEP_DISPATCH,
    STEP_READ,
    STEP_INSPECT,
    STEP_KEY,
    STEP_LOOKUP,
    STEP_LOAD,
    STEP_FETCH,
    STEP_WAIT,
    STEP_SEND,
    STEP_ADMIN,
    STEP_FAIL,
    STEP_DONE
};

/* Why a request is passed on (RFC 9211 section 2.2). */
enum req_fwd { FWD_MISS, FWD_STALE, FWD_REQUEST };

/* The request line and the fields. */
struct req_head {
    struct str target; /* raw */
    bool is_api;       /* the target is /v1, or below */
    char method[24];
    bool method_fits;
    bool no_chunks; /* HTTP/1.0: only the connection's end can end a body of unknown length */
    struct fields fields;
    bool bad_field; /* one of the fields was none: it is missing above */
};

/* The body: held, or passed on as it comes. */
struct req_body {
    int64_t length; /* bytes, REQUEST_LENGTH_NONE, REQUEST_LENGTH_UNKNOWN */
    bool received;  /* all of it */
    bool upload_full;
    uint64_t bytes;        /* so far */
    struct str buf;        /* a short one, … */
    int64_t buf_max;       /* a longer one becomes an upload, bytes */
    size_t held;           /* bytes of the memory's budget that buf takes */
    struct flight *upload; /* … or one that is passed on as it comes */
    struct body_facts facts;
};

/* The cache key and the state of the look-up. */
struct req_cache {
    enum cache_class class;       /* CACHE_CLASS_NONE: nothing is looked up or stored */
    struct cache_control control; /* what it asks of caches */
    struct request_fingerprint fingerprint;
    struct key key;
    bool has_key;
    bool key_was_remembered; /* it came from the key cache */
    bool disk_was_read;      /* for the key */
    bool no_coalesce;        /* the flight that it joined failed, or is not shareable */
    struct key_job *key_job; /* the body is inspected on another thread (key_job.h) */
    struct load *load;       /* the store is asked (load.h) */
    enum verdict verdict;
    enum req_fwd fwd; /* VERDICT_MISS: why it is fetched */
};

/* Where the answer comes from, and how far it has gone down. */
struct req_answer {
    struct object *object; /* the answer, if it is there, … */
    size_t object_read;    /* … and how much of it was read, bytes */
    struct flight *flight; /* … or is on its way */
    struct body_reader reader;
    struct letter news;          /* of the flight, from another worker */
    struct inflate *inflate;     /* NULL: it goes down as it came */
    struct admin_job *admin_job; /* of a route of the proxy's own */
    bool fetched;                /* a fetch was begun for this request */
    bool broken;                 /* it ended before it was whole */
    uint64_t sent;               /* bytes of a growing body that went down */
};

struct req {
    struct list node; /* worker's spare ones */
    struct conn *conn;
    struct worker *worker;
    struct settings *settings; /* those current at its begin; a reference */
    enum step step;
    bool begun; /* the head is whole: it counts as in flight */
    bool close; /* after an error: the framing cannot be trusted, or the body is too long */
    char id[24];
    uint64_t started_us; /* monotonic */
    struct req_head head;
    struct req_body body;
    struct req_cache cache;
    struct req_answer answer;
    struct err *err; /* set: it failed, or was refused */
    struct reply reply;
};

/* --- for client_ops --- */

struct req *req_new(struct worker *worker, struct conn *conn, const char *target);
void req_take_line(struct req *req, const char *method, const char *version);
void req_add_field(struct req *req, const struct field *field);
void req_begin(struct req *req);
enum client_next req_run(struct req *req);
enum client_next req_end_body(struct req *req);
struct reply *req_reply(struct req *req);
ssize_t req_read(struct req *req, char *buf, size_t max);
void req_replace_reply(struct req *req, size_t head_size);
enum client_next req_abort(struct req *req);
bool req_is_refused(const struct req *req);
void req_finish(struct req *req, bool has_answer, bool is_complete);

/* --- for the steps --- */

void req_free(struct req *req);
/* Of no use any more: the reader leaves, and nothing will be heard from it. */
void req_leave_flight(struct req *req);
/* Raises the timeouts of its flight to the request's own. */
void req_raise_timeouts(const struct req *req);
/* The request's query to the index; valid as long as the request. */
struct index_query req_query(const struct req *req);
/* A flight that the request reads has news: for its reader. Any thread. */
void req_on_flight_news(struct body_reader *reader);

/* --- req_steps.c --- */

/* The one place where the step changes. */
enum req_next req_goto(struct req *req, enum step step);
enum req_next req_step(struct req *req); /* runs the step that it is at */
const char *req_step_name(enum step step);

#endif
