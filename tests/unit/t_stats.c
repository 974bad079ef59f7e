#include "proxy/stats.h"

#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

/* Is a as near to b as buckets of an eighth of a power of two allow? */
static bool is_near(double a, double b)
{
    return a >= b * (1 - 1.0 / 16) && a <= b * (1 + 1.0 / 16);
}

static void count(struct stats *stats, enum verdict verdict, bool failed, uint64_t us)
{
    struct exchange exchange = {.verdict = verdict, .failed = failed, .duration_us = us};

    stats_count(stats, &exchange);
}

static struct stats_sum sum_of(const struct stats *stats)
{
    struct stats_sum sum = {.requests = 0};

    stats_add(&sum, stats);
    return sum;
}

TEST("each request is counted once, by the way it went")
{
    static const enum verdict ways[] = {VERDICT_OWN, VERDICT_BYPASS, VERDICT_MISS, VERDICT_HIT,
                                        VERDICT_JOIN};
    struct stats *stats = mem_zero(sizeof(*stats));
    struct stats_sum sum;

    for (unsigned i = 0; i < countof(ways); i++)
        for (unsigned n = 0; n <= i; n++)
            count(stats, ways[i], n == 0, 1000);
    sum = sum_of(stats);
    CHECK_INT(sum.requests, 15);
    CHECK_INT(sum.errors, 5);
    for (unsigned i = 0; i < countof(ways); i++)
        CHECK_INT(sum.verdicts[ways[i]], i + 1);
    free(stats);
}

TEST("the sum is of all workers")
{
    struct stats *a = mem_zero(sizeof(*a)), *b = mem_zero(sizeof(*b));
    struct stats_sum sum;

    count(a, VERDICT_HIT, false, 100);
    count(b, VERDICT_HIT, false, 100000);
    count(b, VERDICT_MISS, true, 100000);
    sum = sum_of(a);
    stats_add(&sum, b);
    CHECK_INT(sum.requests, 3);
    CHECK_INT(sum.errors, 1);
    CHECK_INT(sum.verdicts[VERDICT_HIT], 2);
    CHECK(is_near(stats_percentile_ms(&sum, 0.1), 0.1));
    CHECK(is_near(stats_percentile_ms(&sum, 0.9), 100));
    free(a);
    free(b);
}

TEST("any duration is told to a sixteenth, whatever its size")
{
    struct stats_sum sum;

    for (double us = 8; us < 1e9; us *= 1.037) {
        struct stats *stats = mem_zero(sizeof(*stats));

        count(stats, VERDICT_MISS, false, (uint64_t)us);
        sum = sum_of(stats);
        free(stats);
        REQUIRE(is_near(stats_percentile_ms(&sum, 0.5), (double)(uint64_t)us / 1000));
    }
}

TEST("durations below 8 µs are exact, and one that no bucket holds falls into the last")
{
    for (unsigned us = 0; us < 8; us++) {
        struct stats *stats = mem_zero(sizeof(*stats));
        struct stats_sum sum;

        count(stats, VERDICT_HIT, false, us);
        sum = sum_of(stats);
        CHECK(stats_percentile_ms(&sum, 1) * 1000 > us - 0.001);
        CHECK(stats_percentile_ms(&sum, 1) * 1000 < us + 0.001);
        free(stats);
    }
    struct stats *stats = mem_zero(sizeof(*stats));
    struct stats_sum sum;

    count(stats, VERDICT_HIT, false, UINT64_MAX);
    sum = sum_of(stats);
    CHECK_INT(sum.latency[STATS_BUCKETS - 1], 1);
    free(stats);
}

TEST("a percentile is the duration within which that share was answered")
{
    struct stats *stats = mem_zero(sizeof(*stats));
    struct stats_sum sum;

    for (unsigned i = 0; i < 98; i++)
        count(stats, VERDICT_HIT, false, 200);
    count(stats, VERDICT_MISS, false, 50000);
    count(stats, VERDICT_MISS, false, 9000000);
    sum = sum_of(stats);
    CHECK(is_near(stats_percentile_ms(&sum, 0), 0.2));
    CHECK(is_near(stats_percentile_ms(&sum, 0.5), 0.2));
    CHECK(is_near(stats_percentile_ms(&sum, 0.98), 0.2));
    CHECK(is_near(stats_percentile_ms(&sum, 0.99), 50));
    CHECK(is_near(stats_percentile_ms(&sum, 1), 9000));
    free(stats);
}

TEST("no request at all has the percentile 0")
{
    struct stats *stats = mem_zero(sizeof(*stats));
    struct stats_sum sum = sum_of(stats);

    CHECK(stats_percentile_ms(&sum, 0.5) < 0.0001);
    free(stats);
}
