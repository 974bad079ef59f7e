/* Parses libcurl's debug output, its only report of how a server ends a connection: HTTP/2's GOAWAY
 * and TLS's close_notify. Pure; any thread. text: len bytes, not NUL-terminated. */
#ifndef UPSTREAM_GOAWAY_H
#define UPSTREAM_GOAWAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Parses "received GOAWAY, error=0, last_stream=39" (7.88 misspells the first word). *last_stream:
 * the highest stream on which the server may have acted (RFC 9113 section 6.8). False: another
 * line, or a truncated line (a complete line ends with a newline). */
bool goaway_parse(const char *text, size_t len, uint32_t *last_stream);

/* Recognises "TLSv1.3 (IN), TLS alert, close notify (256):". */
bool goaway_is_close_notify(const char *text, size_t len);

/* Stream identifier of a connection's n-th request, n from 1: a client's streams have ascending odd
 * numbers (RFC 9113 section 5.1.1). Returns 0 (unknown) for n 0. */
static inline uint32_t goaway_stream(unsigned n)
{
    return n ? 2 * n - 1 : 0;
}

#endif
