/* The head of the request that goes upstream, in libcurl's notation. Pure: no I/O. */
#ifndef PROXY_UP_HEAD_H
#define PROXY_UP_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fields.h"

#define UP_LENGTH_NONE (-2)    /* the request has no body */
#define UP_LENGTH_UNKNOWN (-1) /* chunked */

struct up_forwarded {
    const char *client;     /* address, for X-Forwarded-For */
    const char *request_id; /* for X-Request-ID where the client sent none */
};

/* Appends NUL-ended lines: "Name: value", "Name;" for an empty value, and "Name:" where curl
 * would add a field that the client did not send. What is hop-by-hop stays behind, and Host,
 * Content-Length and Expect, which are between curl and the upstream, and X-Goproxyai-*, which is
 * for this proxy. encodings, if not NULL,
 * stands in the place of the client's Accept-Encoding. forwarded may be NULL. */
void up_head_write(struct str *lines, const struct fields *request, int64_t length,
                   const char *encodings, const struct up_forwarded *forwarded);

#endif
