/* Where requests go: one upstream, how to reach it, and how long to wait for it.
 * Made of plain values; immutable afterwards, so every worker may read it. Counted: whoever holds a
 * reference may use it, though the settings that it came from have changed.
 */
#ifndef UPSTREAM_ENDPOINT_H
#define UPSTREAM_ENDPOINT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "base/url.h"

enum endpoint_proxy { ENDPOINT_PROXY_NONE, ENDPOINT_PROXY_GIVEN };

struct crypto_certs;
struct crypto_trust;

/* The settings of an endpoint. */
struct endpoint_spec {
    const char *name;  /* which the endpoint does not copy: static */
    const char *url;   /* of the API, with or without /v1 */
    const char *proxy; /* a URL with its password, "none", or "": what the environment names */
    const struct crypto_certs
        *certs; /* trusted besides the system's; NULL: none; needed by endpoint_new() only */
    int64_t connect_ms; /* 0: off, as for the two below */
    int64_t silence_ms;
    int64_t total_ms;
    bool silence_is_set; /* by the user: then an SDK's own deadline does not count */
    bool http2;          /* where an https:// upstream offers it (ALPN) */
    bool forwarded;      /* send X-Forwarded-For and X-Request-ID */
};

struct endpoint {
    atomic_uint refs;
    const char *name;
    struct url base; /* path: what stands before /v1 in the upstream's paths, "" or "/x" */
    char *root;      /* scheme://authority */
    char *label;     /* the base URL for people, password masked */
    enum endpoint_proxy proxy_from;
    char *proxy;       /* ENDPOINT_PROXY_GIVEN: the URL with its password: never print it */
    char *proxy_label; /* the same, masked */
    const char *proxy_variable; /* of the environment, which names it; NULL: --proxy does */
    bool plain_http_proxy;      /* requests may go to an HTTP proxy in absolute form */
    struct crypto_trust *trust; /* the system's certificates, and those of the spec */
    int64_t connect_ms;         /* these as in the spec */
    int64_t silence_ms;
    int64_t total_ms;
    bool silence_is_set;
    bool http2;
    bool forwarded;
};

/* With one reference, the caller's. Without a proxy the environment counts: HTTPS_PROXY (http_proxy
 * for an http upstream), ALL_PROXY and NO_PROXY, as curl reads them. NULL with ERR_USAGE where the
 * URL, or that of a variable, is none. */
struct endpoint *endpoint_new(const struct endpoint_spec *spec, struct err *err);
/* Any thread. */
struct endpoint *endpoint_ref(struct endpoint *e);
void endpoint_unref(struct endpoint *e); /* NULL is nothing */

/* Is TLS spoken to the upstream, or to its proxy? */
bool endpoint_speaks_tls(const struct endpoint *e);

/* Appends what is asked for. An HTTP proxy gets the absolute form, which curl makes of a URL; in
 * all other cases the target goes out to the letter, past curl's URL parser. */
void endpoint_add_target(const struct endpoint *e, const char *target, struct str *out);

#endif
