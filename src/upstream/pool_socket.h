/* The sockets of a worker's upstream connections: by descriptor, in its loop.
 *
 * Connections that wait for their next request stay in the epoll set (libcurl takes them out and
 * puts them back at every request, two system calls): that is safe for those that we opened,
 * because then we also hear of their end. Owner thread only. What libcurl has to do with them is in
 * pool.c.
 */
#ifndef UPSTREAM_POOL_SOCKET_H
#define UPSTREAM_POOL_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

struct pool;

struct pool_socket {
    struct watch watch;
    struct pool *pool;
    bool ours;   /* opened by us */
    bool wanted; /* libcurl wants it watched; else it is idle, paused, or being connected */
    bool http1;  /* the last answer was HTTP/1: no byte may come while idle */
};

/* State that the pools of one worker share. */
struct pool_sockets {
    struct loop *loop;
    struct pool_socket **by_fd;
    size_t cap;
    void *share;                            /* CURLSH *: names looked up, TLS sessions */
    const struct crypto_trust *share_trust; /* by which these sessions were made */
    void **retired;                         /* shares of before, which handles may still have */
    size_t retired_count;
    int64_t suspended_ms;  /* how long the machine has slept since it booted, when last looked at */
    uint64_t exhausted_ms; /* when a descriptor could not be had, last (monotonic); 0: never */
};

/* Sets the share aside, if there is one, and frees those set aside that free_share() can free. */
void pool_sockets_retire_share(struct pool_sockets *s, bool (*free_share)(void *share));
void pool_sockets_release_all(struct pool_sockets *s); /* what libcurl closed without telling */

struct pool_socket *pool_socket_at(struct pool_sockets *s, int fd);  /* or NULL */
struct pool_socket *pool_socket_add(struct pool_sockets *s, int fd); /* which is not there */
void pool_socket_forget(struct pool_sockets *s, int fd);

/* What socket() gave to libcurl, with errno as it left it. Has a dead peer noticed within 20 s: by
 * data that is not acknowledged, and by keepalive probes (whose times pool_prepare() sets).
 * patient: a long upload may have to wait for a peer that does not read, which the kernel would
 * take for a dead one. fd -1: notes whether descriptors are the cause. */
void pool_socket_opened(struct pool_sockets *s, int fd, bool patient);

/* Resets an idle connection and discards its received bytes. The descriptor stays libcurl's, which
 * finds the connection closed before it would use it. */
void pool_socket_end(int fd);

#endif
