/* A request: the story of one exchange, told in steps (req_steps.c).
 *
 * libmicrohttpd's side (down.c) calls in this order, always on the worker's thread:
 *
 *   req_new    the request line is there
 *   req_take_line, req_add_field
 *   req_begin  the head is whole
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
#include "api/policy.h"
#include "base/mailbox.h"
#include "cache/flight.h"
#include "cache/index.h"
#include "proxy/exchange.h"
#include "proxy/reply.h"
#include "upstream/request_head.h"

struct admin_job;
struct conn;
struct key_job;
struct load_job;
struct unpack;
struct worker;

/* What a body or an answer may be ahead of who takes it: then its sender has to wait. */
#define REQ_AHEAD_HIGH ((size_t)256 * 1024)
#define REQ_AHEAD_LOW ((size_t)64 * 1024)

enum req_next {
    REQ_ON,    /* the next step, at once */
    REQ_MORE,  /* go on receiving the body */
    REQ_PARK,  /* nothing until it is woken */
    REQ_REPLY, /* req->reply is ready */
    REQ_CLOSE  /* end the connection without an answer */
};

/* Why a request is passed on (RFC 9211 section 2.2). */
enum req_fwd { FWD_MISS, FWD_STALE, FWD_REQUEST };

enum step {
    STEP_ROUTE,
    STEP_ADMIT,
    STEP_PREFLIGHT,
    STEP_READ,
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

struct req {
    struct list node; /* worker's spare ones */
    struct conn *conn;
    struct worker *worker;
    struct settings *settings; /* those current at its begin; a reference */
    enum step step;
    char id[24]; /* for logs, X-Request-ID */

    struct str target; /* raw */
    char method[24];
    bool method_fits;
    struct fields fields;
    bool is_api;      /* for /v1 or below */
    bool bad_field;   /* one of the fields was none: it is missing above */
    bool no_chunks;   /* HTTP/1.0: only the connection's end can end a body of unknown length */
    size_t head_size; /* bytes of request line and fields */
    int64_t length;   /* of the body: bytes, REQUEST_LENGTH_NONE, REQUEST_LENGTH_UNKNOWN */

    bool begun;    /* the head is whole: it counts as in flight */
    bool received; /* the body is whole */
    uint64_t body_bytes;
    struct str whole;      /* a short body, … */
    size_t held;           /* what of the memory's budget it takes, bytes */
    struct flight *upload; /* … or one that is passed on as it comes */
    bool upload_full;
    int64_t whole_max; /* what of it is held; a longer one is passed on as it comes */

    enum cache_class api; /* CACHE_CLASS_NONE: nothing is looked up or stored */
    struct cache_control asks;
    struct key key;
    struct key_tag tag;
    char model[OBJECT_MODEL_SIZE];
    struct key_job *key_job;   /* its key is being worked out elsewhere (req_key.c) */
    bool looked;               /* at the body: model is what it says */
    bool loaded;               /* the disk was looked at */
    struct load_job *load_job; /* it is being read elsewhere (req_load.c) */
    bool alone; /* what it joined came to nothing that it may have: it fetches for itself */
    enum verdict verdict;
    enum req_fwd fwd; /* VERDICT_MISS: why it is fetched */

    struct object *object; /* the answer, if it is there, … */
    size_t object_read;    /* … and was unpacked so far */
    struct flight *flight; /* … or is on its way */
    struct body_reader reader;
    struct letter news; /* of the flight, from another worker */
    struct unpack *unpack;
    struct admin_job *job; /* of an admin route: its answer is made on another thread */
    struct err *err;       /* set: it failed, or was refused */
    bool close; /* after an error: the framing cannot be trusted, or the body is too long */
    bool broken;
    struct reply reply;
    bool fetched; /* a fetch was begun for it */
    bool replied;
    uint64_t sent; /* bytes of a growing body that went down */

    uint64_t started_us;
};

struct req *req_new(struct worker *worker, struct conn *conn, const char *target);
/* The head: its request line, but for the target; then its fields. */
void req_take_line(struct req *req, const char *method, const char *version);
void req_add_field(struct req *req, const struct field *field);
void req_begin(struct req *req);
/* How many of the bytes it took; fewer than given: park until it is woken. */
size_t req_take(struct req *req, const char *bytes, size_t len);
enum req_next req_run(struct req *req);
/* As libmicrohttpd's reader: > 0 bytes, 0 park, REQ_READ_END, REQ_READ_BROKEN. */
#define REQ_READ_END (-1)
#define REQ_READ_BROKEN (-2)
ssize_t req_read(struct req *req, char *buf, size_t max);
void req_finish(struct req *req, bool whole); /* whole: the client has all of the answer */

/* Is its answer the connection's last one? Where others wait for a connection, each makes room. */
bool req_ends_connection(const struct req *req);
void req_leave_flight(struct req *req);

/* req_steps.c */
/* What comes is no valid request, which framing.fault tells: ends what was begun upstream, and
 * refuses it. REQ_REPLY, or REQ_CLOSE where it had its answer. */
enum req_next req_abort(struct req *req);
enum req_next req_step(struct req *req);
void req_pass_body_on(struct req *req);         /* it is too long to be held */
void req_raise_timeouts(const struct req *req); /* of its flight, to the request's own */

/* req_key.c */
enum req_next req_step_key(struct req *req);
void req_parse_body(struct req *req); /* fills in the model, if nothing has so far */
void req_leave_job(struct req *req);  /* the request ends */

/* req_load.c */
enum req_next req_step_load(struct req *req);
void req_leave_load(struct req *req); /* the request ends */

/* req_cache.c: the steps that have to do with the cache */
enum req_next req_step_lookup(struct req *req);
struct index_query req_query(const struct req *req);           /* good as long as the request is */
enum req_next req_hit(struct req *req, struct object *object); /* whose reference it takes */
void req_on_news(struct letter *news);
void req_tell_cache(const struct req *req, struct reply_cache *cache);
enum req_next req_goto(struct req *req, enum step step);
enum req_next req_refuse(struct req *req, enum err_code code, bool close, const char *text);
const char *req_step_name(enum step step);

void req_free(struct req *req);

#endif
