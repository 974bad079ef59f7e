/* Who is at the other end of a client's connection: decided at its first request, and again where
 * the settings have changed since. */
#ifndef PROXY_PEER_H
#define PROXY_PEER_H

#include <stdbool.h>

#include "base/err.h"

struct conn;
struct sock_diag;
struct settings;

enum peer_verdict {
    PEER_UNASKED,
    PEER_ADMITTED,
    PEER_LEFT,     /* it closed its socket before the kernel was asked */
    PEER_STRANGER, /* a user of this machine who is not among those allowed */
    PEER_SELF      /* this process: the upstream leads back to the proxy */
};

/* diag: the worker's, NULL where the kernel does not say whose a socket is: then every local user
 * gets in. 0, or -1 with ERR_USER or ERR_LOOP. The worker's thread. */
int peer_check(struct conn *conn, struct sock_diag *diag, const struct settings *settings,
               struct err *err);

#define PEER_LOOP_TEXT                                                                             \
    "The upstream leads back to this proxy: name the API itself with --upstream (and another "     \
    "proxy with --proxy)."
/* Is the client one of this process's own upstream sockets? */
bool peer_is_self(const struct conn *conn);

#endif
