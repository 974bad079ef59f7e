/* A reply to the client: a status, fields, and a body that is complete or still grows. Worker's
 * thread only; all pointers are borrowed from the request, its flight or its object. */
#ifndef CLIENT_REPLY_H
#define CLIENT_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "api/key.h"
#include "base/err.h"
#include "base/fields.h"
#include "base/str.h"
#include "cache/flight.h"
#include "cache/object.h"

/* The cache's part in an answer. VERDICT_OWN: the proxy's own answer, or the client left before the
 * lookup. VERDICT_JOIN: the answer of a fetch that another request began. */
enum verdict { VERDICT_OWN, VERDICT_BYPASS, VERDICT_MISS, VERDICT_HIT, VERDICT_JOIN };
#define VERDICT_COUNT (VERDICT_JOIN + 1)

/* The values of the cache fields of an answer. */
struct reply_cache {
    enum verdict kind;
    const char *status;    /* of Cache-Status (RFC 9211), after our name and "; " */
    int64_t now_ms;        /* Unix time */
    int64_t stored_ms;     /* VERDICT_HIT, VERDICT_JOIN: when it was stored */
    int64_t ttl_ms;        /* VERDICT_HIT: remaining lifetime; < 0: unlimited */
    const struct key *key; /* NULL: the request has none */
};

/* Why a request is refused, and the answer's extra field. */
struct refusal {
    struct err err;
    bool close;                /* the connection has to end */
    const char *field, *value; /* e.g. Allow, Retry-After; static; NULL: none */
};

/* The longest body for one send(2), bytes. To a client that reads as fast as the kernel copies, a
 * longer send takes tens of milliseconds, in which the worker's other clients wait. */
#define REPLY_WHOLE_MAX ((size_t)256 * 1024)

enum reply_body {
    REPLY_WHOLE, /* bytes, len */
    REPLY_READ   /* by client_ops.read: it still grows, or is long */
};

struct reply {
    unsigned status;
    const struct fields *upstream; /* an answer's own fields, or NULL */
    struct fields own;             /* ours */
    enum reply_body kind;
    const void *bytes; /* valid as long as the request */
    size_t len;
    int64_t length;        /* REPLY_READ: announced, bytes, or -1 */
    bool until_close;      /* REPLY_READ: the body ends with the connection */
    bool close;            /* the connection ends after this */
    bool inflated;         /* its fields describe a gzip body, which is sent inflated */
    struct object *object; /* a replay: its ready-made answer may be sent */
    const char *id;        /* a replay's X-Request-ID, if the object has none */
    struct reply_cache cache;
    struct str origin; /* "", or see reply_allow_origin() */
    struct str text;   /* holds `bytes` of the proxy's own answer */
};

void reply_init(struct reply *reply);
void reply_release(struct reply *reply);

/* Call before the functions below. origin: of an allowed page of another site, for which the answer
 * carries CORS fields (WHATWG Fetch, section 3.2). */
void reply_allow_origin(struct reply *reply, const char *origin);
/* The answer to a preflight request of that page (WHATWG Fetch, section 3.2.2): allows all methods
 * of clients, and the requested fields. cache: NULL: no cache fields. */
void reply_preflight(struct reply *reply, const struct fields *request,
                     const struct reply_cache *cache, const char *request_id);

/* Bits. */
enum reply_form {
    REPLY_HEAD_ONLY = 1, /* the request was HEAD */
    REPLY_INFLATED = 2   /* see reply->inflated */
};

/* An answer from upstream; form: bits of reply_form. request_id is used if the upstream sent none.
 */
void reply_from_flight(struct reply *reply, struct flight *flight, unsigned form,
                       const struct reply_cache *cache, const char *request_id);
/* A replay. reply_finish_object() adds its own fields later: a ready-made answer does without. */
void reply_from_object(struct reply *reply, struct object *object, bool inflated,
                       const struct reply_cache *cache, const char *request_id);
/* True for a replay that is equal for all clients and whose object was found in memory before
 * (object->warm). */
bool reply_is_ready_made(const struct reply *reply);
void reply_finish_object(struct reply *reply);
/* The proxy's own error in OpenAI's format. cache: the cache fields of an answer under /v1; else
 * NULL. */
void reply_from_err(struct reply *reply, const struct err *err, const struct reply_cache *cache,
                    const char *request_id);
/* The proxy's own body, already in reply->text, with that media type. */
void reply_own(struct reply *reply, unsigned status, const char *type, const char *request_id);
/* reply_own() with application/json. */
void reply_own_json(struct reply *reply, unsigned status, const char *request_id);

/* True if an upstream's field reaches the client. All do, except the proxy's own and CORS fields:
 * only pages of reply_allow_origin() may read answers. A client that joined a flight gets the
 * fields of a replay only (policy_field_is_kept()). */
bool reply_passes(const struct reply *reply, const struct field *h);

/* Appends the head as HTTP/1.1 text with Connection: close, for down_raw_answer(). */
void reply_write_head(const struct reply *reply, const char *reason, struct str *text);
/* Bytes reserved for the proxy's own fields: a hit has more of them than its miss, and must fit as
 * well. */
#define REPLY_OWN_BYTES ((size_t)512)
/* Rough upper bounds of the head's bytes on the wire: of this answer, and of any answer with these
 * upstream fields. */
size_t reply_head_size(const struct reply *reply);
size_t reply_head_size_with(const struct fields *upstream);

#endif
