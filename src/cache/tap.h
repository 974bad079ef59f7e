/* A tap on a flight: sees an answer as it comes, without changing it.
 *
 *      on_head, once ► on_bytes, for each piece as it came ► on_end, once
 *
 * All are called on the filler's thread, without the flight's lock: head and bytes when readers
 * have been told of them, so that none waits for a tap; the end before, so that what a tap knows is
 * known when a reader sees the end. on_end comes without on_head where no head ever came. Each may
 * be NULL. A tap belongs to its maker, and is removed before it is freed.
 */
#ifndef CACHE_TAP_H
#define CACHE_TAP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/list.h"

struct flight;

struct tap {
    struct list node; /* of the flight's */
    void (*on_head)(struct tap *, struct flight *);
    void (*on_bytes)(struct tap *, struct flight *, const void *bytes, size_t len);
    void (*on_end)(struct tap *, struct flight *, bool complete);
};

#endif
