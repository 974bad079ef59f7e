/* What goes down to the client: a status, fields, and a body that is whole or still grows. */
#ifndef PROXY_REPLY_H
#define PROXY_REPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/fields.h"
#include "base/str.h"
#include "cache/flight.h"

enum reply_body {
    REPLY_WHOLE,  /* bytes, len */
    REPLY_GROWING /* read from the request's reader */
};

struct reply {
    unsigned status;
    const struct fields *upstream; /* an answer's own fields, or NULL */
    struct fields own;             /* ours */
    enum reply_body kind;
    const void *bytes; /* good as long as the request is */
    size_t len;
    int64_t length;   /* REPLY_GROWING: announced, or -1 */
    bool until_close; /* REPLY_GROWING: the end is the connection's end */
    bool close;       /* the connection ends after this */
    struct str text;  /* holds `bytes` for what we say ourselves */
};

void reply_init(struct reply *reply);
void reply_release(struct reply *reply);

/* An answer from upstream. head_only: the request was HEAD. request_id stands in where the
 * upstream sent none. */
void reply_from_flight(struct reply *reply, struct flight *flight, bool head_only,
                       const char *request_id);
/* Our own error, OpenAI-shaped. under_api: in the place of an answer under /v1. */
void reply_from_err(struct reply *reply, const struct err *err, bool under_api,
                    const char *request_id);
/* Our own JSON, which is in reply->text already. */
void reply_own_json(struct reply *reply, unsigned status, const char *request_id);

/* Does a field of an upstream's answer reach the client? All do, but those that we say
 * ourselves, and CORS ones: no web page shall read this proxy's answers. */
bool reply_passes(const struct field *h);

/* Appends the head as HTTP/1.1 text that ends the connection, for what cannot be said through
 * libmicrohttpd. */
void reply_write_head(const struct reply *reply, const char *reason, struct str *text);
/* Bytes that the head takes on the wire, roughly from above. */
size_t reply_head_size(const struct reply *reply);

#endif
