#include "proxy/turns.h"

#include <pthread.h>
#include <stdbool.h>

#include "base/mem.h"
#include "unit.h"

#define S UINT64_C(1000000)

/* A turn of that many µs, which ended at that moment. */
static void note(struct turns *turns, uint64_t ended_us, uint64_t us)
{
    turns_note(turns, ended_us - us, ended_us);
}

TEST("without a turn the longest took no time")
{
    struct turns turns = {{0}};

    CHECK_INT(turns_longest_us(&turns, 0), 0);
    CHECK_INT(turns_longest_us(&turns, 5 * S), 0);
    CHECK_INT(turns_longest_us(&turns, 100000 * S), 0);
}

TEST("the longest turn is told, in whatever order they come")
{
    struct turns turns = {{0}};
    uint64_t now = 1000 * S;

    note(&turns, now, 300);
    CHECK_INT(turns_longest_us(&turns, now), 300);
    note(&turns, now, 7000);
    note(&turns, now + 1, 200);
    CHECK_INT(turns_longest_us(&turns, now + 1), 7000);
    note(&turns, now + 20 * S, 7001);
    note(&turns, now + 40 * S, 100);
    CHECK_INT(turns_longest_us(&turns, now + 40 * S), 7001);
}

TEST("a turn counts for a minute, at whatever moment it ended, and ten seconds later no more")
{
    for (uint64_t at = 70 * S; at < 100 * S; at += S / 4) {
        struct turns turns = {{0}};

        note(&turns, at, 500);
        for (uint64_t age = 0; age <= 60 * S; age += S / 2)
            CHECK_INT(turns_longest_us(&turns, at + age), 500);
        for (uint64_t age = 70 * S; age < 300 * S; age += S / 2)
            CHECK_INT(turns_longest_us(&turns, at + age), 0);
    }
}

TEST("a turn of the first minute since the machine was started counts, too")
{
    struct turns turns = {{0}};

    note(&turns, 1000, 600);
    CHECK_INT(turns_longest_us(&turns, 1000), 600);
    CHECK_INT(turns_longest_us(&turns, 60 * S), 600);
    CHECK_INT(turns_longest_us(&turns, 71 * S), 0);
}

TEST("what is new takes the place of what is old, shorter or not")
{
    struct turns turns = {{0}};

    for (unsigned i = 0; i < 100; i++) { /* each shorter than the one before */
        note(&turns, (1000 + 10 * i) * S, 100000 - i);
        CHECK_INT(turns_longest_us(&turns, (1000 + 10 * i) * S),
                  100000 - (i > TURNS_SLOTS - 1 ? i - (TURNS_SLOTS - 1) : 0));
    }
}

TEST("a turn longer than can be written down is as long as can be")
{
    struct turns turns = {{0}};
    uint64_t now = 100000 * S;

    note(&turns, now, UINT32_MAX);
    CHECK_INT(turns_longest_us(&turns, now), UINT32_MAX);
    note(&turns, now, (uint64_t)UINT32_MAX + 1);
    CHECK_INT(turns_longest_us(&turns, now), UINT32_MAX);
    note(&turns, now, 20000 * S);
    CHECK_INT(turns_longest_us(&turns, now), UINT32_MAX);
}

TEST("the number of a moment may be larger than what a slot holds of it")
{
    struct turns turns = {{0}};
    uint64_t now = (UINT64_C(1) << 32) * 10 * S; /* where the number begins anew */

    note(&turns, now - S, 400);
    CHECK_INT(turns_longest_us(&turns, now - S), 400);
    CHECK_INT(turns_longest_us(&turns, now + 30 * S), 400);
    note(&turns, now + 35 * S, 300);
    CHECK_INT(turns_longest_us(&turns, now + 35 * S), 400);
    CHECK_INT(turns_longest_us(&turns, now + 65 * S), 300);
}

/* ---- one writes, others read ---- */

static void *read_longest(void *arg)
{
    const struct turns *turns = arg;
    uint64_t longest, before = 0;
    bool fell = false;

    do {
        longest = turns_longest_us(turns, 1000 * S);
        fell |= longest < before;
        before = longest;
    } while (longest < 50000);
    CHECK(!fell);
    return NULL;
}

TEST("any thread may ask while the worker notes its turns")
{
    struct turns turns = {{0}};
    pthread_t threads[2];

    for (size_t i = 0; i < countof(threads); i++)
        REQUIRE(pthread_create(&threads[i], NULL, read_longest, &turns) == 0);
    for (uint64_t us = 1; us <= 50000; us++)
        note(&turns, 1000 * S, us);
    for (size_t i = 0; i < countof(threads); i++)
        pthread_join(threads[i], NULL);
}
