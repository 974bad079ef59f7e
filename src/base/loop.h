/* An event loop over epoll: descriptors, timers, and one clock reading a turn.
 *
 * One thread owns a loop; nothing here may be called from another one (that is what the
 * mailbox is for). A watch is embedded in its owner. loop_turn() waits, calls the watches that
 * are ready, then the timers that are due.
 *
 * A callback may unwatch any watch, but an owner must not be freed before the turn ends: the
 * kernel has already named it in this turn's events. Give it to loop_free_later().
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include <stdint.h>

#include "base/err.h"
#include "base/list.h"
#include "base/timers.h"

struct watch {
    int fd; /* -1 when not watched; the owner closes it, after loop_unwatch() */
    uint32_t events;
    void (*ready)(struct watch *, uint32_t events); /* the owner's, before loop_watch() */
};

struct garbage {
    struct list node;
    void (*free)(struct garbage *);
};

struct loop {
    int epoll;
    uint64_t now_ms;  /* as of this turn's wake-up */
    uint64_t woke_us; /* the same, clock_mono_us() */
    struct timers timers;
    struct list garbage;
};

int loop_init(struct loop *l, struct err *err);
void loop_release(struct loop *l);

/* Starts watching, or changes what is watched for; w->ready is set. events: EPOLLIN, EPOLLRDHUP, …
 * 0, or -1: it is not watched. */
int loop_watch(struct loop *l, struct watch *w, int fd, uint32_t events, struct err *err);
void loop_unwatch(struct loop *l, struct watch *w);

/* Waits at most max_ms (-1: for ever), dispatches once, frees the garbage of the turn before. */
void loop_turn(struct loop *l, int max_ms);
void loop_free_later(struct loop *l, struct garbage *g, void (*free_it)(struct garbage *));

#endif
