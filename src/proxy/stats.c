#include "proxy/stats.h"

static unsigned bucket_of(uint64_t us)
{
    unsigned power, bucket;

    if (us < 8)
        return (unsigned)us;
    power = 63U - (unsigned)__builtin_clzll(us);
    bucket = (power - 2) * 8 + (unsigned)(us >> (power - 3) & 7);
    return bucket < STATS_BUCKETS ? bucket : STATS_BUCKETS - 1;
}

/* The middle of a bucket, µs. */
static double middle_of(unsigned bucket)
{
    unsigned power = bucket / 8 + 2;
    double width;

    if (bucket < 8)
        return bucket;
    width = (double)(UINT64_C(1) << (power - 3));
    return (8 + bucket % 8 + 0.5) * width;
}

static void add(atomic_ulong *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

void stats_count(struct stats *stats, const struct exchange *exchange)
{
    add(&stats->requests);
    add(&stats->verdicts[exchange->verdict]);
    if (exchange->failed)
        add(&stats->errors);
    add(&stats->latency[bucket_of(exchange->duration_us)]);
}

static uint64_t read(const atomic_ulong *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void stats_add(struct stats_sum *sum, const struct stats *stats)
{
    sum->requests += read(&stats->requests);
    sum->errors += read(&stats->errors);
    for (unsigned i = 0; i < VERDICT_COUNT; i++)
        sum->verdicts[i] += read(&stats->verdicts[i]);
    for (unsigned i = 0; i < STATS_BUCKETS; i++)
        sum->latency[i] += read(&stats->latency[i]);
}

double stats_percentile_ms(const struct stats_sum *sum, double share)
{
    uint64_t total = 0, seen = 0;

    for (unsigned i = 0; i < STATS_BUCKETS; i++)
        total += sum->latency[i];
    for (unsigned i = 0; i < STATS_BUCKETS; i++) {
        seen += sum->latency[i];
        if (total && (double)seen >= share * (double)total && seen)
            return middle_of(i) / 1000;
    }
    return 0;
}
