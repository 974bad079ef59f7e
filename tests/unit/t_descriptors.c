#include "proxy/descriptors.h"

#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/process.h"
#include "unit.h"

/* What is open at most where a plan is carried out, counted on its own: a worker has an epoll, an
 * eventfd and a netlink socket, its store's reader three, a lookup of a name three, and for each 64
 * clients a lane of four; each client may need a connection to the upstream; and ten are left for
 * what comes and goes. */
static unsigned long open_at_most(const struct descriptors *plan)
{
    unsigned long lanes = (plan->conns_per_worker + 63) / 64;

    return plan->workers * (9 + 4 * lanes + 2 * plan->conns_per_worker) + 16;
}

TEST("a limit is divided so that it holds, whatever all of them do at once")
{
    static const struct {
        unsigned long limit, open;
        unsigned wanted, workers;
        unsigned long conns; /* of a worker; 0: the limit is too low */
    } rows[] = {
        /* limit, open, wanted, workers, conns */
        {32, 4, 2, 1, 0},           {40, 4, 2, 1, 0},
        {48, 4, 2, 1, 7},           {64, 4, 1, 1, 15},
        {64, 4, 2, 1, 15},          {64, 4, 4, 1, 15},
        {128, 8, 1, 1, 44},         {128, 8, 2, 2, 18},
        {128, 8, 4, 2, 18},         {256, 8, 2, 2, 49},
        {256, 8, 4, 4, 21},         {1024, 8, 2, 2, 236},
        {1024, 8, 4, 4, 114},       {1 << 20, 8, 2, 2, 254188},
        {1 << 20, 8, 4, 4, 127090}, {2000000, 8, 2, 2, 484836},
        {2000000, 8, 4, 4, 242415}, {2000000, 8, 1, 1, 500000}, /* no more than that */
    };

    for (size_t i = 0; i < countof(rows); i++) {
        struct descriptors plan;
        char row[64];
        struct err err = {.code = ERR_NONE};
        int result;

        snprintf(row, sizeof(row), "%lu, %u workers", rows[i].limit, rows[i].wanted);
        unit_row(row);
        result = descriptors_divide(&plan, rows[i].wanted, rows[i].limit, rows[i].open, &err);
        CHECK_INT(result, rows[i].conns ? 0 : -1);
        CHECK_INT(err.code, rows[i].conns ? ERR_NONE : ERR_SYSTEM);
        if (result < 0)
            continue;
        CHECK_INT(plan.workers, rows[i].workers);
        CHECK_INT(plan.conns_per_worker, rows[i].conns);
        CHECK(rows[i].open + open_at_most(&plan) <= rows[i].limit);
    }
    unit_row(NULL);
}

TEST("no plan ever promises more than the limit holds, and few promise much less")
{
    struct err err;

    for (unsigned wanted = 1; wanted <= 64; wanted += wanted < 5 ? 1 : 13)
        for (unsigned long open = 3; open < 100; open += 31)
            for (unsigned long limit = 0; limit < 6000; limit += limit < 700 ? 1 : 101) {
                struct descriptors plan;
                unsigned long rest;

                if (descriptors_divide(&plan, wanted, limit, open, &err) < 0) {
                    CHECK(limit < open + 40);
                    continue;
                }
                REQUIRE(plan.workers >= 1 && plan.workers <= wanted);
                REQUIRE(plan.conns_per_worker >= 4);
                REQUIRE(plan.workers == 1 || plan.conns_per_worker >= 16);
                REQUIRE(open + open_at_most(&plan) <= limit);
                rest = limit - open - open_at_most(&plan);
                REQUIRE(rest <= plan.workers * (4 + 2 + 2));
            }
}

TEST("there are fewer workers only where each would have too few connections")
{
    struct err err;

    for (unsigned wanted = 2; wanted <= 8; wanted++)
        for (unsigned long limit = 64; limit < 1000; limit++) {
            struct descriptors plan, more;

            if (descriptors_divide(&plan, wanted, limit, 8, &err) < 0 || plan.workers == wanted)
                continue;
            /* With one more, each would have fewer than 16, and so the plan is the same. */
            REQUIRE(descriptors_divide(&more, plan.workers + 1, limit, 8, &err) == 0);
            CHECK_INT(more.workers, plan.workers);
            CHECK_INT(more.conns_per_worker, plan.conns_per_worker);
            more = (struct descriptors){.workers = plan.workers + 1, .conns_per_worker = 16};
            CHECK(8 + open_at_most(&more) + 4 * more.workers > limit);
        }
}

TEST("where nobody can be served the message says what to raise")
{
    static const unsigned long limits[] = {0, 3, 8, 16, 32};
    struct descriptors plan;

    for (size_t i = 0; i < countof(limits); i++) {
        struct err err = {.code = ERR_NONE};
        char part[64];

        snprintf(part, sizeof(part), "limit of %lu open files", limits[i]);
        CHECK_INT(descriptors_divide(&plan, 4, limits[i], 8, &err), -1);
        CHECK_INT(err.code, ERR_SYSTEM);
        CHECK_HAS(err.text, part);
        CHECK_HAS(err.text, "ulimit -n 256");
    }
}

/* In a process of its own, whose limit may be changed. The exit status: 0, or the number of the
 * expectation that failed. */
static int plan_with(rlim_t soft, rlim_t hard)
{
    struct rlimit limit = {soft, hard};
    struct descriptors plan, same;
    struct err err;

    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1;
    if (descriptors_plan(&plan, 2, &err) < 0)
        return 2;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur != hard || limit.rlim_max != hard)
        return 3;
    if (descriptors_divide(&same, 2, hard, process_count_descriptors(), &err) < 0)
        return 4;
    return plan.workers == same.workers && plan.conns_per_worker == same.conns_per_worker ? 0 : 5;
}

TEST("the limit is raised as far as it may be, and what is open already is taken from it")
{
    static const struct {
        rlim_t soft, hard;
    } rows[] = {{64, 256}, {256, 256}, {100, 1024}};

    for (size_t i = 0; i < countof(rows); i++) {
        pid_t child = fork();
        int status = -1;

        if (child == 0)
            _exit(plan_with(rows[i].soft, rows[i].hard));
        REQUIRE(child > 0 && waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status));
        CHECK_INT(WEXITSTATUS(status), 0);
    }
}
