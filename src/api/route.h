/* Which part of the program a request target is for. Pure functions on the raw target. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include <stddef.h>

enum route {
    ROUTE_API,          /* /v1 and all below: forwarded */
    ROUTE_HEALTH,       /* /health */
    ROUTE_STATS,        /* /stats */
    ROUTE_CACHE,        /* /cache */
    ROUTE_CACHE_ENTRY,  /* /cache/KEY, of 1 to 64 hexadecimal digits */
    ROUTE_CACHE_VERIFY, /* /cache/verify */
    ROUTE_NONE
};

/* NULL if the target is one that we pass on; else what is wrong with it, as a sentence.
 * Origin-form only (RFC 9112 section 3.2.1). Dot segments are refused in any spelling, because
 * an upstream that resolves them would serve another path than the one that was let in; %00
 * because it ends the path in some programs and not in others. */
const char *route_target_fault(const char *target);

/* By the path, the part before '?'. "/v1x" is not below "/v1". */
enum route route_of(const char *target);

/* Length of the path part. */
size_t route_path_len(const char *target);

/* The byte that stands at s, percent-decoded; *len is the length of its spelling, 1 or 3. */
unsigned char route_byte(const char *s, size_t left, size_t *len);

#endif
