/* One name lookup at a time.
 *
 * libcurl gives each lookup a thread of its own: hundreds of requests during a slow one would be as
 * many threads. So one attempt of a worker looks up, and the others wait; then they find the result
 * in libcurl's cache. Owner thread only.
 */
#ifndef UPSTREAM_LOOKUP_H
#define UPSTREAM_LOOKUP_H

#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"

struct lookup_waiter {
    struct list node; /* lookups->waiting */
    bool waits;       /* for its turn, or for having been told */
    struct err *err;  /* the lookup that it waited for failed; the waiter frees it */
    void (*on_turn)(struct lookup_waiter *waiter); /* not to call libcurl from */
};

struct lookups {
    struct lookup_waiter *busy; /* it looks up; NULL: nobody does */
    struct list waiting;
};

void lookups_init(struct lookups *lookups);
void lookup_waiter_init(struct lookup_waiter *waiter, void (*on_turn)(struct lookup_waiter *));

/* False: another one's lookup is on its way, and lookup_wait() is due. */
bool lookup_begin(struct lookups *lookups, struct lookup_waiter *waiter);
/* on_turn comes when the other one's lookup has ended, at once if it has by now. */
void lookup_wait(struct lookups *lookups, struct lookup_waiter *waiter);
/* If it was this one's: err says how it failed, NULL: it did not, or nobody knows. */
void lookup_end(struct lookups *lookups, struct lookup_waiter *waiter, const struct err *err);
/* The waiter waits no more. */
void lookup_leave(struct lookup_waiter *waiter);

#endif
