#include "base/timers.h"

#include <limits.h>
#include <stdlib.h>

#include "base/mem.h"

void timers_init(struct timers *t)
{
    *t = (struct timers){.heap = NULL};
}

void timers_release(struct timers *t)
{
    for (size_t i = 0; i < t->count; i++)
        t->heap[i]->place = 0;
    free(t->heap);
    timers_init(t);
}

void timer_init(struct timer *timer, void (*fire)(struct timer *))
{
    *timer = (struct timer){.fire = fire};
}

static void put(struct timers *t, size_t i, struct timer *timer)
{
    t->heap[i] = timer;
    timer->place = i + 1;
}

static void sift_up(struct timers *t, size_t i, struct timer *timer)
{
    while (i > 0 && t->heap[(i - 1) / 2]->at_ms > timer->at_ms) {
        put(t, i, t->heap[(i - 1) / 2]);
        i = (i - 1) / 2;
    }
    put(t, i, timer);
}

static void sift_down(struct timers *t, size_t i, struct timer *timer)
{
    for (;;) {
        size_t child = 2 * i + 1;

        if (child >= t->count)
            break;
        if (child + 1 < t->count && t->heap[child + 1]->at_ms < t->heap[child]->at_ms)
            child++;
        if (t->heap[child]->at_ms >= timer->at_ms)
            break;
        put(t, i, t->heap[child]);
        i = child;
    }
    put(t, i, timer);
}

static void settle(struct timers *t, size_t i, struct timer *timer)
{
    if (i > 0 && t->heap[(i - 1) / 2]->at_ms > timer->at_ms)
        sift_up(t, i, timer);
    else
        sift_down(t, i, timer);
}

void timer_set(struct timers *t, struct timer *timer, uint64_t at_ms)
{
    timer->at_ms = at_ms;
    if (timer->place) {
        settle(t, timer->place - 1, timer);
        return;
    }
    if (t->count == t->cap) {
        t->cap = t->cap ? 2 * t->cap : 64;
        t->heap = mem_grow(t->heap, t->cap * sizeof(struct timer *));
    }
    sift_up(t, t->count++, timer);
}

void timer_cancel(struct timers *t, struct timer *timer)
{
    size_t i = timer->place;

    if (i == 0)
        return;
    timer->place = 0;
    i--;
    t->count--;
    if (i != t->count)
        settle(t, i, t->heap[t->count]);
}

void timers_run(struct timers *t, uint64_t now_ms)
{
    while (t->count && t->heap[0]->at_ms <= now_ms) {
        struct timer *timer = t->heap[0];

        timer_cancel(t, timer);
        timer->fire(timer);
    }
}

int timers_wait(const struct timers *t, uint64_t now_ms)
{
    uint64_t left;

    if (t->count == 0)
        return -1;
    if (t->heap[0]->at_ms <= now_ms)
        return 0;
    left = t->heap[0]->at_ms - now_ms;
    return left > INT_MAX ? INT_MAX : (int)left;
}
