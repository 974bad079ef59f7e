#include "client/conn.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/net.h"
#include "base/sock_diag.h"

#define BODY_WINDOW_BYTES 1024 /* minimum that a body must bring per client_ms */
#define LINGER_MS 5000
#define GONE_MS 20          /* to process what a client sent before it left */
#define HALF_CLOSED_MS 1000 /* the same, for a client that still reads */
#define HALF_CLOSED_POLL_MS 500

void conn_format_address(char *buf, size_t size, const struct sockaddr *address)
{
    const struct sockaddr_in *v4 = (const void *)address;
    const struct sockaddr_in6 *v6 = (const void *)address;

    if (address->sa_family == AF_INET)
        inet_ntop(AF_INET, &v4->sin_addr, buf, (socklen_t)size);
    else if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr))
        inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], buf, (socklen_t)size);
    else
        inet_ntop(AF_INET6, &v6->sin6_addr, buf, (socklen_t)size);
}

static void set_deadline(struct conn *conn, uint64_t in_ms)
{
    conn->deadline_ms = conn->loop->now_ms + in_ms;
    /* A later deadline leaves the timer as it is: on_timer() moves it. */
    if (!timer_is_set(&conn->timer) || conn->timer.at_ms > conn->deadline_ms)
        timer_set(&conn->loop->timers, &conn->timer, conn->deadline_ms);
}

static void expect(struct conn *conn, uint64_t in_ms)
{
    if (conn->hung_up)
        set_deadline(conn, GONE_MS);
    else if (conn->half_closed)
        set_deadline(conn, HALF_CLOSED_MS);
    else if (conn->client_ms)
        set_deadline(conn, in_ms);
}

/* libmicrohttpd may miss a FIN that came together with data: its epoll is edge-triggered, and both
 * are one edge. So the deadline ends the connection, unless its answer does before. */
static void leave(struct conn *conn)
{
    conn->hung_up = true;
    if (!conn->busy)
        set_deadline(conn, GONE_MS);
    conn->on_hang_up(conn);
}

/* True if a process on this machine still holds the client's socket. */
static bool is_held(const struct conn *conn)
{
    struct sock_diag_peer peer;

    return conn->on_loopback && conn->diag &&
           sock_diag_ask(conn->diag, conn->fd, &peer) == SOCK_DIAG_FOUND;
}

static void on_half_timer(struct timer *timer)
{
    struct conn *conn = container_of(timer, struct conn, half_timer);

    if (is_held(conn))
        timer_set(&conn->loop->timers, timer, conn->loop->now_ms + HALF_CLOSED_POLL_MS);
    else
        leave(conn);
}

static void on_hangup(struct watch *w, uint32_t events)
{
    struct conn *conn = container_of(w, struct conn, watch);

    /* EPOLLHUP: both directions are closed. */
    if ((events & (EPOLLHUP | EPOLLERR)) || !is_held(conn)) {
        leave(conn);
        return;
    }
    conn->half_closed = true;
    if (!conn->busy)
        set_deadline(conn, HALF_CLOSED_MS);
    timer_set(&conn->loop->timers, &conn->half_timer, conn->loop->now_ms + HALF_CLOSED_POLL_MS);
}

static void on_timer(struct timer *timer)
{
    struct conn *conn = container_of(timer, struct conn, timer);

    if (conn->deadline_ms == UINT64_MAX)
        return;
    if (conn->deadline_ms > conn->loop->now_ms)
        timer_set(&conn->loop->timers, timer, conn->deadline_ms);
    else {
        conn->timed_out = !conn->hung_up && !conn->half_closed;
        conn_throw_out(conn);
    }
}

struct conn *conn_new(struct loop *loop, int fd, const struct sockaddr *address, uint64_t client_ms,
                      void (*on_hang_up)(struct conn *))
{
    struct conn *conn = mem_zero(sizeof(*conn));
    struct err err;

    list_init(&conn->node);
    list_init(&conn->garbage.node);
    list_init(&conn->early);
    list_init(&conn->faulty);
    framing_init(&conn->framing);
    conn->loop = loop;
    conn->fd = fd;
    conn->client_ms = client_ms;
    conn->idle_since_ms = loop->now_ms;
    conn->on_hang_up = on_hang_up;
    conn_format_address(conn->address, sizeof(conn->address), address);
    conn->on_loopback = net_is_loopback(address);
    timer_init(&conn->timer, on_timer);
    timer_init(&conn->half_timer, on_half_timer);
    conn->watch.ready = on_hangup;
    conn->hung_up = loop_watch(loop, &conn->watch, fd, EPOLLRDHUP | EPOLLET, &err) < 0;
    conn->deadline_ms = UINT64_MAX;
    expect(conn, client_ms);
    return conn;
}

/* --- draining after the end ----------------------------------------------------------- */

struct drain {
    struct garbage garbage;
    struct watch watch;
    struct timer timer;
    struct loop *loop;
    int fd;
};

static void free_drain(struct garbage *g)
{
    free(container_of(g, struct drain, garbage));
}

static void end_drain(struct drain *d)
{
    loop_unwatch(d->loop, &d->watch);
    timer_cancel(&d->loop->timers, &d->timer);
    close(d->fd);
    loop_free_later(d->loop, &d->garbage, free_drain);
}

static void on_drain_timer(struct timer *timer)
{
    end_drain(container_of(timer, struct drain, timer));
}

static void on_drain_ready(struct watch *w, uint32_t events)
{
    struct drain *d = container_of(w, struct drain, watch);
    char buf[16384];

    (void)events;
    if (recv(d->fd, buf, sizeof(buf), MSG_DONTWAIT) <= 0)
        end_drain(d);
}

static void start_drain(struct conn *conn)
{
    struct drain *d;
    struct err err;
    int fd = dup(conn->fd);

    if (fd < 0)
        return;
    shutdown(fd, SHUT_WR);
    d = mem_zero(sizeof(*d));
    list_init(&d->garbage.node);
    d->loop = conn->loop;
    d->fd = fd;
    timer_init(&d->timer, on_drain_timer);
    timer_set(&d->loop->timers, &d->timer, d->loop->now_ms + LINGER_MS);
    d->watch.ready = on_drain_ready;
    if (loop_watch(d->loop, &d->watch, fd, EPOLLIN, &err) < 0)
        end_drain(d);
}

static void free_conn(struct garbage *g)
{
    free(container_of(g, struct conn, garbage));
}

void conn_close(struct conn *conn)
{
    loop_unwatch(conn->loop, &conn->watch);
    timer_cancel(&conn->loop->timers, &conn->timer);
    timer_cancel(&conn->loop->timers, &conn->half_timer);
    list_remove(&conn->node);
    list_remove(&conn->early);
    list_remove(&conn->faulty);
    if (conn->linger)
        start_drain(conn);
    loop_free_later(conn->loop, &conn->garbage, free_conn);
}

const char *conn_framing_fault(const struct conn *conn)
{
    return conn->served < conn->framing.requests ? NULL : conn->framing.fault;
}

enum err_code conn_framing_error(const struct conn *conn)
{
    static const enum err_code codes[] = {
        [FRAMING_MALFORMED] = ERR_BAD_REQUEST,
        [FRAMING_TARGET_TOO_LONG] = ERR_TARGET_TOO_LONG,
        [FRAMING_HEAD_TOO_LARGE] = ERR_HEAD_TOO_LARGE,
        [FRAMING_VERSION] = ERR_HTTP_VERSION,
    };

    return codes[conn->framing.reason];
}

/* --- deadlines ------------------------------------------------------------------------ */

bool conn_is_idle(const struct conn *conn, uint64_t ms)
{
    return !conn->req && !conn->busy && framing_at_start(&conn->framing) &&
           conn->loop->now_ms - conn->idle_since_ms >= ms;
}

void conn_expect_head(struct conn *conn)
{
    conn->busy = false;
    conn->idle_since_ms = conn->loop->now_ms;
    expect(conn, CONN_IDLE_MS + conn->client_ms);
}

void conn_expect_head_end(struct conn *conn)
{
    uint64_t before = conn->deadline_ms;

    expect(conn, conn->client_ms);
    if (before < conn->deadline_ms)
        conn->deadline_ms = before;
}

void conn_expect_body(struct conn *conn)
{
    conn->busy = false;
    conn->window_bytes = 0;
    expect(conn, conn->client_ms);
}

void conn_got_body(struct conn *conn, size_t len)
{
    conn->window_bytes += len;
    if (conn->window_bytes >= BODY_WINDOW_BYTES)
        conn_expect_body(conn);
}

void conn_expect_nothing(struct conn *conn)
{
    conn->busy = true;
    conn->deadline_ms = UINT64_MAX;
}

void conn_reset(struct conn *conn)
{
    /* SO_LINGER would come too late: libmicrohttpd shuts down before it closes, which is a FIN.
     * Dissolving the association of a connected socket (connect(2)) sends an RST at once. */
    struct sockaddr none = {.sa_family = AF_UNSPEC};

    (void)connect(conn->fd, &none, sizeof(none));
}

void conn_throw_out(struct conn *conn)
{
    conn->hung_up = true;
    if (conn->until_close)
        conn_reset(conn);
    shutdown(conn->fd, SHUT_RDWR); /* libmicrohttpd then reads an end of file */
    conn->on_hang_up(conn);
}
