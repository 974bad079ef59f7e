/* Error messages for failed transfers: which hop failed, and what the user can try. Pure; any
 * thread. */
#ifndef UPSTREAM_EXPLAIN_H
#define UPSTREAM_EXPLAIN_H

#include <stdbool.h>

#include "base/err.h"
#include "upstream/endpoint.h"

enum trouble {
    TROUBLE_NAME,       /* the upstream's name could not be looked up */
    TROUBLE_PROXY_NAME, /* the upstream proxy's name could not */
    TROUBLE_CONNECT,
    TROUBLE_CONNECT_TIME, /* no connection in time */
    TROUBLE_PROXY,        /* the proxy refused, or its answer was malformed */
    TROUBLE_TLS,
    TROUBLE_DESCRIPTORS, /* socket(2) failed: the limit of open files */
    TROUBLE_CUT,         /* the connection ended before the answer */
    TROUBLE_ANSWER,
    TROUBLE_HEAD /* the answer's head is too large */
};

struct trouble_facts {
    enum trouble trouble;
    bool in_tunnel;     /* the request was ready to be sent: the failure is beyond the proxy */
    long proxy_status;  /* the proxy's own status, mostly for CONNECT; 0: none */
    const char *detail; /* libcurl's message, "" if none */
};

/* Sets *err for the failed transfer. proxy_status 407 is an authentication failure whatever the
 * trouble. Passwords in the detail are masked. */
void explain(struct err *err, const struct trouble_facts *facts, const struct endpoint *e);

/* Set *err: the upstream was silent for ms milliseconds; its whole answer took longer than ms. */
void explain_silent(struct err *err, int64_t ms);
void explain_slow(struct err *err, int64_t ms);

#endif
