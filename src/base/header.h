/* Which HTTP fields a proxy passes on (RFC 9110 section 7.6.1). Pure functions. */
#ifndef BASE_HEADER_H
#define BASE_HEADER_H

#include <stdbool.h>

#include "base/fields.h"

/* Hop-by-hop by name, whichever way it travels. */
bool header_is_hop_by_hop(const struct field *h);

/* The names that a message's own Connection fields add to these. Mostly none: then a field is
 * judged by its name alone. The fields must outlive it. */
struct header_hops {
    const struct fields *message; /* NULL: Connection names no field */
};
struct header_hops header_hops_of(const struct fields *message);
bool header_is_end_to_end(const struct header_hops *hops, const struct field *h);

/* Does the field say that a body follows (RFC 9112 section 6.3): a length but 0, or an encoding? */
bool header_announces_body(const struct field *h);

/* RFC 9110 section 9.2.2 */
bool header_method_is_idempotent(const char *method);

/* Does the client take gzip (RFC 9110 section 12.5.3)? One that says nothing does not. */
bool header_accepts_gzip(const struct fields *request);

/* Does the request ask to change to WebSocket (RFC 6455 section 4.1)? */
bool header_wants_websocket(const struct fields *request);

#endif
