#include "upstream/lookup.h"

#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

static struct lookup_waiter *turns[8];
static unsigned turn_count;

static void on_turn(struct lookup_waiter *waiter)
{
    if (CHECK(turn_count < countof(turns)))
        turns[turn_count++] = waiter;
}

static void start(struct lookups *lookups, struct lookup_waiter *waiters, size_t count)
{
    turn_count = 0;
    lookups_init(lookups);
    for (size_t i = 0; i < count; i++)
        lookup_waiter_init(&waiters[i], on_turn);
}

TEST("one looks up at a time, and the others have their turn when that has ended, in their order")
{
    struct lookup_waiter w[3];
    struct lookups lookups;

    start(&lookups, w, countof(w));
    CHECK(lookup_begin(&lookups, &w[0]));
    CHECK(lookup_begin(&lookups, &w[0])); /* its second address */
    for (int i = 1; i < 3; i++) {
        CHECK(!lookup_begin(&lookups, &w[i]));
        CHECK(w[i].waits);
        lookup_wait(&lookups, &w[i]);
    }
    CHECK_INT(turn_count, 0);
    lookup_end(&lookups, &w[1], NULL); /* not the one that looks up */
    CHECK_INT(turn_count, 0);
    lookup_end(&lookups, &w[0], NULL);
    REQUIRE(turn_count == 2);
    CHECK(turns[0] == &w[1] && turns[1] == &w[2]);
    CHECK(w[1].err == NULL);
    CHECK(lookup_begin(&lookups, &w[1])); /* where the result is not kept */
    CHECK(!lookup_begin(&lookups, &w[2]));
}

TEST("a lookup that failed has failed for all who waited for it, and for none that comes later")
{
    struct lookup_waiter w[3];
    struct lookups lookups;
    struct err err;

    start(&lookups, w, countof(w));
    lookup_begin(&lookups, &w[0]);
    lookup_begin(&lookups, &w[1]);
    lookup_wait(&lookups, &w[1]);
    err_set(&err, ERR_UP_NAME, "no such name");
    lookup_end(&lookups, &w[0], &err);
    REQUIRE(turn_count == 1 && w[1].err && w[1].err != &err);
    CHECK_STR(w[1].err->text, "no such name");
    lookup_leave(&w[1]);
    CHECK(w[1].err == NULL && !w[1].waits);
    CHECK(lookup_begin(&lookups, &w[2]));
}

TEST("who leaves has no turn, and who comes when the lookup has ended has it at once")
{
    struct lookup_waiter w[3];
    struct lookups lookups;

    start(&lookups, w, countof(w));
    lookup_begin(&lookups, &w[0]);
    lookup_begin(&lookups, &w[1]);
    lookup_wait(&lookups, &w[1]);
    lookup_begin(&lookups, &w[2]);
    lookup_leave(&w[1]);
    lookup_leave(&w[1]);
    lookup_end(&lookups, &w[0], NULL);
    CHECK_INT(turn_count, 0);
    lookup_wait(&lookups, &w[2]);
    REQUIRE(turn_count == 1);
    CHECK(turns[0] == &w[2]);
}
