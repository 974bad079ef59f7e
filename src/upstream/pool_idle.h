/* Which upstream connections are idle, and when they end. Owner thread only.
 */
#ifndef UPSTREAM_POOL_IDLE_H
#define UPSTREAM_POOL_IDLE_H

#include <stdbool.h>

#include "upstream/pool_job.h"

/* Has a job of the pool written its request to this socket? Also a paused one, whose socket libcurl
 * does not want watched. */
bool pool_idle_is_used(const struct pool *pool, int fd);

/* Ends the idle connections: the settings by which they were made are others now. */
void pool_idle_end_all(struct pool_sockets *sockets);

/* Ends the idle connections if the machine has slept since the last call: the network may have
 * forgotten them. libcurl finds them closed, and makes new ones. */
void pool_idle_check_sleep(struct pool_sockets *sockets);

#endif
