/* The client side: one libmicrohttpd daemon in a worker's loop.
 *
 * libmicrohttpd reads requests and writes answers; client_ops.h gives them their meaning. Its work
 * grows with its suspended connections, so each lane has a daemon of its own. Only down_mhd.c
 * includes microhttpd.h. Worker's thread only, unless stated otherwise.
 *
 * A request that libmicrohttpd would read differently from other programs never reaches it
 * (down_recv.h). libmicrohttpd itself refuses heads larger than the pool and a malformed
 * Content-Length, with a page in HTML.
 */
#ifndef CLIENT_DOWN_H
#define CLIENT_DOWN_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/list.h"
#include "base/loop.h"
#include "client/client_ops.h"
#include "client/conn.h"

struct down_clients; /* down_recv.h */

/* Pool of a connection for its request's and its answer's head. libmicrohttpd zeroes it at every
 * kept-alive request, so size costs time (about 1 µs per 16 KiB) and memory. */
#define DOWN_POOL_BYTES ((size_t)24 * 1024)
/* Share of a request's head (conn->head_bytes); the rest is for the answer's head. */
#define DOWN_REQUEST_BYTES ((size_t)20 * 1024)

struct down {
    void *mhd; /* struct MHD_Daemon * */
    struct watch watch;
    struct loop *loop;
    const struct client_ops *ops;
    struct down_clients *clients;
    struct sock_diag *diag;
    struct conn *arriving; /* during MHD_add_connection() */
    struct list conns;
    struct list faulty; /* of conns: sent a malformed request */
    struct list early;  /* of conns: answered before their body was received */
    unsigned count;
    unsigned polling; /* connections that wait unsuspended */
    bool moved;       /* this run made progress: run again at once */
    bool due;
    struct timer again;
};

/* The settings of a daemon; all pointers must outlive it. */
struct down_config {
    const struct client_ops *ops;
    struct loop *loop;
    struct down_clients *clients; /* of all daemons of this thread */
    struct sock_diag *diag;       /* NULL: the kernel does not name a socket's owner */
    unsigned most;                /* connections */
};
/* 0, or -1 with ERR_SYSTEM. */
int down_init(struct down *down, const struct down_config *config, struct err *err);
/* Ends its remaining connections. */
void down_release(struct down *down);

const char *down_reason(unsigned status); /* reason phrase, static; any thread */
void down_mark_due(struct down *down);    /* calls ops->on_due() */
bool down_wants_run(const struct down *down);
/* Runs libmicrohttpd once. Not within its callbacks. */
void down_run(struct down *down);

/* Takes ownership of an accepted descriptor; closes it if it cannot be served. client_ms: see
 * conn.h. */
void down_adopt(struct down *down, int fd, const struct sockaddr *address, socklen_t len,
                uint64_t client_ms);
/* Has the request of a parked connection run again soon; no effect if the connection is not parked.
 */
void down_wake(struct conn *conn);
/* Begin the connection's request, with its raw target, and end it, if there is one. */
void down_begin_request(struct conn *conn, const char *target);
void down_end_request(struct conn *conn, bool is_complete);
/* The connection sent a malformed request, as framing.fault tells: it will be answered and closed
 * soon. Within libmicrohttpd's callbacks. */
void down_framing_fault(struct conn *conn);
/* The request has its answer before its body is complete: the answer will be written soon, and the
 * connection closed at the body's end. */
void down_answer_early(struct conn *conn);

/* libmicrohttpd's version, static, for `goproxyai version`. */
const char *down_version(void);

#endif
