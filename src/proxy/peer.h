/* The peer of a client's connection, judged at its first request, and again after a change of
 * settings. */
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
    PEER_LEFT,     /* it closed its socket before the kernel could name its user */
    PEER_STRANGER, /* a local user who is not allowed, or whom the kernel does not name */
    PEER_SELF      /* this process: the upstream leads back to the proxy */
};

/* diag: the worker's; NULL if the kernel does not name a socket's owner: then every local user is
 * admitted. Stores the verdict in conn. 0, or -1 with ERR_USER or ERR_LOOP. The worker's thread. */
int peer_check(struct conn *conn, struct sock_diag *diag, const struct settings *settings,
               struct err *err);

#define PEER_LOOP_TEXT                                                                             \
    "The upstream leads back to this proxy: name the API itself with --upstream (and another "     \
    "proxy with --proxy)."
/* True if the client is an upstream socket of this process. Any thread. */
bool peer_is_self(const struct conn *conn);

#endif
