/* A client's connection: the part that libmicrohttpd does not manage.
 *
 * - Its descriptor is watched for the client's leaving, because libmicrohttpd does not watch the
 *   suspended connection of a waiting request. A client that closed only its sending half (RFC 9293
 *   section 3.6: it still reads) has not left. On this machine the kernel tells the two apart: a
 *   closed socket belongs to no process. The kernel is then asked repeatedly, since the full close
 *   sends nothing more. A FIN from another machine counts as leaving.
 * - Absolute deadlines: the head of a request must be complete, and its body must make progress, in
 *   client_ms; an idle connection is closed after CONN_IDLE_MS. libmicrohttpd's own timeout
 *   restarts at each byte.
 * - A connection whose request was refused with bytes unread is drained for a moment after its end,
 *   because closing a socket with unread data makes the kernel discard the answer.
 *
 * Worker's thread only. Freed at the end of the turn in which conn_close() was called.
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
    struct list node;  /* in down->conns */
    struct list early; /* down->early */
    struct garbage garbage;
    struct watch watch;
    struct timer timer;
    uint64_t deadline_ms; /* monotonic; UINT64_MAX: none now */
    struct loop *loop;
    struct down *down;
    void *mhd; /* struct MHD_Connection * */
    int fd;
    uint64_t client_ms;     /* see above; 0: no deadlines */
    uint64_t idle_since_ms; /* when the wait for the next request began, monotonic */
    uint64_t window_bytes;  /* bytes of a body since the deadline was last moved */
    bool busy;              /* no deadline: see conn_expect_nothing() */
    bool hung_up;           /* the client left, or conn_throw_out() was called */
    bool timed_out;         /* closed by its deadline, the client sending too little */
    bool half_closed;       /* the client sent its FIN, and still reads */
    bool on_loopback;
    /* The server's verdict on the peer (0: none yet), and settings->number at that time. */
    unsigned peer;
    uint64_t peer_settings;
    struct sock_diag *diag; /* the worker's, or NULL */
    struct timer half_timer;
    bool parked;    /* suspended in libmicrohttpd */
    bool polling;   /* waits unsuspended: see down_mhd.c */
    unsigned polls; /* calls of the handler since the polling began */
    struct framing framing;
    struct list faulty; /* down->faulty */
    bool framed;        /* bytes passed through `framing` */
    uint64_t served;    /* requests that libmicrohttpd has finished */
    bool begun;         /* the current request's head was passed to client_ops */
    bool announces_body;
    bool until_close;  /* the answer ends with the connection: only an RST shows a cut */
    bool linger;       /* drain after the end */
    struct req *req;   /* the current request, or NULL; its state: */
    bool received;     /* its body is complete */
    bool has_answer;   /* its answer's head was sent */
    size_t head_bytes; /* upper bound of its head's bytes in libmicrohttpd's pool */
    char address[INET6_ADDRSTRLEN];
    unsigned local_port;
    void (*on_hang_up)(struct conn *); /* the client left: wakes a waiting connection */
};

/* Watches the descriptor, which the caller closes after conn_close(). client_ms: as above, 0: no
 * deadlines. Never fails: if it cannot watch the descriptor, the client counts as having left. */
struct conn *conn_new(struct loop *loop, int fd, const struct sockaddr *address, uint64_t client_ms,
                      void (*on_hang_up)(struct conn *));
/* Ends the connection; the caller closes the descriptor afterwards. */
void conn_close(struct conn *conn);

/* The fault in the framing of its current or else its next request, static text; NULL: none, or a
 * later request is at fault. */
const char *conn_framing_fault(const struct conn *conn);
enum err_code conn_framing_error(const struct conn *conn); /* the error to answer */

/* True if it has waited for its next request for at least ms milliseconds. */
bool conn_is_idle(const struct conn *conn, uint64_t ms);

void conn_expect_head(struct conn *conn);     /* idle until the next request's head is complete */
void conn_expect_head_end(struct conn *conn); /* the request line has arrived */
void conn_expect_body(struct conn *conn);
void conn_got_body(struct conn *conn, size_t len);
void conn_expect_nothing(struct conn *conn); /* the wait is for the upstream, or for us */

/* Sends an RST; libmicrohttpd still closes the descriptor. */
void conn_reset(struct conn *conn);
/* Shuts the connection down at once. Not within libmicrohttpd's callbacks. */
void conn_throw_out(struct conn *conn);

/* Writes "1.2.3.4" or "2001:db8::1"; an IPv4-mapped IPv6 address is shown as IPv4. */
void conn_format_address(char *buf, size_t size, const struct sockaddr *address);

#endif
