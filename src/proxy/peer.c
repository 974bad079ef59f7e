#include "proxy/peer.h"

#include "base/sock_diag.h"
#include "client/conn.h"
#include "upstream/own_sockets.h"
#include "proxy/settings.h"

bool peer_is_self(const struct conn *conn)
{
    struct own_ends ends;

    return own_ends_of_client(&ends, conn->fd) && own_sockets_has(&ends);
}

/* Asks the kernel again if it has no answer, then refuses: no local user is admitted unidentified.
 */
static enum peer_verdict judge_user(const struct conn *conn, struct sock_diag *diag,
                                    const struct users *users)
{
    struct sock_diag_peer peer;

    for (int tries = 0; tries < 2; tries++) {
        switch (sock_diag_ask(diag, conn->fd, &peer)) {
        case SOCK_DIAG_FOUND:
            return users_has(users, peer.uid) ? PEER_ADMITTED : PEER_STRANGER;
        case SOCK_DIAG_GONE: /* no client waits for an answer, but the request could do harm */
            return PEER_LEFT;
        case SOCK_DIAG_UNKNOWN:
            break;
        }
    }
    return PEER_STRANGER;
}

static enum peer_verdict judge(const struct conn *conn, struct sock_diag *diag,
                               const struct users *users)
{
    if (peer_is_self(conn))
        return PEER_SELF;
    if (!conn->on_loopback || !diag || users->all)
        return PEER_ADMITTED;
    return judge_user(conn, diag, users);
}

int peer_check(struct conn *conn, struct sock_diag *diag, const struct settings *settings,
               struct err *err)
{
    if (conn->peer == PEER_UNASKED || conn->peer_settings != settings->number)
        conn->peer = judge(conn, diag, &settings->users);
    conn->peer_settings = settings->number;
    switch (conn->peer) {
    case PEER_UNASKED:
    case PEER_ADMITTED:
        return 0;
    case PEER_LEFT:
        return err_set(err, ERR_USER,
                       "The client closed its connection before the kernel was asked which user it "
                       "belongs to: wait for the answer.");
    case PEER_STRANGER:
        return err_set(
            err, ERR_USER,
            "This proxy is another user's: start one of your own, or have this one started with "
            "--allow-users and your name (all, where a packet filter redirects clients to it).");
    case PEER_SELF:
        break;
    }
    return err_set(err, ERR_LOOP, PEER_LOOP_TEXT);
}
