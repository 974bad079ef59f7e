/* Guard against DNS rebinding and foreign pages. A web page in the user's browser can send requests
 * to localhost, under its own name (Origin, Sec-Fetch-Site) or under a name that it pointed here
 * (DNS rebinding: Host).
 *
 * - Exactly one Host field, which names loopback, an address of --listen, or a host of
 *   --allow-host. Its port does not matter: an SSH tunnel or a port mapping changes the port, and
 *   rebinding shows in the name. (A name that --allow-host gives with a port matches that port
 *   only.)
 * - No Origin but our own or those of --allow-origin, and no Sec-Fetch-Site of cross-site or
 *   same-site without an Origin of --allow-origin. Sec-Fetch-Mode proves nothing: Node's fetch
 *   sends "cors" by itself.
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
    struct str names;   /* NUL-terminated, lower case: "proxy.test", "proxy.test:9000" */
    struct str origins; /* as names: "http://localhost:3000" */
    unsigned port;      /* the port that we listen on */
};

void guard_init(struct guard *guard);
void guard_release(struct guard *guard);
/* Allows a name or address, with any port or with the given port. Copied. */
void guard_allow(struct guard *guard, const char *name);
/* guard_allow() for a name from the user: -1 with ERR_USAGE if it is no host with or without a
 * port. */
int guard_allow_host(struct guard *guard, const char *name, struct err *err);
/* Allows the pages of a site, by its serialised origin (RFC 6454 section 6.2). Copied. -1 with
 * ERR_USAGE if it is no origin, and for "*" and "null". */
int guard_allow_origin(struct guard *guard, const char *origin, struct err *err);

/* True if the host is a name or address of the proxy, for the port that it listens on. bracketed:
 * it was written as an IPv6 address in brackets, which `host` lacks. */
bool guard_names(const struct guard *guard, const char *host, bool bracketed);

/* 0, or -1 with ERR_HOST or ERR_ORIGIN. *cors: the Origin, within `request`, of an allowed page of
 * another site, whose answer needs CORS fields; else NULL. */
int guard_check(const struct guard *guard, const struct fields *request, const char **cors,
                struct err *err);

#endif
