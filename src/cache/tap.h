/* A tap: an observer of a flight that sees the answer as it comes.
 *
 *      on_head, once ► on_bytes, for each piece as it came ► on_end, once
 *
 * The callbacks run on the filler's thread, without the flight's lock. Head and bytes follow the
 * readers' notification, so that no reader waits for a tap; the end precedes it, so that a tap's
 * conclusion is known when a reader sees the end. on_end comes without on_head if no head ever
 * came. Each may be NULL. The maker of a tap owns it, and removes it from the list before freeing
 * it.
 */
#ifndef CACHE_TAP_H
#define CACHE_TAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct flight;

struct tap {
    struct list node; /* in flight->taps */
    void (*on_head)(struct tap *, struct flight *);
    void (*on_bytes)(struct tap *, struct flight *, const void *bytes, size_t len);
    void (*on_end)(struct tap *, struct flight *, bool complete);
};

#endif
