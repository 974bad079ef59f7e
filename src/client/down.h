/* The client side: one libmicrohttpd daemon in a worker's loop.
 *
 * libmicrohttpd reads requests and writes answers; what they mean is the business of client_ops.h.
 * Its work grows with the connections that are suspended in it, so each lane has a daemon of its
 * own. The one file that includes microhttpd.h is down_mhd.c. Owner thread only.
 *
 * What libmicrohttpd takes for a request that another program would read in another way never gets
 * to it (down_recv.h). Heads larger than the pool and a Content-Length that is no number are
 * refused by libmicrohttpd itself, in HTML.
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

/* Memory of a connection for its request's and its answer's head. libmicrohttpd zeroes it at
 * every kept-alive request, so size is time (about 1 µs per 16 KiB) and memory. */
#define DOWN_POOL_BYTES ((size_t)24 * 1024)
/* Of these a request's head may take (conn->head_bytes); the rest is its answer head's. */
#define DOWN_REQUEST_BYTES ((size_t)20 * 1024)

struct down {
    void *mhd; /* struct MHD_Daemon * */
    struct watch watch;
    struct loop *loop;
    const struct client_ops *ops;
    struct down_clients *clients;
    struct sock_diag *diag;
    struct conn *arriving;
    struct list conns;
    struct list faulty; /* of conns: sent something that is no valid request */
    struct list early;  /* of conns: have an answer before their body was received */
    unsigned count;
    unsigned polling; /* connections that wait unsuspended */
    bool moved;       /* something happened in this run that asks for another */
    bool due;
    struct timer again;
};

/* The settings of a daemon; all that they point to outlives it. */
struct down_config {
    const struct client_ops *ops;
    struct loop *loop;
    struct down_clients *clients; /* of all daemons of the thread */
    struct sock_diag *diag;       /* NULL: the kernel does not say whose a socket is */
    unsigned most;                /* connections */
};
int down_init(struct down *down, const struct down_config *config, struct err *err);
/* Ends what is left of its connections. */
void down_release(struct down *down);

const char *down_reason(unsigned status); /* what is said beside a status */
void down_mark_due(struct down *down);    /* it wants down_run() */
bool down_wants_run(const struct down *down);
void down_run(struct down *down);

/* Takes an accepted descriptor; closes it where it cannot be served. */
void down_adopt(struct down *down, int fd, const struct sockaddr *address, socklen_t len,
                uint64_t client_ms);
/* Calls the request of a parked connection again, soon. Nothing if it is not parked. */
void down_wake(struct conn *conn);
/* The request of a connection: from its line, and to its end (nothing where none is current). */
void down_begin_request(struct conn *conn, const char *target);
void down_end_request(struct conn *conn, bool is_complete);
/* What came of the connection is no valid request, which framing.fault tells: it is answered, soon,
 * and ends. From within libmicrohttpd. */
void down_framing_fault(struct conn *conn);
/* The request has its answer while its body still comes in: writes it, soon, and closes. */
void down_answer_early(struct conn *conn);

/* libmicrohttpd's, for `goproxyai version`. */
const char *down_version(void);

#endif
