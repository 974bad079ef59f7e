/* One name lookup at a time per worker.
 *
 * libcurl starts a thread for each lookup: during a slow lookup hundreds of requests would start
 * hundreds of threads. So one attempt of a worker looks the name up, and the others wait and then
 * find the result in libcurl's cache. Waiters are embedded in their owners. Worker's thread only.
 */
#ifndef UPSTREAM_LOOKUP_H
#define UPSTREAM_LOOKUP_H

#include <stdbool.h>

#include "base/err.h"
#include "base/list.h"

struct lookup_waiter {
    struct list node; /* lookups->waiting */
    bool waits;      /* since lookup_begin() refused, until lookup_leave() or its owner clears it */
    struct err *err; /* the awaited lookup's failure, or NULL; the waiter's owner frees it */
    void (*on_turn)(struct lookup_waiter *waiter); /* may not call libcurl */
};

struct lookups {
    struct lookup_waiter *busy; /* its lookup is in progress; NULL: none is */
    struct list waiting;
};

void lookups_init(struct lookups *lookups);
void lookup_waiter_init(struct lookup_waiter *waiter, void (*on_turn)(struct lookup_waiter *));

/* True: the waiter may look the name up. False: another waiter's lookup is in progress; the caller
 * ends its transfer and calls lookup_wait(). */
bool lookup_begin(struct lookups *lookups, struct lookup_waiter *waiter);
/* Calls on_turn when the other waiter's lookup has ended: at once if it already has. */
void lookup_wait(struct lookups *lookups, struct lookup_waiter *waiter);
/* Ends the waiter's lookup, if it is in progress, and calls on_turn of all other waiters. err: the
 * lookup's failure, of which each gets a copy; NULL: success, or unknown. */
void lookup_end(struct lookups *lookups, struct lookup_waiter *waiter, const struct err *err);
/* Removes the waiter from the queue and frees its err. A lookup of its own stays in progress. */
void lookup_leave(struct lookup_waiter *waiter);

#endif
