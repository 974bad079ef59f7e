/* How many connections the limit of open files allows (RLIMIT_NOFILE): one plan for clients'
 * connections, those to the upstream, the store, lanes and lookups together, so that none of them
 * takes what another one needs in the middle of a request. */
#ifndef PROXY_DESCRIPTORS_H
#define PROXY_DESCRIPTORS_H

#include "base/err.h"

struct descriptors {
    unsigned workers;               /* at most those that are wanted */
    unsigned long conns_per_worker; /* to clients; as many to the upstream, idle ones included */
};

/* Raises the limit as far as it may, and plans with what is not open yet. -1 with ERR_SYSTEM where
 * that is not enough for anything. */
int descriptors_plan(struct descriptors *plan, unsigned wanted_workers, struct err *err);
/* The same of numbers: the limit, and how many are open. */
int descriptors_divide(struct descriptors *plan, unsigned wanted_workers, unsigned long limit,
                       unsigned long open, struct err *err);

#endif
