/* Reading libcurl's debug output for how a server ends a connection, which it tells nowhere else:
 * HTTP/2's GOAWAY, and TLS's close_notify. Pure. */
#ifndef UPSTREAM_GOAWAY_H
#define UPSTREAM_GOAWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* "received GOAWAY, error=0, last_stream=39" (7.88 misspells the first word): *last_stream is the
 * highest stream that the server may have acted on (RFC 9113 section 6.8). False: another line, or
 * one that was cut (a whole one ends with a newline). */
bool goaway_parse(const char *text, size_t len, uint32_t *last_stream);

/* "TLSv1.3 (IN), TLS alert, close notify (256):". */
bool goaway_is_close_notify(const char *text, size_t len);

/* The stream of a connection's n-th request, from 1 on: a client's streams have odd numbers, in
 * ascending order (RFC 9113 section 5.1.1). 0 of 0: not known. */
static inline uint32_t goaway_stream(unsigned n)
{
    return n ? 2 * n - 1 : 0;
}

#endif
