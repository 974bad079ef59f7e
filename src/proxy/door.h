/* Who gets in. A web page in the user's browser can send requests to localhost, under its own
 * name (Origin, Sec-Fetch-Site) or under one that it made point here (DNS rebinding: Host).
 *
 * - On every route: exactly one Host field, which names loopback, an address that we were told
 *   to listen on, or what --allow-host adds; and our port.
 * - On all but /v1 (where the key is the client's own): no Origin but ours, and no Sec-Fetch-Site
 *   of cross-site. Sec-Fetch-Mode says nothing: Node's fetch sends "cors" by itself.
 *
 * Immutable once the server runs; any thread may check.
 */
#ifndef PROXY_DOOR_H
#define PROXY_DOOR_H

#include <stdbool.h>

#include "base/err.h"
#include "base/fields.h"
#include "base/str.h"

struct door {
    struct str names; /* NUL-ended, lower case: "proxy.test", "proxy.test:9000" */
    unsigned port;
};

void door_init(struct door *door);
void door_release(struct door *door);
/* A name or address that is let in: with our port, or with the one that is written. */
void door_allow(struct door *door, const char *name);

/* 0, or -1 with ERR_HOST or ERR_ORIGIN. */
int door_check(const struct door *door, const struct fields *request, bool is_api, struct err *err);

#endif
