#include "upstream/pool_socket.h"

#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/mem.h"
#include "upstream/own_sockets.h"

#define DEAD_MS 20000 /* ms without an acknowledgement */
#define PROBES 3      /* unanswered keepalive probes */

void pool_sockets_release_all(struct pool_sockets *s)
{
    for (size_t i = 0; i < s->cap; i++)
        free(s->by_fd[i]);
    free(s->by_fd);
    s->by_fd = NULL;
}

void pool_sockets_retire_share(struct pool_sockets *s, bool (*free_share)(void *share))
{
    size_t kept = 0;

    if (s->share) {
        s->retired = mem_grow(s->retired, (s->retired_count + 1) * sizeof(void *));
        s->retired[s->retired_count++] = take(s->share);
    }
    for (size_t i = 0; i < s->retired_count; i++)
        if (!free_share(s->retired[i]))
            s->retired[kept++] = s->retired[i];
    s->retired_count = kept;
}

struct pool_socket *pool_socket_at(struct pool_sockets *s, int fd)
{
    return (size_t)fd < s->cap ? s->by_fd[fd] : NULL;
}

struct pool_socket *pool_socket_add(struct pool_sockets *s, int fd)
{
    struct pool_socket *sock = mem_zero(sizeof(*sock));

    if ((size_t)fd >= s->cap) {
        size_t cap = (size_t)fd * 2 + 64;

        s->by_fd = mem_grow(s->by_fd, cap * sizeof(struct pool_socket *));
        memset(s->by_fd + s->cap, 0, (cap - s->cap) * sizeof(struct pool_socket *));
        s->cap = cap;
    }
    assert(!s->by_fd[fd]);
    sock->watch.fd = -1;
    s->by_fd[fd] = sock;
    return sock;
}

struct dead_socket {
    struct garbage garbage;
    struct pool_socket *sock;
};

static void free_dead_socket(struct garbage *g)
{
    struct dead_socket *dead = container_of(g, struct dead_socket, garbage);

    free(dead->sock);
    free(dead);
}

void pool_socket_forget(struct pool_sockets *s, int fd)
{
    struct dead_socket *dead = mem_alloc(sizeof(*dead));

    dead->sock = s->by_fd[fd];
    loop_unwatch(s->loop, &dead->sock->watch);
    s->by_fd[fd] = NULL;
    /* This turn's events may still point to it. */
    loop_free_later(s->loop, &dead->garbage, free_dead_socket);
}

/* --- opening -------------------------------------------------------------------------- */

static void set_option(int fd, int option, int value)
{
    (void)setsockopt(fd, IPPROTO_TCP, option, &value, sizeof(value)); /* fails for other sockets */
}

void pool_socket_opened(struct pool_sockets *s, int fd, bool patient)
{
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE)
            s->exhausted_ms = clock_mono_ms();
        return;
    }
    if (!patient)
        set_option(fd, TCP_USER_TIMEOUT, DEAD_MS);
    set_option(fd, TCP_KEEPCNT, PROBES);
}

/* --- idle connections ----------------------------------------------------------------- */

void pool_socket_end(int fd)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};

    own_sockets_remove(fd); /* AF_UNSPEC removes the addresses */
    /* connect(2), "dissolve the association": discards received bytes. After shutdown() alone
     * libcurl would find them, and take the connection for alive. */
    if (connect(fd, &nowhere, sizeof(nowhere)) < 0)
        (void)shutdown(fd, SHUT_RDWR);
}
