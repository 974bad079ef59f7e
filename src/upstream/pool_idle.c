#include "upstream/pool_idle.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/net.h"

#define SLEPT_MS 2000 /* a shorter sleep is a clock adjustment */

bool pool_idle_is_used(const struct pool *pool, int fd)
{
    unsigned port = net_local_port(fd);

    list_each(node, &pool->active) {
        const struct pool_job *job = container_of(node, struct pool_job, active);

        /* libcurl names no socket for a transfer that paused before it had to wait, and an HTTP/2
         * socket only for its first transfer: compare the local port. */
        if (job->fd == fd || (job->fd < 0 && job->own_port && job->own_port == port))
            return true;
    }
    return false;
}

static bool is_idle(const struct pool_socket *sock)
{
    return sock && sock->ours && !sock->wanted && sock->watch.fd >= 0 &&
           !pool_idle_is_used(sock->pool, sock->watch.fd);
}

void pool_idle_end_all(struct pool_sockets *sockets)
{
    for (size_t i = 0; i < sockets->cap; i++)
        if (is_idle(sockets->by_fd[i]))
            pool_socket_end((int)i);
}

void pool_idle_check_sleep(struct pool_sockets *sockets)
{
    int64_t suspended_ms = clock_suspended_ms();
    bool slept = suspended_ms - sockets->suspended_ms >= SLEPT_MS;

    sockets->suspended_ms = suspended_ms;
    if (slept)
        pool_idle_end_all(sockets);
}
