/* A request: one exchange, processed in steps (req_steps.c). The client side drives it by the
 * functions of client/client_ops.h. The worker's thread, unless stated otherwise. */
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

/* How far a body or an answer may be ahead of its reader, bytes: then its sender waits. */
#define REQ_AHEAD_HIGH ((size_t)256 * 1024)
#define REQ_AHEAD_LOW ((size_t)64 * 1024)

/* The outcome of a step. */
enum req_next {
    REQ_MORE = CLIENT_MORE,
    REQ_PARK = CLIENT_PARK,
    REQ_REPLY = CLIENT_REPLY,
    REQ_CLOSE = CLIENT_CLOSE,
    REQ_ON /* run the next step at once */
};

/* In the order of a request's way; req_steps.c draws it. */
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
    bool bad_field; /* a field was malformed: it is missing above, and the request is refused */
};

/* The body: held, or passed on as an upload. */
struct req_body {
    int64_t length;        /* bytes, REQUEST_LENGTH_NONE, REQUEST_LENGTH_UNKNOWN */
    bool received;         /* all of it */
    bool upload_full;      /* wait for the upload's reader */
    uint64_t bytes;        /* so far */
    struct str buf;        /* a held body, … */
    int64_t buf_max;       /* a longer body becomes an upload, bytes */
    size_t held;           /* bytes of the memory's budget that buf takes */
    struct flight *upload; /* … or an upload */
    struct body_facts facts;
};

/* The cache key and the state of the look-up. */
struct req_cache {
    enum cache_class class;       /* CACHE_CLASS_NONE: nothing is looked up or stored */
    struct cache_control control; /* its Cache-Control */
    struct request_fingerprint fingerprint;
    struct key key;
    bool has_key;
    bool key_was_remembered; /* it came from the key cache */
    bool disk_was_read;      /* for the key, in the store */
    bool no_coalesce; /* the joined flight failed or is not shareable: do not coalesce again */
    struct key_job *key_job; /* set while a job inspects the body (key_job.h) */
    struct load *load;       /* set while the store is read (load.h) */
    enum verdict verdict;
    enum req_fwd fwd; /* VERDICT_MISS: why it is fetched */
};

/* The answer's source, and its progress. */
struct req_answer {
    struct object *object; /* a stored answer, with a reference, … */
    size_t object_read;    /* … and the bytes of it read so far */
    struct flight *flight; /* … or the flight of the answer, with a reference */
    struct body_reader reader;
    struct letter news;          /* news of the flight or a job, from another thread */
    struct inflate *inflate;     /* NULL: it is sent as it is */
    struct admin_job *admin_job; /* of a /cache route */
    bool fetched;                /* a fetch was begun for this request */
    bool broken;                 /* it ended before it was complete */
    uint64_t sent;               /* bytes of a growing body that were sent */
};

struct req {
    struct list node; /* worker->spare_reqs */
    struct conn *conn;
    struct worker *worker;
    struct settings *settings; /* the settings current at its beginning; a reference */
    enum step step;
    bool begun; /* the head is complete: it counts as in flight */
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

/* Frees a finished or a spare request. */
void req_free(struct req *req);
/* Leaves the flight and drops its news; nothing if there is no flight. */
void req_leave_flight(struct req *req);
/* Raises its flight's timeouts to the request's own. */
void req_raise_timeouts(const struct req *req);
/* The request's query for the index; valid as long as the request. */
struct index_query req_query(const struct req *req);
/* The flight's notification for a reader: wakes its request. Any thread, under the flight's lock.
 */
void req_on_flight_news(struct body_reader *reader);

/* --- req_steps.c --- */

/* The one place where the step changes. */
enum req_next req_goto(struct req *req, enum step step);
enum req_next req_step(struct req *req); /* runs the current step */
const char *req_step_name(enum step step);

#endif
