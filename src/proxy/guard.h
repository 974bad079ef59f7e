/* Who gets in. A web page in the user's browser can send requests to localhost, under its own
 * name (Origin, Sec-Fetch-Site) or under one that it made point here (DNS rebinding: Host).
 *
 * - Exactly one Host field, which names loopback, an address that we were told to listen on, or
 *   what --allow-host adds. Its port does not matter: an SSH tunnel or a port mapping shows another
 *   one, and rebinding shows in the name. (A name that --allow-host gives with a port is one with
 *   that port only.)
 * - No Origin but our own or one that --allow-origin names, and no Sec-Fetch-Site of cross-site or
 *   same-site unless such an Origin is there. Sec-Fetch-Mode says nothing: Node's fetch sends
 * "cors" by itself.
 *
 * Immutable once the server runs; any thread may check.
 */
#ifndef PROXY_GUARD_H
#define PROXY_GUARD_H

#include <stdbool.h>

#include "base/err.h"
#include "base/fields.h"
#include "base/str.h"

struct guard {
    struct str names;   /* NUL-ended, lower case: "proxy.test", "proxy.test:9000" */
    struct str origins; /* the same: "http://localhost:3000" */
    unsigned port;      /* the one that we listen on */
};

void guard_init(struct guard *guard);
void guard_release(struct guard *guard);
/* A name or address that is let in: with any port, or with the one that is written. */
void guard_allow(struct guard *guard, const char *name);
/* The same of a name that a user wrote: -1 with ERR_USAGE for what is no host, with or without a
 * port. */
int guard_allow_host(struct guard *guard, const char *name, struct err *err);
/* A site whose pages may use the proxy, by its serialised origin (RFC 6454 section 6.2). -1 with
 * ERR_USAGE for what is none, and for "*" and "null". */
int guard_allow_origin(struct guard *guard, const char *origin, struct err *err);

/* Is this host one of the proxy's own names or addresses, whatever the port? bracketed: it was
 * written as an IPv6 address in brackets, which `host` has not. */
bool guard_names(const struct guard *guard, const char *host, bool bracketed);

/* 0, or -1 with ERR_HOST or ERR_ORIGIN. *cors: the Origin of an allowed page of another site, which
 * needs CORS fields in the answer; it points into `request`. Else NULL. */
int guard_check(const struct guard *guard, const struct fields *request, const char **cors,
                struct err *err);

#endif
