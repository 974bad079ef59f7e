/* Writes the upstream request's head as libcurl's header lines. Pure: no I/O; any thread. */
#ifndef UPSTREAM_REQUEST_HEAD_H
#define UPSTREAM_REQUEST_HEAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/fields.h"

#define REQUEST_LENGTH_NONE (-2)    /* the request has no body */
#define REQUEST_LENGTH_UNKNOWN (-1) /* chunked */

struct request_forwarded {
    const char *client;     /* its address, for X-Forwarded-For */
    const char *request_id; /* for X-Request-ID if the client sent none */
};

/* Appends NUL-terminated lines to *lines: "Name: value"; "Name;" for an empty value; "Name:" to
 * suppress a field that libcurl would add. Omits hop-by-hop fields, Host, Content-Length and Expect
 * (between libcurl and the upstream) and X-Goproxyai-* (for this proxy). length: of the body in
 * bytes, or REQUEST_LENGTH_…. encodings: replaces the value of the client's Accept-Encoding, if it
 * sent that; NULL: does not. forwarded: NULL adds no X-Forwarded-For and no X-Request-ID. */
void request_head_write(struct str *lines, const struct fields *request, int64_t length,
                        const char *encodings, const struct request_forwarded *forwarded);

#endif
