/* What to tell a person about a transfer that failed: which hop, and what to try. Pure. */
#ifndef PROXY_UP_EXPLAIN_H
#define PROXY_UP_EXPLAIN_H

#include <stdbool.h>

#include "base/err.h"
#include "proxy/endpoint.h"

enum up_trouble {
    UP_TROUBLE_NAME,       /* the upstream's name could not be looked up */
    UP_TROUBLE_PROXY_NAME, /* the upstream proxy's */
    UP_TROUBLE_CONNECT,
    UP_TROUBLE_CONNECT_TIME, /* no connection in time */
    UP_TROUBLE_PROXY,        /* the proxy refused or spoke nonsense */
    UP_TROUBLE_TLS,
    UP_TROUBLE_DESCRIPTORS, /* no socket could be had for the connection */
    UP_TROUBLE_CUT,         /* the connection ended before the answer did */
    UP_TROUBLE_ANSWER
};

struct up_trouble_facts {
    enum up_trouble trouble;
    bool in_tunnel;     /* the request could be sent: what failed is beyond the proxy */
    long proxy_status;  /* what the proxy answered to CONNECT, 0 if it did not */
    const char *detail; /* the library's own words, "" if none */
};

/* proxy_status 407 is an authentication failure whatever the trouble. Passwords are masked. */
void up_explain(struct err *err, const struct up_trouble_facts *facts, const struct endpoint *e);

/* The upstream kept silent for so long, or its whole answer took so long. */
void up_explain_silent(struct err *err, int64_t ms);
void up_explain_slow(struct err *err, int64_t ms);

#endif
