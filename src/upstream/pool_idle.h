/* Idle upstream connections: which they are, and when they end. Worker's thread only.
 */
#ifndef UPSTREAM_POOL_IDLE_H
#define UPSTREAM_POOL_IDLE_H

#include <stdbool.h>

#include "upstream/pool_job.h"

/* True if an active job of the pool has written its request to this socket. The job may be paused,
 * with its socket unwatched. */
bool pool_idle_is_used(const struct pool *pool, int fd);

/* Ends all idle connections, because they were made by earlier settings. */
void pool_idle_end_all(struct pool_sockets *sockets);

/* Ends all idle connections if the machine has slept since the last call: the network may have
 * dropped them. libcurl finds them closed and opens new connections. */
void pool_idle_check_sleep(struct pool_sockets *sockets);

#endif
