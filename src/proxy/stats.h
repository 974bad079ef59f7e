/* Counters of requests: a set for each worker, which alone writes it; any thread reads.
 *
 * Durations fall into buckets of an eighth of a power of two, so a percentile is off by at most a
 * sixteenth.
 */
#ifndef PROXY_STATS_H
#define PROXY_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "proxy/exchange.h"

#define STATS_BUCKETS 256

struct stats {
    atomic_ulong connections, in_flight; /* current */
    atomic_ulong requests;               /* this and the rest: of /v1, since the start */
    atomic_ulong verdicts[VERDICT_COUNT];
    atomic_ulong errors;
    atomic_ulong latency[STATS_BUCKETS];
};

/* Called by account_finish(). The worker's thread. */
void stats_count(struct stats *stats, const struct exchange *exchange);

struct stats_sum {
    uint64_t requests, verdicts[VERDICT_COUNT], errors;
    uint64_t latency[STATS_BUCKETS];
};
/* Adds a worker's counters to *sum. Any thread. */
void stats_add(struct stats_sum *sum, const struct stats *stats);
/* Milliseconds within which that share (0 … 1) of the requests was answered; 0 without requests. */
double stats_percentile_ms(const struct stats_sum *sum, double share);

#endif
