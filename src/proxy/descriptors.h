/* Divides the limit of open files (RLIMIT_NOFILE) among clients' connections, upstream connections,
 * the store, lanes and lookups, so that none of them takes a descriptor that another needs in the
 * middle of a request. Main thread. */
#ifndef PROXY_DESCRIPTORS_H
#define PROXY_DESCRIPTORS_H

#include "base/err.h"

struct descriptors {
    unsigned workers;               /* at most wanted_workers */
    unsigned long conns_per_worker; /* to clients; as many to the upstream, with idle connections */
};

/* Raises the limit as far as allowed, and divides the descriptors that are not open yet. -1 with
 * ERR_SYSTEM if they do not suffice for a worker. */
int descriptors_plan(struct descriptors *plan, unsigned wanted_workers, struct err *err);
/* The same for a given limit and number of open descriptors. */
int descriptors_divide(struct descriptors *plan, unsigned wanted_workers, unsigned long limit,
                       unsigned long open, struct err *err);

#endif
