/* What was done, counted: one set of counters a worker, written by it and read by anyone.
 *
 * Durations fall into buckets of an eighth of a power of two, so a percentile is off by at most
 * a sixteenth.
 */
#ifndef PROXY_STATS_H
#define PROXY_STATS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* STATS_OWN: the proxy's own answer, or none because the client left before it was asked for. */
enum stats_cache { STATS_OWN, STATS_BYPASS, STATS_MISS, STATS_HIT, STATS_JOIN };

#define STATS_BUCKETS 256

struct stats {
    atomic_ulong connections, in_flight; /* now */
    atomic_ulong requests;               /* the rest: under /v1, since the start */
    atomic_ulong cache[STATS_JOIN + 1];
    atomic_ulong errors;
    atomic_ulong latency[STATS_BUCKETS];
};

/* The worker's thread. failed: a proxy's own error, or a 5xx of the upstream. */
void stats_count(struct stats *stats, enum stats_cache cache, bool failed, uint64_t us);

struct stats_sum {
    uint64_t requests, cache[STATS_JOIN + 1], errors;
    uint64_t latency[STATS_BUCKETS];
};
void stats_add(struct stats_sum *sum, const struct stats *stats);
/* Milliseconds within which this share (0 … 1) of the requests was answered; 0 if there is none. */
double stats_percentile_ms(const struct stats_sum *sum, double share);

#endif
