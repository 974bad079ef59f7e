/* A reply to the client: a status, fields, and a body that is whole or still grows. */
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

/* What the cache had to do with an answer. VERDICT_OWN: it is the proxy's own, or the client left
 * before the cache was asked. VERDICT_JOIN: it is that of a fetch which another request began. */
enum verdict { VERDICT_OWN, VERDICT_BYPASS, VERDICT_MISS, VERDICT_HIT, VERDICT_JOIN };
#define VERDICT_COUNT (VERDICT_JOIN + 1)

/* The values of the cache fields of an answer. */
struct reply_cache {
    enum verdict kind;
    const char *status;    /* of Cache-Status (RFC 9211), after our name and "; " */
    int64_t now_ms;        /* Unix time */
    int64_t stored_ms;     /* VERDICT_HIT, VERDICT_JOIN: when it was stored */
    int64_t ttl_ms;        /* VERDICT_HIT: what is left; < 0: for ever */
    const struct key *key; /* NULL: the request has none */
};

/* Why a request is refused, and what the answer says besides. */
struct refusal {
    struct err err;
    bool close;                /* the connection cannot go on */
    const char *field, *value; /* a field of this refusal: Allow, Retry-After, …; NULL: none */
};

/* The longest body that is given to one send(2), bytes. A client that reads as fast as the kernel
 * copies makes one call take tens of milliseconds, in which a worker's other clients wait. */
#define REPLY_WHOLE_MAX ((size_t)256 * 1024)

enum reply_body {
    REPLY_WHOLE, /* bytes, len */
    REPLY_READ   /* read from the request's reader: it grows still, or is long */
};

struct reply {
    unsigned status;
    const struct fields *upstream; /* an answer's own fields, or NULL */
    struct fields own;             /* ours */
    enum reply_body kind;
    const void *bytes; /* good as long as the request is */
    size_t len;
    int64_t length;        /* REPLY_READ: announced, or -1 */
    bool until_close;      /* REPLY_READ: the end is the connection's end */
    bool close;            /* the connection ends after this */
    bool inflated;         /* its fields speak of a gzip body, which is sent inflated */
    struct object *object; /* a replay: its ready-made answer will do */
    const char *id;        /* a replay's X-Request-ID, if the object has none */
    struct reply_cache cache;
    struct str
        origin;      /* "" or the page's of another site that may read this (reply_allow_origin) */
    struct str text; /* holds `bytes` for what we say ourselves */
};

void reply_init(struct reply *reply);
void reply_release(struct reply *reply);

/* Before any of the following: the answer is for a page of another site, whose Origin the user has
 * allowed, and carries CORS fields (WHATWG Fetch, section 3.2). */
void reply_allow_origin(struct reply *reply, const char *origin);
/* The answer to such a page's preflight request (WHATWG Fetch, section 3.2.2): all methods that
 * clients use, and the fields that it asks for. */
void reply_preflight(struct reply *reply, const struct fields *request,
                     const struct reply_cache *cache, const char *request_id);

/* Bits. */
enum reply_form {
    REPLY_HEAD_ONLY = 1, /* the request was HEAD */
    REPLY_INFLATED = 2   /* as reply->inflated */
};

/* An answer from upstream. request_id stands in where the upstream sent none. */
void reply_from_flight(struct reply *reply, struct flight *flight, unsigned form,
                       const struct reply_cache *cache, const char *request_id);
/* A replay. Its own fields are not there yet: where the object has a ready-made answer nobody
 * needs them. */
void reply_from_object(struct reply *reply, struct object *object, bool inflated,
                       const struct reply_cache *cache, const char *request_id);
/* Is it the same for every client, and asked for often? */
bool reply_is_ready_made(const struct reply *reply);
void reply_finish_object(struct reply *reply);
/* Our own error, OpenAI-shaped. cache: in the place of an answer under /v1; else NULL. */
void reply_from_err(struct reply *reply, const struct err *err, const struct reply_cache *cache,
                    const char *request_id);
/* Our own body of that media type, which is in reply->text already. */
void reply_own(struct reply *reply, unsigned status, const char *type, const char *request_id);
/* The same, of JSON. */
void reply_own_json(struct reply *reply, unsigned status, const char *request_id);

/* Does a field of an upstream's answer reach the client? All do, but those that we say
 * ourselves, and CORS ones: no web page shall read this proxy's answers. A client that joined a
 * flight gets those that a replay has (policy_field_is_kept()). */
bool reply_passes(const struct reply *reply, const struct field *h);

/* Appends the head as HTTP/1.1 text that ends the connection, for what cannot be said through
 * libmicrohttpd. */
void reply_write_head(const struct reply *reply, const char *reason, struct str *text);
/* What is set aside for fields of our own: a hit has more of them than the miss before it, and must
 * not be the one that does not fit. */
#define REPLY_OWN_BYTES ((size_t)512)
/* Bytes that the head takes on the wire, roughly from above: of this answer, and of any with these
 * fields of the upstream's. */
size_t reply_head_size(const struct reply *reply);
size_t reply_head_size_with(const struct fields *upstream);

#endif
