/* The head of the request that goes upstream, in libcurl's notation. Pure: no I/O. */
#ifndef UPSTREAM_REQUEST_HEAD_H
#define UPSTREAM_REQUEST_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fields.h"

#define REQUEST_LENGTH_NONE (-2)    /* the request has no body */
#define REQUEST_LENGTH_UNKNOWN (-1) /* chunked */

struct request_forwarded {
    const char *client;     /* address, for X-Forwarded-For */
    const char *request_id; /* for X-Request-ID where the client sent none */
};

/* Appends NUL-ended lines: "Name: value", "Name;" for an empty value, and "Name:" where curl
 * would add a field that the client did not send. What is hop-by-hop stays behind, and Host,
 * Content-Length and Expect, which are between curl and the upstream, and X-Goproxyai-*, which is
 * for this proxy. encodings, if not NULL,
 * stands in the place of the client's Accept-Encoding. forwarded may be NULL. */
void request_head_write(struct str *lines, const struct fields *request, int64_t length,
                        const char *encodings, const struct request_forwarded *forwarded);

#endif
