/* A lane: a client side and an upstream side of at most LANE_CONNS connections each, in a worker's
 * loop; worker.h explains why there are several. The worker's thread. */
#ifndef PROXY_LANE_H
#define PROXY_LANE_H

#include "base/err.h"
#include "base/list.h"
#include "client/down.h"
#include "upstream/pool.h"

#define LANE_CONNS 64U

struct worker;

struct lane {
    struct worker *worker;
    struct list due; /* in worker->due: down or pool is to run */
    struct down down;
    struct pool pool;
};

/* upstream_conns: maximum of the pool's connections. NULL with *err. The worker owns the lane. */
struct lane *lane_new(struct worker *worker, long upstream_conns, struct err *err);
/* The lane of a client's connection. */
struct lane *lane_of_conn(const struct conn *conn);

#endif
