/* A client's connection, as far as libmicrohttpd does not look after it.
 *
 * - Its descriptor is watched for the client's leaving: libmicrohttpd does not look at a
 *   suspended connection, and a request that waits is one. A client that only closed its sending
 *   half (RFC 9293 section 3.6: it still reads) has not left: on this machine the kernel tells the
 *   two apart, because a socket that was closed is no process's any more. Then the kernel is asked
 *   again now and then, since the closing itself sends nothing more. A FIN from another machine
 *   counts as leaving.
 * - Absolute deadlines: the head of a request must be whole, and its body must make progress, in
 *   client_ms; an idle connection is closed after CONN_IDLE_MS. libmicrohttpd's own timeout
 *   starts anew at each byte.
 * - A connection that was refused with bytes of its request unread is drained for a moment after
 *   its end, because closing a socket with unread data makes the kernel destroy the answer.
 *
 * Owned by the worker's thread. Freed at the end of the turn in which it was closed.
 */
#ifndef CLIENT_CONN_H
#define CLIENT_CONN_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/framing.h"
#include "base/list.h"
#include "base/loop.h"

#define CONN_IDLE_MS 300000

struct down;
struct req; /* client_ops.h */
struct sock_diag;

struct conn {
    struct list node;  /* of its lane */
    struct list early; /* down->early */
    struct garbage garbage;
    struct watch watch;
    struct timer timer;
    uint64_t deadline_ms; /* UINT64_MAX: none now */
    struct loop *loop;
    struct down *down;
    void *mhd; /* struct MHD_Connection * */
    int fd;
    uint64_t client_ms;
    uint64_t idle_since_ms; /* it expects the next request's first byte */
    uint64_t window_bytes;  /* of a body, since the deadline was last moved */
    bool busy;              /* nothing is expected of the client: see below */
    bool hung_up;           /* the client left, or was thrown out */
    bool timed_out;         /* it was thrown out, as it brought nothing in client_ms */
    bool half_closed;       /* the client sends nothing more, and still reads */
    bool on_loopback;
    /* The server's verdict on the peer (0: none yet), and the number of its settings then. */
    unsigned peer;
    uint64_t peer_settings;
    struct sock_diag *diag; /* the worker's, or NULL */
    struct timer half_timer;
    bool parked;    /* suspended in libmicrohttpd */
    bool polling;   /* waits, but not suspended yet: see down_mhd.c */
    unsigned polls; /* calls of the handler since the polling began */
    struct framing framing;
    struct list faulty; /* down->faulty */
    bool framed;        /* bytes of it were seen by `framing` */
    uint64_t served;    /* requests that libmicrohttpd is done with */
    bool begun;         /* the current request's head was handed over */
    bool announces_body;
    bool until_close;  /* the connection's end ends its answer: only an RST shows a cut */
    bool linger;       /* drain after the end */
    struct req *req;   /* the current request, or NULL; of it: */
    bool received;     /* its body is whole */
    bool has_answer;   /* its answer's head went down */
    size_t head_bytes; /* of libmicrohttpd's pool that its head takes, from above */
    char address[INET6_ADDRSTRLEN];
    unsigned local_port;
    void (*on_hang_up)(struct conn *); /* the client left: wake the connection if it waits */
};

/* Takes the descriptor; client_ms as above (0: no deadline). Never fails: a descriptor that
 * cannot be watched is as good as a client that left. */
struct conn *conn_new(struct loop *loop, int fd, const struct sockaddr *address, uint64_t client_ms,
                      void (*on_hang_up)(struct conn *));
/* The connection's end; the caller closes the descriptor afterwards. */
void conn_close(struct conn *conn);

/* What is wrong with the framing of its current request, or of its next one where none is current;
 * NULL: nothing, or a later one is at fault. */
const char *conn_framing_fault(const struct conn *conn);
enum err_code conn_framing_error(const struct conn *conn); /* as what it is answered */

/* Has it waited for its next request for so long, or longer? */
bool conn_is_idle(const struct conn *conn, uint64_t ms);

void conn_expect_head(struct conn *conn);     /* idle until the next request's head is whole */
void conn_expect_head_end(struct conn *conn); /* its first line is here */
void conn_expect_body(struct conn *conn);
void conn_got_body(struct conn *conn, size_t len);
void conn_expect_nothing(struct conn *conn); /* busy: it is the upstream's turn, or ours */

/* Sends an RST: what follows is libmicrohttpd's to close. */
void conn_reset(struct conn *conn);
/* Ends it at once, from outside of libmicrohttpd's callbacks. */
void conn_throw_out(struct conn *conn);

/* "1.2.3.4" or "2001:db8::1"; IPv4 in IPv6's clothes is shown as IPv4. */
void conn_format_address(char *buf, size_t size, const struct sockaddr *address);

#endif
