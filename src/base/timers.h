/* Timers of one thread: a binary heap whose members lie in what they time.
 *
 * Setting a timer that is set moves it. Most timers here are never reached (a request answers
 * before its deadline), so their owners keep a deadline of their own, let the timer fire early
 * and set it again: moving a number is cheaper than moving a heap entry at every chunk.
 */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    uint64_t at_ms; /* clock_mono_ms() */
    size_t place;   /* 1 + index in the heap, 0 when not set */
    void (*fire)(struct timer *);
};

struct timers {
    struct timer **heap;
    size_t count;
    size_t cap;
};

void timers_init(struct timers *t);
void timers_release(struct timers *t); /* timers that are still set are forgotten */

void timer_init(struct timer *timer, void (*fire)(struct timer *));
void timer_set(struct timers *t, struct timer *timer, uint64_t at_ms);
void timer_cancel(struct timers *t, struct timer *timer);
static inline bool timer_is_set(const struct timer *timer)
{
    return timer->place != 0;
}

/* Fires all that are due; a callback may set and cancel timers, its own included. */
void timers_run(struct timers *t, uint64_t now_ms);

/* Milliseconds until the first one, 0 if due, -1 if there is none. */
int timers_wait(const struct timers *t, uint64_t now_ms);

#endif
