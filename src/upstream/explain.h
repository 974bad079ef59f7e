/* What to tell a person about a transfer that failed: which hop, and what to try. Pure. */
#ifndef UPSTREAM_EXPLAIN_H
#define UPSTREAM_EXPLAIN_H

#include <stdbool.h>

#include "base/err.h"
#include "upstream/endpoint.h"

enum trouble {
    TROUBLE_NAME,       /* the upstream's name could not be looked up */
    TROUBLE_PROXY_NAME, /* the upstream proxy's */
    TROUBLE_CONNECT,
    TROUBLE_CONNECT_TIME, /* no connection in time */
    TROUBLE_PROXY,        /* the proxy refused or spoke nonsense */
    TROUBLE_TLS,
    TROUBLE_DESCRIPTORS, /* no socket could be had for the connection */
    TROUBLE_CUT,         /* the connection ended before the answer did */
    TROUBLE_ANSWER,
    TROUBLE_HEAD /* the answer's head is too large */
};

struct trouble_facts {
    enum trouble trouble;
    bool in_tunnel;     /* the request could be sent: what failed is beyond the proxy */
    long proxy_status;  /* what the proxy answered to CONNECT, 0 if it did not */
    const char *detail; /* the library's own words, "" if none */
};

/* proxy_status 407 is an authentication failure whatever the trouble. Passwords are masked. */
void explain(struct err *err, const struct trouble_facts *facts, const struct endpoint *e);

/* The upstream kept silent for so long, or its whole answer took so long. */
void explain_silent(struct err *err, int64_t ms);
void explain_slow(struct err *err, int64_t ms);

#endif
