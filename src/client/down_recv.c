#include "client/down_recv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "client/conn.h"
#include "client/down.h"

static _Thread_local const struct down_clients *observed;

void down_recv_observe(const struct down_clients *clients)
{
    observed = clients;
}

void down_clients_release(struct down_clients *clients)
{
    free(clients->by_fd);
    *clients = (struct down_clients){.by_fd = NULL};
}

void down_clients_add(struct down_clients *clients, struct conn *conn)
{
    size_t at = (size_t)conn->fd;

    if (at >= clients->cap) {
        size_t cap = at * 2 + 64;

        clients->by_fd = mem_grow(clients->by_fd, cap * sizeof(struct conn *));
        memset(clients->by_fd + clients->cap, 0, (cap - clients->cap) * sizeof(struct conn *));
        clients->cap = cap;
    }
    clients->by_fd[at] = conn;
}

void down_clients_remove(struct down_clients *clients, struct conn *conn)
{
    if (clients->by_fd[conn->fd] == conn)
        clients->by_fd[conn->fd] = NULL;
}

/* Returns the number of bytes that libmicrohttpd may have, or -1 with EAGAIN for none. */
static ssize_t look_at(struct conn *conn, const char *bytes, size_t len)
{
    size_t good = framing_take(&conn->framing, bytes, len);

    conn->framed = true;
    if (conn->framing.fault)
        down_framing_fault(conn);
    if (good > 0)
        return (ssize_t)good;
    errno = EAGAIN;
    return -1;
}

/* Declared under another name, because the C library's header may define the real one inline. */
ssize_t down_recv_interposed(int fd, void *buf, size_t len, int flags) __asm__("recv");

ssize_t down_recv_interposed(int fd, void *buf, size_t len, int flags)
{
    const struct down_clients *clients = observed;
    ssize_t n = recvfrom(fd, buf, len, flags, NULL, NULL); /* equals recv() */
    struct conn *conn;

    if (!clients || n <= 0 || (flags & MSG_PEEK) || (size_t)fd >= clients->cap)
        return n;
    conn = clients->by_fd[fd];
    return conn ? look_at(conn, buf, (size_t)n) : n;
}
