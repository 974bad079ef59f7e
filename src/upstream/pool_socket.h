/* The sockets of a worker's upstream connections, by descriptor, in its loop.
 *
 * Connections that wait for their next request stay in the epoll set (libcurl removes and adds them
 * at every request, two system calls). That is safe for sockets opened by on_open() of pool.c,
 * because their close is reported, too. Worker's thread only. The calls from libcurl are in pool.c.
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
    bool ours;   /* opened by on_open() of pool.c */
    bool wanted; /* libcurl wants it watched; else it is idle, paused, or connecting */
    bool http1;  /* the last answer was HTTP/1: no byte may come while idle */
};

/* State that the pools of one worker share. */
struct pool_sockets {
    struct loop *loop;
    struct pool_socket **by_fd;
    size_t cap;
    void *share;                            /* CURLSH *: looked-up names, TLS sessions */
    const struct crypto_trust *share_trust; /* the certificates that these sessions trust */
    void **retired;                         /* earlier shares that handles may still use */
    size_t retired_count;
    int64_t suspended_ms;  /* clock_suspended_ms() at the last check */
    uint64_t exhausted_ms; /* last EMFILE or ENFILE of socket(2), monotonic; 0: never */
};

/* Moves the current share, if any, to `retired`, and drops each retired share that free_share()
 * could free. */
void pool_sockets_retire_share(struct pool_sockets *s, bool (*free_share)(void *share));
/* Frees the sockets whose close libcurl did not report. */
void pool_sockets_release_all(struct pool_sockets *s);

struct pool_socket *pool_socket_at(struct pool_sockets *s, int fd);  /* or NULL */
struct pool_socket *pool_socket_add(struct pool_sockets *s, int fd); /* fd must be new */
/* Unwatches a socket and frees it after the turn; the descriptor stays open. */
void pool_socket_forget(struct pool_sockets *s, int fd);

/* Sets up a new socket. fd: of socket(2), with errno as it left it; -1: notes whether descriptors
 * ran out. Has the kernel notice a dead peer within 20 s: by unacknowledged data, and by keepalive
 * probes (their intervals are set in pool.c). patient: no limit for unacknowledged data, because a
 * long upload may wait for a peer that does not read, which the kernel would take for dead. */
void pool_socket_opened(struct pool_sockets *s, int fd, bool patient);

/* Resets an idle connection and discards its received bytes. libcurl still owns the descriptor, and
 * finds the connection closed before reuse. */
void pool_socket_end(int fd);

#endif
