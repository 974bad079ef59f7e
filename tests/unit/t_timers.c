#include "base/timers.h"

#include <limits.h>
#include <stdlib.h>

#include "base/mem.h"
#include "unit.h"

#define TIMERS 200

struct tick {
    struct timer timer;
    bool expected; /* the model: set, for at_ms */
    uint64_t at_ms;
    unsigned fired;
};

static uint64_t fired_last; /* at_ms of the one that fired before */
static bool in_order;

static void on_fire(struct timer *timer)
{
    struct tick *tick = container_of(timer, struct tick, timer);

    tick->fired++;
    in_order &= tick->at_ms >= fired_last;
    fired_last = tick->at_ms;
    CHECK(!timer_is_set(timer));
}

static void check_heap(const struct timers *t)
{
    for (size_t i = 0; i < t->count; i++) {
        CHECK_INT(t->heap[i]->place, i + 1);
        CHECK(i == 0 || t->heap[(i - 1) / 2]->at_ms <= t->heap[i]->at_ms);
    }
}

static void run_and_compare(struct timers *t, struct tick *ticks, uint64_t now)
{
    fired_last = 0;
    in_order = true;
    for (size_t i = 0; i < TIMERS; i++)
        ticks[i].fired = 0;
    timers_run(t, now);
    for (size_t i = 0; i < TIMERS; i++) {
        bool due = ticks[i].expected && ticks[i].at_ms <= now;

        CHECK_INT(ticks[i].fired, due);
        if (due)
            ticks[i].expected = false;
        CHECK(timer_is_set(&ticks[i].timer) == ticks[i].expected);
    }
    CHECK(in_order);
}

static int model_wait(const struct tick *ticks, uint64_t now)
{
    uint64_t first = UINT64_MAX;

    for (size_t i = 0; i < TIMERS; i++)
        if (ticks[i].expected && ticks[i].at_ms < first)
            first = ticks[i].at_ms;
    return first == UINT64_MAX ? -1 : first <= now ? 0 : (int)(first - now);
}

static void change_one(struct timers *t, struct tick *tick, uint64_t *random, uint64_t now)
{
    if (unit_random(random) % 4 == 0) {
        timer_cancel(t, &tick->timer);
        tick->expected = false;
        return;
    }
    tick->at_ms = now - 5 + unit_random(random) % 100; /* some are due already */
    tick->expected = true;
    timer_set(t, &tick->timer, tick->at_ms);
}

TEST("timers fire when a list of them that is searched through says so, and in order")
{
    struct tick *ticks = mem_zero(TIMERS * sizeof(*ticks));
    uint64_t random = 99, now = 1000;
    struct timers t;

    timers_init(&t);
    for (size_t i = 0; i < TIMERS; i++)
        timer_init(&ticks[i].timer, on_fire);
    for (unsigned round = 0; round < 2000; round++) {
        for (size_t n = unit_random_up_to(&random, 40); n > 0; n--)
            change_one(&t, &ticks[unit_random_up_to(&random, TIMERS - 1)], &random, now);
        CHECK_INT(timers_wait(&t, now), model_wait(ticks, now));
        if (round % 8 == 0)
            check_heap(&t);
        now += unit_random(&random) % 20;
        run_and_compare(&t, ticks, now);
    }
    timers_release(&t);
    for (size_t i = 0; i < TIMERS; i++)
        CHECK(!timer_is_set(&ticks[i].timer));
    free(ticks);
}

TEST("a timer is due at its millisecond, not before it")
{
    struct tick tick = {.at_ms = 50, .expected = true};
    struct timers t;

    timers_init(&t);
    timer_init(&tick.timer, on_fire);
    CHECK_INT(timers_wait(&t, 0), -1);
    timer_set(&t, &tick.timer, 50);
    timers_run(&t, 49);
    CHECK_INT(tick.fired, 0);
    CHECK_INT(timers_wait(&t, 49), 1);
    CHECK_INT(timers_wait(&t, 50), 0);
    CHECK_INT(timers_wait(&t, 51), 0);
    timers_run(&t, 50);
    CHECK_INT(tick.fired, 1);
    timers_run(&t, 1000);
    CHECK_INT(tick.fired, 1);
    timers_release(&t);
}

TEST("a wait that no int holds is cut, not wrapped")
{
    struct tick tick = {.at_ms = 0};
    struct timers t;

    timers_init(&t);
    timer_init(&tick.timer, on_fire);
    timer_set(&t, &tick.timer, UINT64_MAX);
    CHECK_INT(timers_wait(&t, 0), INT_MAX);
    timer_set(&t, &tick.timer, (uint64_t)INT_MAX + 10);
    CHECK_INT(timers_wait(&t, 10), INT_MAX);
    CHECK_INT(timers_wait(&t, 9), INT_MAX);
    CHECK_INT(timers_wait(&t, 11), INT_MAX - 1);
    timers_release(&t);
}

static struct {
    struct timers timers;
    struct tick again, victim, late;
    uint64_t now;
} scene;

static void on_fire_again(struct timer *timer)
{
    struct tick *tick = container_of(timer, struct tick, timer);

    if (++tick->fired < 3)
        timer_set(&scene.timers, timer, scene.now + 10);
    timer_cancel(&scene.timers, &scene.victim.timer);
    timer_set(&scene.timers, &scene.late.timer, scene.now); /* due in this very run */
}

TEST("a callback may set its own timer again, and set and cancel others")
{
    timers_init(&scene.timers);
    timer_init(&scene.again.timer, on_fire_again);
    timer_init(&scene.victim.timer, on_fire);
    timer_init(&scene.late.timer, on_fire);
    timer_set(&scene.timers, &scene.again.timer, 1);
    timer_set(&scene.timers, &scene.victim.timer, 2);
    for (scene.now = 5; scene.now < 100; scene.now += 10)
        timers_run(&scene.timers, scene.now);
    CHECK_INT(scene.again.fired, 3);
    CHECK_INT(scene.victim.fired, 0);
    CHECK_INT(scene.late.fired, 3);
    CHECK_INT(timers_wait(&scene.timers, 0), -1);
    timers_release(&scene.timers);
}

TEST("cancelling a timer that is not set is nothing")
{
    struct tick tick = {.at_ms = 0};
    struct timers t;

    timers_init(&t);
    timer_init(&tick.timer, on_fire);
    timer_cancel(&t, &tick.timer);
    timer_set(&t, &tick.timer, 1);
    timer_cancel(&t, &tick.timer);
    timer_cancel(&t, &tick.timer);
    timers_run(&t, 10);
    CHECK_INT(tick.fired, 0);
    timers_release(&t);
}
