/* An upstream: where requests go, how to reach it, and how long to wait for it.
 * Immutable after endpoint_new(), so any thread may read it. Reference-counted: holders of a
 * reference may use it although newer settings have replaced it.
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
    const char *name;  /* not copied: static */
    const char *url;   /* of the API, with or without /v1; this and proxy are copied */
    const char *proxy; /* URL with its password, "none", or "": the environment's */
    /* trusted besides the system's; NULL: none; must be valid during endpoint_new() only */
    const struct crypto_certs *certs;
    int64_t connect_ms; /* 0: no limit, as for the next two */
    int64_t silence_ms;
    int64_t total_ms;
    bool silence_is_set; /* by the user: overrides an SDK's stated deadline */
    bool http2;          /* use it if an https:// upstream offers it (ALPN) */
    bool forwarded;      /* send X-Forwarded-For and X-Request-ID */
};

struct endpoint {
    atomic_uint refs;
    const char *name;
    struct url base; /* path: the prefix before /v1 in the upstream's paths, "" or "/x" */
    char *root;      /* scheme://authority */
    char *label;     /* the base URL for messages, password masked */
    enum endpoint_proxy proxy_from;
    char *proxy;                /* ENDPOINT_PROXY_GIVEN: the URL with its password: never log it */
    char *proxy_label;          /* the same, masked */
    const char *proxy_variable; /* environment variable that sets the proxy; NULL: --proxy */
    bool plain_http_proxy;      /* http:// by an HTTP(S) proxy: requests in absolute form */
    struct crypto_trust *trust; /* the system's certificates, and those of the spec */
    int64_t connect_ms;         /* this and the rest as in endpoint_spec */
    int64_t silence_ms;
    int64_t total_ms;
    bool silence_is_set;
    bool http2;
    bool forwarded;
};

/* Returns the endpoint with one reference, the caller's. For an empty spec->proxy it reads
 * https_proxy (http_proxy for an http upstream), all_proxy and no_proxy from the environment, as
 * libcurl does. Returns NULL and sets *err (ERR_USAGE) if the upstream's URL or that variable's is
 * invalid. */
struct endpoint *endpoint_new(const struct endpoint_spec *spec, struct err *err);
/* Any thread. endpoint_ref() returns e. */
struct endpoint *endpoint_ref(struct endpoint *e);
void endpoint_unref(struct endpoint *e); /* NULL is allowed */

/* True if connections to the upstream or to its proxy use TLS. */
bool endpoint_speaks_tls(const struct endpoint *e);

/* Appends the request target to *out: in absolute form for an HTTP proxy, which libcurl derives
 * from a URL; else the path, which bypasses libcurl's URL parser byte for byte. */
void endpoint_add_target(const struct endpoint *e, const char *target, struct str *out);

#endif
