#include "proxy/descriptors.h"

#include <sys/resource.h>

#include "base/process.h"
#include "proxy/lane.h"

/* per worker: epoll, eventfd, sock_diag; the store's reader (file, log, the folder's lock); a name
 * lookup (a pair, a socket, a file); its first lane */
#define WORKER 13UL
#define LANE 4UL   /* per lane: libmicrohttpd's epoll, libcurl's pair */
#define SPARE 16UL /* drained connections, /proc, certificates, two readers of the store */
#define CONNS_MIN 4UL
#define CONNS_WANTED 16UL /* of a worker: below that, plan fewer workers */
#define CONNS_MAX 500000UL

/* Each client connection may need an upstream connection, and each LANE_CONNS of them a lane. */
static unsigned long conns_of(unsigned long left, unsigned workers)
{
    unsigned long fixed = WORKER * workers + SPARE;

    if (left <= fixed)
        return 0;
    return (left - fixed) * LANE_CONNS / (2 * LANE_CONNS + LANE) / workers;
}

int descriptors_divide(struct descriptors *plan, unsigned wanted_workers, unsigned long limit,
                       unsigned long open, struct err *err)
{
    unsigned long left = limit > open ? limit - open : 0;

    plan->workers = wanted_workers;
    while (plan->workers > 1 && conns_of(left, plan->workers) < CONNS_WANTED)
        plan->workers--;
    plan->conns_per_worker = conns_of(left, plan->workers);
    if (plan->conns_per_worker > CONNS_MAX)
        plan->conns_per_worker = CONNS_MAX;
    if (plan->conns_per_worker < CONNS_MIN)
        return err_set(err, ERR_SYSTEM,
                       "the limit of %lu open files is too low to serve anybody: raise it "
                       "(ulimit -n 256)",
                       limit);
    return 0;
}

int descriptors_plan(struct descriptors *plan, unsigned wanted_workers, struct err *err)
{
    rlim_t limit = process_raise_descriptors();

    if (limit == RLIM_INFINITY || limit > 4 * CONNS_MAX)
        limit = 4 * CONNS_MAX;
    return descriptors_divide(plan, wanted_workers, limit, process_count_descriptors(), err);
}
